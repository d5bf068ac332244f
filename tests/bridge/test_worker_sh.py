"""resources/profileapp/worker.sh: finds the worker on an agent, or makes it, and becomes it."""

from __future__ import annotations

import configparser
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from profileapp import __version__
from tests.bridge.conftest import NO_NETWORK, PYTHON, RESOURCES, VERSION, Agent, ended
from tests.bridge.stand_in import write_wheel

ROOT = RESOURCES.parents[1]
MAKING = "making the worker's environment"
HOSTILE = ["--image", "$(touch pwned)", "`touch pwned`", "a 'b\" c", "line\nline", "ä–€", "", "*", "-c", "; exit 9"]


@pytest.fixture(scope="session")
def newer_wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another worker of the same version."""
    folder = tmp_path_factory.mktemp("newer")
    write_wheel(folder, "profileapp", VERSION, main="print('newer')")
    return folder


def test_library_and_package_are_of_one_version() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["metadata"]["version"] == VERSION == __version__


def test_is_clean() -> None:
    script = RESOURCES / "worker.sh"
    if not shutil.which("shellcheck"):
        pytest.skip("no shellcheck on the PATH")
    checked = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert script.read_text().startswith("#!/bin/sh\n")


class TestFirstUse:
    def test_makes_an_environment_without_a_network(self, bare_agent: Agent) -> None:
        answer = bare_agent.run("plan", "sage.yaml")
        assert answer.code == 0, answer.err
        assert answer.worker["args"] == ["plan", "sage.yaml"]
        assert answer.worker["executable"] == str(bare_agent.environment() / "bin" / "python")
        assert MAKING in answer.err
        # It is there now: the folder of wheels is not asked for again.
        again = bare_agent.run(PROFILEAPP_WHEELS="/no/such/folder")
        assert again.code == 0
        assert again.err == ""

    def test_installs_from_an_index(self, bare_agent: Agent, wheels: Path, tmp_path: Path) -> None:
        simple = tmp_path / "index" / "simple" / "profileapp"
        simple.mkdir(parents=True)
        for wheel in wheels.iterdir():
            shutil.copy(wheel, simple)
        server = ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "index"))
        )
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/simple"
            answer = bare_agent.run(PROFILEAPP_WHEELS="", PROFILEAPP_INDEX=url)
        finally:
            server.shutdown()
            server.server_close()
        assert answer.code == 0, answer.err

    def test_an_indexs_password_is_in_no_command_line(self, bare_agent: Agent, empty_venv: Path) -> None:
        """Command lines are everybody's to read; an environment is its user's."""
        log, fake = bare_agent.folder / "commands", bare_agent.folder / "logged python"
        fake.write_text(f'#!/bin/sh\necho "$PIP_INDEX_URL|$*" >>"{log}"\nexec "$0.real" "$@"\n')
        fake.chmod(0o755)
        bare_agent.program(
            "python3",
            f'case "$1 $2 $3" in "-I -m venv") cp -a "{empty_venv}" "$4" && mv "$4/bin/python" "$4/bin/python.real" &&'
            f' cp "{fake}" "$4/bin/python"; exit ;; esac; exec {PYTHON} "$@"',
        )
        url = "http://ann:secret@127.0.0.1:9/simple"
        answer = bare_agent.run(PROFILEAPP_WHEELS="", PROFILEAPP_INDEX=url)
        assert answer.code == 4
        assert "secret" not in answer.err
        (call,) = log.read_text().splitlines()
        assert call == f"{url}|-I -m pip install --quiet --disable-pip-version-check --no-input profileapp=={VERSION}"

    def test_builds_that_start_at_once_make_it_once(self, bare_agent: Agent) -> None:
        started = [bare_agent.start("run", str(number)) for number in range(4)]
        answers = [ended(process) for process in started]
        assert [answer.code for answer in answers] == [0] * 4, answers
        assert [answer.worker["args"][1] for answer in answers] == ["0", "1", "2", "3"]
        assert sum(MAKING in answer.err for answer in answers) == 1

    def test_it_waits_for_whoever_makes_the_environment(self, agent: Agent) -> None:
        agent.environ["PROFILEAPP_WHEELS"] = str(agent.wheels)
        made = agent.environment()
        assert agent.run().code == 0
        (mine,) = set(agent.environments()) - {made}
        (mine / "complete").unlink()
        lock = agent.home / "locks" / f"making-{mine.stem}"
        with lock.open() as lock_file:
            fcntl.flock(lock_file, fcntl.LOCK_EX)
            process = agent.start("run")
            assert process.stderr
            assert "waiting for another build" in process.stderr.readline()
            assert process.poll() is None
            (mine / "complete").touch()
        answer = ended(process)
        assert answer.code == 0
        assert MAKING not in answer.err

    def test_an_extra_has_an_environment_of_its_own(self, agent: Agent, wheels: Path) -> None:
        answer = agent.run(PROFILEAPP_EXTRAS="report", PROFILEAPP_WHEELS=str(wheels))
        assert answer.code == 0, answer.err
        assert answer.worker["executable"] == str(agent.environment("report") / "bin" / "python")

    def test_killed_half_way_it_is_made_anew(self, bare_agent: Agent, tmp_path: Path) -> None:
        reached = tmp_path / "reached"
        bare_agent.program(
            "python3", f'case "$*" in *" venv "*) {PYTHON} "$@"; touch {reached}; sleep 60;; esac; exec {PYTHON} "$@"'
        )
        process = bare_agent.start()
        _wait_for(reached)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        half_made = bare_agent.environment()
        assert (half_made / "bin" / "python").exists()
        bare_agent.program("python3", f'exec {PYTHON} "$@"')
        answer = bare_agent.run()
        assert answer.code == 0, answer.err
        assert MAKING in answer.err
        assert not half_made.exists()


class TestLaterUse:
    @pytest.mark.parametrize("shell", [("dash",), ("bash", "--posix"), ("busybox", "sh")], ids=lambda shell: shell[0])
    def test_arguments_and_exit_code_pass_unchanged(self, agent: Agent, shell: tuple[str, ...]) -> None:
        if not shutil.which(shell[0]):
            pytest.skip(f"no {shell[0]} on this machine")
        answer = agent.run(*HOSTILE, "--exit", "3", shell=shell)
        assert answer.code == 3, answer.err
        assert answer.worker["args"] == [*HOSTILE, "--exit", "3"]
        assert sorted(each.name for each in agent.workspace.iterdir()) == ["VERSION", "worker.sh"]

    def test_becomes_the_worker_so_that_a_signal_reaches_it(self, agent: Agent) -> None:
        process = agent.start("--until", "never")
        assert process.stdout
        assert f'"pid": {process.pid}' in process.stdout.readline()
        process.terminate()
        assert process.wait(timeout=30) == -signal.SIGTERM

    def test_the_apps_own_modules_are_not_taken_for_ours(self, agent: Agent, wheels: Path) -> None:
        for name in ("yaml", "json", "venv", "pip", "ensurepip", "profileapp"):
            (agent.workspace / f"{name}.py").write_text("raise SystemExit('the app was imported')\n")
        answer = agent.run(PROFILEAPP_EXTRAS="report", PROFILEAPP_WHEELS=str(wheels), PYTHONPATH=str(agent.workspace))
        assert answer.code == 0, answer.err
        assert agent.run(PYTHONPATH=str(agent.workspace)).code == 0

    @pytest.mark.parametrize("lost", ["complete", "bin/python", "lib"])
    def test_an_environment_that_is_not_whole_is_made_anew(self, agent: Agent, wheels: Path, lost: str) -> None:
        agent.environ["PROFILEAPP_WHEELS"] = str(wheels)
        shutil.rmtree(agent.environment())
        assert agent.run().code == 0
        broken = agent.environment()
        gone = broken / lost
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
        answer = agent.run()
        assert answer.code == 0, answer.err
        assert MAKING in answer.err
        assert agent.environment() != broken, "none is changed in place: another build may use it"

    def test_another_wheel_of_the_same_version_is_installed(
        self, bare_agent: Agent, wheels: Path, newer_wheels: Path, tmp_path: Path
    ) -> None:
        assert bare_agent.run(PROFILEAPP_WHEELS=str(wheels)).code == 0
        answer = bare_agent.run(PROFILEAPP_WHEELS=str(newer_wheels))
        assert answer.out == "newer\n", answer.err
        assert MAKING in answer.err
        assert MAKING not in bare_agent.run(PROFILEAPP_WHEELS=str(newer_wheels)).err
        _age(bare_agent.environments()[0], days=0.1)
        _age(bare_agent.environments()[1], days=0.1)
        assert bare_agent.run(PROFILEAPP_WHEELS=str(newer_wheels)).out == "newer\n"
        assert bare_agent.run(PROFILEAPP_WHEELS=str(tmp_path / "gone")).out == "newer\n", "used last"

    def test_jobs_with_different_wheels_keep_an_environment_each(
        self, bare_agent: Agent, wheels: Path, newer_wheels: Path
    ) -> None:
        for source in (wheels, newer_wheels):
            assert bare_agent.run(PROFILEAPP_WHEELS=str(source)).code == 0
        for source in (wheels, newer_wheels, wheels):
            assert bare_agent.run(PROFILEAPP_WHEELS=str(source)).err == ""
        assert len(bare_agent.environments()) == 2

    def test_no_build_waits_for_the_run_of_another(
        self, bare_agent: Agent, wheels: Path, newer_wheels: Path, tmp_path: Path
    ) -> None:
        stop = tmp_path / "stop"
        running = bare_agent.start("--until", str(stop), PROFILEAPP_WHEELS=str(wheels))
        assert running.stdout
        assert running.stdout.readline()
        for source in (newer_wheels, wheels):
            answer = bare_agent.run(PROFILEAPP_WHEELS=str(source))
            assert answer.code == 0
            assert "waiting" not in answer.err
        # A broken one is not replaced under the run that uses it.
        (used,) = [each for each in bare_agent.environments() if "newer" not in _main_of(each)]
        (used / "complete").unlink()
        answer = bare_agent.run(PROFILEAPP_WHEELS=str(wheels))
        assert answer.code == 0
        assert "waiting" not in answer.err
        assert (used / "bin" / "python").exists()
        assert running.poll() is None
        stop.touch()
        assert ended(running).code == 0
        assert bare_agent.run(PROFILEAPP_WHEELS=str(wheels)).err == ""
        assert not used.exists()

    def test_another_dependency_is_another_environment(self, bare_agent: Agent, wheels: Path, tmp_path: Path) -> None:
        source = tmp_path / "wheels with more"
        shutil.copytree(wheels, source)
        assert bare_agent.run(PROFILEAPP_WHEELS=str(source)).code == 0
        write_wheel(source, "dependency", "1.0")
        assert MAKING in bare_agent.run(PROFILEAPP_WHEELS=str(source)).err
        assert len(bare_agent.environments()) == 2

    def test_another_python_is_another_environment(self, bare_agent: Agent) -> None:
        """A home may be shared by agents of several kinds."""
        made_by = 'case "$1" in -V) echo Python {} ;; *) exec {} "$@" ;; esac'
        for version in ("3.10.9", "3.12.1"):
            bare_agent.program("python3", made_by.format(version, PYTHON))
            assert MAKING in bare_agent.run().err
        bare_agent.program("python3", made_by.format("3.10.12", PYTHON))
        assert bare_agent.run().err == ""

    def test_wheels_that_change_while_they_are_installed_are_no_known_content(
        self, bare_agent: Agent, wheels: Path, newer_wheels: Path, tmp_path: Path
    ) -> None:
        source = tmp_path / "wheels that change"
        shutil.copytree(wheels, source)
        bare_agent.program(
            "python3", f'case "$*" in *" venv "*) cp {newer_wheels}/* "{source}" ;; esac; exec {PYTHON} "$@"'
        )
        answer = bare_agent.run(PROFILEAPP_WHEELS=str(source))
        assert answer.code == 4
        assert "changed while they were installed; build again" in answer.err.splitlines()[-1]
        assert bare_agent.run(PROFILEAPP_WHEELS=str(source)).out == "newer\n"
        assert bare_agent.run(PROFILEAPP_WHEELS=str(wheels)).worker

    def test_an_index_is_known_by_its_address_without_a_password(self, bare_agent: Agent, wheels: Path) -> None:
        pretend = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PROFILEAPP_WHEELS": ""}
        first = bare_agent.run(**pretend, PROFILEAPP_INDEX="https://ann:one@pypi.example.org/simple")
        assert first.code == 0, first.err
        again = bare_agent.run(**pretend, PROFILEAPP_INDEX="https://ann:two@pypi.example.org/simple")
        assert (again.code, again.err) == (0, "")
        assert MAKING in bare_agent.run(**pretend, PROFILEAPP_INDEX="https://other.example.org/simple").err


class TestPreinstalled:
    def test_of_the_right_version_it_is_used(self, bare_agent: Agent) -> None:
        bare_agent.program("profileapp", _preinstalled(VERSION))
        answer = bare_agent.run("run", "a b")
        assert (answer.code, answer.out) == (7, "preinstalled run|a b\n")
        assert not bare_agent.home.exists()

    @pytest.mark.parametrize("version", ["0.0.1", VERSION + ".dev1", ""])
    def test_of_another_version_it_is_left_alone(self, agent: Agent, version: str) -> None:
        agent.program("profileapp", _preinstalled(version))
        answer = agent.run("run")
        assert answer.code == 0, answer.err
        assert answer.worker["args"] == ["run"]
        assert f"is not version {VERSION}" in answer.err

    @pytest.mark.parametrize(
        ("has", "is_used"), [("report", True), ("gpu, report", True), ("gpu", False), ("none", False)]
    )
    def test_an_extra_it_lacks_is_installed_apart(self, agent: Agent, wheels: Path, has: str, is_used: bool) -> None:
        agent.program("profileapp", _preinstalled(VERSION, has))
        answer = agent.run("report", "x", PROFILEAPP_EXTRAS="report", PROFILEAPP_WHEELS=str(wheels))
        assert answer.code == (7 if is_used else 0), answer.err
        assert bool(agent.environments("report")) is not is_used

    @pytest.mark.parametrize(
        ("has", "is_used"),
        [("report, store, postgres", True), ("store, postgres", True), ("store", False), ("stores, postgres", False)],
    )
    def test_of_several_extras_it_must_have_all(self, agent: Agent, wheels: Path, has: str, is_used: bool) -> None:
        agent.program("profileapp", _preinstalled(VERSION, has))
        answer = agent.run("store", "x", PROFILEAPP_EXTRAS="store,postgres", PROFILEAPP_WHEELS=str(wheels))
        assert answer.code == (7 if is_used else 0), answer.err


WANTED = {"PROFILEAPP_OPTIONAL_EXTRAS": "functions"}


class TestOptionalExtras:
    """What the metric `functions` needs is installed where it can be had, and missed by no other metric."""

    @pytest.fixture
    def wheels_with(self, tmp_path: Path) -> Path:
        folder = tmp_path / "wheels with functions"
        folder.mkdir()
        write_wheel(folder, "profileapp", VERSION, extra="functions")
        return folder

    def test_it_is_installed(self, bare_agent: Agent, wheels_with: Path) -> None:
        answer = bare_agent.run("run", **WANTED, PROFILEAPP_WHEELS=str(wheels_with))
        assert answer.code == 0, answer.err
        assert answer.worker["executable"] == str(bare_agent.environment("functions") / "bin" / "python")

    def test_without_it_the_worker_runs_too(self, bare_agent: Agent, tmp_path: Path) -> None:
        source = tmp_path / "wheels without py-spy"
        source.mkdir()
        write_wheel(source, "profileapp", VERSION, extra="functions", requires="no-such-py-spy")
        answer = bare_agent.run("run", **WANTED, PROFILEAPP_WHEELS=str(source))
        assert answer.code == 0, answer.err
        assert answer.worker["executable"] == str(bare_agent.environment() / "bin" / "python")
        assert (
            f"profileapp: profileapp[functions]=={VERSION} cannot be installed from the folder {source}" in answer.err
        )
        assert "profileapp: going on without what is optional: functions\n" in answer.err

    def test_a_py_spy_of_the_agents_is_not_hidden(self, agent: Agent) -> None:
        """An administrator may have given it the right to look into other processes."""
        agent.program("py-spy", "exit 0")
        assert agent.run("run", **WANTED).err == ""
        assert not agent.environments("functions")

    def test_a_preinstalled_worker_without_it_is_the_last_resort(self, bare_agent: Agent, wheels_with: Path) -> None:
        bare_agent.program("profileapp", _preinstalled(VERSION))
        answer = bare_agent.run("run", **WANTED, PROFILEAPP_WHEELS="/no/such/folder")
        assert (answer.code, answer.out) == (7, "preinstalled run\n")
        assert "going on without what is optional: functions" in answer.err
        assert bare_agent.run("run", **WANTED, PROFILEAPP_WHEELS=str(wheels_with)).code == 0
        bare_agent.program("profileapp", _preinstalled(VERSION, "functions"))
        assert bare_agent.run("run", **WANTED, PROFILEAPP_WHEELS="/no/such/folder").err == ""

    def test_it_is_checked_as_what_is_needed(self, bare_agent: Agent) -> None:
        answer = bare_agent.run(PROFILEAPP_OPTIONAL_EXTRAS="$(id)")
        assert (answer.code, answer.err) == (
            4,
            "profileapp: PROFILEAPP_OPTIONAL_EXTRAS '$(id)': must be names of extras, such as report\n",
        )


class TestPrune:
    def test_removes_what_was_not_used_for_long(self, agent: Agent) -> None:
        old, half, fresh = (agent.home / f"worker-0.0.{number}-{os.uname().machine}" for number in range(3))
        for each in (old, half, fresh):
            (each / "bin").mkdir(parents=True)
        for each in (old, fresh):
            (each / "complete").touch()
        _age(old, days=32)
        _age(fresh, days=29)
        _age(agent.environment(), days=32)
        assert agent.run().code == 0
        assert not old.exists()
        assert not half.exists()
        assert fresh.exists()
        assert agent.environment().exists(), "the one in use was old until now"
        assert time.time() - agent.environment().stat().st_mtime < 600

    def test_of_the_same_version_it_removes_what_was_not_used_for_days(
        self, bare_agent: Agent, wheels: Path, newer_wheels: Path
    ) -> None:
        """A library in the making has another wheel for every commit; a nightly job comes every day."""
        assert bare_agent.run(PROFILEAPP_WHEELS=str(newer_wheels)).code == 0
        newer = bare_agent.environment()
        for days, is_kept in ((1.5, True), (3.5, False)):
            _age(newer, days)
            assert bare_agent.run(PROFILEAPP_WHEELS=str(wheels)).code == 0
            assert newer.exists() is is_kept
        locks = [each.name for each in (bare_agent.home / "locks").iterdir()]
        assert sorted(locks) == sorted([bare_agent.environment().name, f"making-{bare_agent.environment().stem}"])

    def test_keeps_one_that_is_being_made(self, bare_agent: Agent, tmp_path: Path, newer_wheels: Path) -> None:
        reached, going_on = tmp_path / "reached", tmp_path / "going on"
        bare_agent.program(
            "python3",
            f'case "$*" in *" venv "*) {PYTHON} "$@"; touch "{reached}"; '
            f'while [ ! -e "{going_on}" ]; do sleep 0.05; done; exit ;; esac; exec {PYTHON} "$@"',
        )
        making = bare_agent.start()
        _wait_for(reached)
        bare_agent.program("python3", f'exec {PYTHON} "$@"')
        assert bare_agent.run(PROFILEAPP_WHEELS=str(newer_wheels)).out == "newer\n"
        going_on.touch()
        assert ended(making).code == 0

    def test_keeps_one_that_is_in_use(self, agent: Agent, tmp_path: Path) -> None:
        other = agent.home / f"worker-0.0.1-{os.uname().machine}-0123456789abcdef.abcdef"
        shutil.copytree(agent.environment(), other, symlinks=True)
        stop = tmp_path / "stop"
        (agent.workspace / "VERSION").write_text("0.0.1\n")
        running = agent.start("--until", str(stop))
        assert running.stdout
        assert running.stdout.readline()
        (agent.workspace / "VERSION").write_text(VERSION)
        _age(other, days=400)
        assert agent.run().code == 0
        assert (other / "complete").exists()
        stop.touch()
        assert ended(running).code == 0
        assert agent.run().code == 0
        assert not other.exists()


class TestOlderPython:
    def test_the_next_one_on_the_path_is_taken(self, bare_agent: Agent) -> None:
        bare_agent.program("python3", "exit 1")
        bare_agent.program("python3.12", f'exec {PYTHON} "$@"')
        assert bare_agent.run().code == 0

    def test_uv_brings_a_newer_one(self, bare_agent: Agent) -> None:
        bare_agent.program("python3", "exit 1")
        bare_agent.program("uv", _uv())
        answer = bare_agent.run()
        assert answer.code == 0, answer.err

    def test_uv_is_installed_where_it_is_missing(self, bare_agent: Agent, wheels: Path, tmp_path: Path) -> None:
        # An old Python that makes environments, which is all that uv needs.
        bare_agent.program("python3", f'case "$2" in -c) exit 1 ;; esac; exec {PYTHON} "$@"')
        source = tmp_path / "wheels with uv"
        shutil.copytree(wheels, source)
        _write_uv_wheel(source)
        answer = bare_agent.run(PROFILEAPP_WHEELS=str(source))
        assert answer.code == 0, answer.err
        assert (bare_agent.home / "uv" / "bin" / "uv").exists()

    def test_without_either_it_says_what_to_do(self, bare_agent: Agent) -> None:
        bare_agent.program("python3", "exit 1")
        answer = bare_agent.run()
        assert answer.code == 4
        last = answer.err.splitlines()[-1]
        assert last.startswith(
            "profileapp: needs Python 3.10 or later with its venv module (apt-get install python3-venv)"
        )
        assert last.endswith("this agent has no python3, and no virtual environment can be made to install uv in")

    def test_it_says_which_python_is_there_and_why_uv_is_not(self, bare_agent: Agent) -> None:
        bare_agent.program("python3", _old_python())
        last = bare_agent.run().err.splitlines()[-1]
        assert "this agent has Python 3.8.10, and uv cannot be installed from the folder" in last
        assert "No matching distribution found for uv" in last or "satisfies the requirement uv" in last

    def test_it_says_what_uv_could_not_do(self, bare_agent: Agent) -> None:
        bare_agent.program("python3", _old_python())
        bare_agent.program(
            "uv",
            "echo 'error: Failed to download https://ann:secret@python.example.org/x' >&2\n"
            "echo '  Caused by: no route' >&2\nexit 2",
        )
        answer = bare_agent.run()
        assert answer.code == 4
        *before, last = answer.err.splitlines()
        assert last.endswith(
            "this agent has Python 3.8.10, and uv could not bring one (error: Failed to download "
            "https://python.example.org/x); "
            "where it cannot reach its Python builds, UV_PYTHON_INSTALL_MIRROR names a mirror"
        )
        assert "  Caused by: no route" in before
        assert "secret" not in answer.err

    def test_a_new_python_without_venv_is_said_so(self, bare_agent: Agent) -> None:
        bare_agent.program(
            "python3",
            f'case "$*" in *ensurepip*|*venv*) exit 1 ;; -V) echo Python 3.11.2 ;; *) exec {PYTHON} "$@" ;; esac',
        )
        assert "this agent has Python 3.11.2 without the venv module, and" in bare_agent.run().err.splitlines()[-1]

    def test_uv_gets_pip_from_where_the_worker_comes_from(self, bare_agent: Agent, wheels: Path) -> None:
        bare_agent.program("python3", "exit 1")
        bare_agent.program("uv", f'echo "$UV_FIND_LINKS $UV_INDEX_URL" >"{bare_agent.folder}/from"; exit 2')
        bare_agent.run(PROFILEAPP_INDEX="https://pypi.example.org/simple")
        assert (bare_agent.folder / "from").read_text() == f"{wheels} https://pypi.example.org/simple\n"


class TestErrors:
    @pytest.mark.parametrize(
        ("environ", "message"),
        [
            ({"PROFILEAPP_WHEELS": "wheels"}, "PROFILEAPP_WHEELS 'wheels': must be an absolute path"),
            ({"PROFILEAPP_WHEELS": "/no/such"}, "PROFILEAPP_WHEELS '/no/such': no such folder on this agent"),
            ({"PROFILEAPP_EXTRAS": "report]; rm"}, "PROFILEAPP_EXTRAS 'report]; rm': must be names of extras"),
            ({"PROFILEAPP_HOME": "here"}, "PROFILEAPP_HOME 'here': must be an absolute path"),
            ({"PROFILEAPP_HOME": "/dev/null/x"}, "/dev/null/x cannot be written; set PROFILEAPP_HOME"),
            ({"HOME": ""}, "HOME is not set; set it, or PROFILEAPP_HOME"),
            ({"PROFILEAPP_WHEELS": ""}, "cannot be installed from pip's index"),
            (
                {"PROFILEAPP_WHEELS": "", "PROFILEAPP_INDEX": "http://user:secret@127.0.0.1:9/simple"},
                "cannot be installed from the index that PROFILEAPP_INDEX names",
            ),
        ],
    )
    def test_one_clear_line_and_code_4(self, bare_agent: Agent, environ: dict[str, str], message: str) -> None:
        answer = bare_agent.run(**environ)
        assert answer.code == 4
        last = answer.err.splitlines()[-1]
        assert last.startswith("profileapp: ")
        assert message in last
        assert answer.out == ""
        assert "secret" not in answer.err

    @pytest.mark.parametrize("text", [None, "", "1.0; rm -rf /", "$(id)", "1.0\n2.0"])
    def test_no_version_to_be_pinned_to(self, bare_agent: Agent, text: str | None) -> None:
        version = bare_agent.workspace / "VERSION"
        version.unlink() if text is None else version.write_text(text)
        answer = bare_agent.run()
        assert answer.code == 4
        assert re.fullmatch(
            r"profileapp: the file VERSION beside worker\.sh (is missing|holds no version)\n", answer.err
        )

    def test_no_flock(self, bare_agent: Agent) -> None:
        (bare_agent.path / "flock").unlink()
        answer = bare_agent.run()
        assert (answer.code, answer.err) == (4, "profileapp: needs flock (of util-linux) on this agent\n")

    @pytest.mark.parametrize("shell", [("dash",), ("bash", "--posix"), ("busybox", "sh")], ids=lambda shell: shell[0])
    def test_what_the_shell_itself_fails_at_is_no_verdict(self, bare_agent: Agent, shell: tuple[str, ...]) -> None:
        """dash ends with 2 where it cannot open a file, which would read: the app failed."""
        if not shutil.which(shell[0]):
            pytest.skip(f"no {shell[0]} on this machine")
        assert bare_agent.run("run", shell=shell).code == 0
        (lock,) = (bare_agent.home / "locks").glob("making-*")
        shutil.rmtree(bare_agent.environment())
        lock.unlink()
        lock.mkdir()
        answer = bare_agent.run("run", shell=shell)
        assert answer.code == 4, answer.err

    def test_an_install_that_failed_leaves_nothing_that_looks_whole(self, bare_agent: Agent, wheels: Path) -> None:
        assert bare_agent.run(PROFILEAPP_WHEELS="").code == 4
        assert not (bare_agent.environment() / "complete").exists()
        assert bare_agent.run(PROFILEAPP_WHEELS=str(wheels)).code == 0
        assert (bare_agent.environment() / "complete").exists(), "the only one: what failed was removed"


@pytest.mark.slow
def test_the_real_worker_is_installed_from_its_wheel(bare_agent: Agent, tmp_path: Path) -> None:
    """With its dependencies out of pip's own index, as an agent with a network has them."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "worker", source / "worker", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path / "dist", source],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (bare_agent.workspace / "sage.yaml").write_text(
        "name: app\nprofiling:\n  targets:\n    - {args: '--use-cpu', timeout: 5}\n  metrics: ['system']\n"
    )
    for name in NO_NETWORK:
        del bare_agent.environ[name]
    pip_settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    answer = bare_agent.run("plan", "sage.yaml", "--json", PROFILEAPP_WHEELS=str(tmp_path / "dist"), **pip_settings)
    assert answer.code == 0, answer.err
    assert answer.worker["targets"][0]["name"] == "use-cpu"
    # On the PATH it is the preinstalled one, and its version is understood.
    (bare_agent.path / "profileapp").symlink_to(bare_agent.environment() / "bin" / "profileapp")
    (bare_agent.environment() / "complete").unlink()
    answer = bare_agent.run("--version", PROFILEAPP_WHEELS="/no/such/folder")
    assert (answer.code, answer.out, answer.err) == (0, f"profileapp {VERSION} (extras: none)\n", "")


def _preinstalled(version: str, extras: str = "none") -> str:
    return f"""
        if [ "$1" = --version ]; then echo "profileapp {version} (extras: {extras})"; exit; fi
        IFS='|'; echo "preinstalled $*"; exit 7"""


def _old_python() -> str:
    """Makes environments, which is all that uv needs."""
    return f'case "$1 $2" in "-V "*) echo Python 3.8.10 ;; "-I -c") exit 1 ;; *) exec {PYTHON} "$@" ;; esac'


def _uv() -> str:
    """Does what `uv --no-config venv --quiet --seed --python '>=3.10' FOLDER` does."""
    return f"""
        [ "$1 $2 $3 $4 $5 $6" = "--no-config venv --quiet --seed --python >=3.10" ] || exit 9
        exec {PYTHON} -m venv "$7" """


def _write_uv_wheel(folder: Path) -> None:
    program = zipfile.ZipInfo("uv-1.0.data/scripts/uv")
    program.external_attr = 0o100755 << 16
    with zipfile.ZipFile(write_wheel(folder, "uv", "1.0"), "a") as archive:
        archive.writestr(program, f"#!/bin/sh\n{_uv()}\n")


def _main_of(environment: Path) -> str:
    (main,) = environment.glob("lib/python*/site-packages/profileapp/__main__.py")
    return main.read_text()


def _age(folder: Path, days: float) -> None:
    then = time.time() - days * 86400
    os.utime(folder, (then, then))


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.02)
