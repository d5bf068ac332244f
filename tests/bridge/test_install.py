"""worker.sh installs the worker in an environment on the agent the first time."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.bridge.conftest import NO_NETWORK, PYTHON, RESOURCES, VERSION, Agent, ended
from tests.bridge.stand_in import write_wheel
from tests.bridge.support import MAKING, preinstalled, wait_for

ROOT = RESOURCES.parents[1]


class TestFirstUse:
    def test_creates_an_environment_without_a_network(self, bare_agent: Agent) -> None:
        answer = bare_agent.run("plan", "sage.yaml")
        assert answer.code == 0, answer.err
        assert answer.worker["args"] == ["plan", "sage.yaml"]
        assert answer.worker["executable"] == str(bare_agent.environment() / "bin" / "python")
        assert MAKING in answer.err
        # The environment exists now, so the folder of wheels is not read again.
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

    def test_index_password_is_in_no_command_line(self, bare_agent: Agent, empty_venv: Path) -> None:
        """Every user can read command lines; only the user can read the environment."""
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

    def test_concurrent_builds_create_one_environment(self, bare_agent: Agent) -> None:
        started = [bare_agent.start("run", str(number)) for number in range(4)]
        answers = [ended(process) for process in started]
        assert [answer.code for answer in answers] == [0] * 4, answers
        assert [answer.worker["args"][1] for answer in answers] == ["0", "1", "2", "3"]
        assert sum(MAKING in answer.err for answer in answers) == 1

    def test_waits_for_another_build_that_creates_the_environment(self, agent: Agent) -> None:
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

    def test_an_extra_has_a_separate_environment(self, agent: Agent, wheels: Path) -> None:
        answer = agent.run(PROFILEAPP_EXTRAS="report", PROFILEAPP_WHEELS=str(wheels))
        assert answer.code == 0, answer.err
        assert answer.worker["executable"] == str(agent.environment("report") / "bin" / "python")

    def test_an_interrupted_install_is_repeated(self, bare_agent: Agent, tmp_path: Path) -> None:
        reached = tmp_path / "reached"
        bare_agent.program(
            "python3", f'case "$*" in *" venv "*) {PYTHON} "$@"; touch {reached}; sleep 60;; esac; exec {PYTHON} "$@"'
        )
        process = bare_agent.start()
        wait_for(reached)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        half_made = bare_agent.environment()
        assert (half_made / "bin" / "python").exists()
        bare_agent.program("python3", f'exec {PYTHON} "$@"')
        answer = bare_agent.run()
        assert answer.code == 0, answer.err
        assert MAKING in answer.err
        assert not half_made.exists()


WANTED = {"PROFILEAPP_OPTIONAL_EXTRAS": "functions"}


class TestOptionalExtras:
    """The extra for the metric `functions` is installed where possible; no other metric needs it."""

    @pytest.fixture
    def wheels_with_functions(self, tmp_path: Path) -> Path:
        folder = tmp_path / "wheels with functions"
        folder.mkdir()
        write_wheel(folder, "profileapp", VERSION, extra="functions")
        return folder

    def test_the_extra_is_installed(self, bare_agent: Agent, wheels_with_functions: Path) -> None:
        answer = bare_agent.run("run", **WANTED, PROFILEAPP_WHEELS=str(wheels_with_functions))
        assert answer.code == 0, answer.err
        assert answer.worker["executable"] == str(bare_agent.environment("functions") / "bin" / "python")

    def test_the_worker_runs_without_the_extra(self, bare_agent: Agent, tmp_path: Path) -> None:
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

    def test_py_spy_of_the_agent_has_precedence(self, agent: Agent) -> None:
        """An administrator may have given it the right to read other processes."""
        agent.program("py-spy", "exit 0")
        assert agent.run("run", **WANTED).err == ""
        assert not agent.environments("functions")

    def test_py_spy_of_the_agent_replaces_only_its_extra(self, bare_agent: Agent, tmp_path: Path) -> None:
        source = tmp_path / "wheels with s3"
        source.mkdir()
        write_wheel(source, "profileapp", VERSION, extra="s3")
        bare_agent.program("py-spy", "exit 0")
        answer = bare_agent.run("run", PROFILEAPP_OPTIONAL_EXTRAS="functions,s3", PROFILEAPP_WHEELS=str(source))
        assert answer.err.count("making the worker's environment") == 1 and answer.code == 0, answer.err
        assert answer.worker["executable"] == str(bare_agent.environment("s3") / "bin" / "python")

    def test_a_preinstalled_worker_without_it_is_the_last_resort(
        self, bare_agent: Agent, wheels_with_functions: Path
    ) -> None:
        bare_agent.program("profileapp", preinstalled(VERSION))
        answer = bare_agent.run("run", **WANTED, PROFILEAPP_WHEELS="/no/such/folder")
        assert (answer.code, answer.out) == (7, "preinstalled run\n")
        assert "going on without what is optional: functions" in answer.err
        assert bare_agent.run("run", **WANTED, PROFILEAPP_WHEELS=str(wheels_with_functions)).code == 0
        bare_agent.program("profileapp", preinstalled(VERSION, "functions"))
        assert bare_agent.run("run", **WANTED, PROFILEAPP_WHEELS="/no/such/folder").err == ""

    def test_names_of_optional_extras_are_validated(self, bare_agent: Agent) -> None:
        answer = bare_agent.run(PROFILEAPP_OPTIONAL_EXTRAS="$(id)")
        assert (answer.code, answer.err) == (
            4,
            "profileapp: PROFILEAPP_OPTIONAL_EXTRAS '$(id)': must be names of extras, such as report\n",
        )


@pytest.mark.slow
def test_the_real_worker_is_installed_from_its_wheel(bare_agent: Agent, tmp_path: Path) -> None:
    """Installs the dependencies from pip's index, as an agent with a network does."""
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
    # On the PATH it counts as preinstalled, and the script parses its version.
    (bare_agent.path / "profileapp").symlink_to(bare_agent.environment() / "bin" / "profileapp")
    (bare_agent.environment() / "complete").unlink()
    answer = bare_agent.run("--version", PROFILEAPP_WHEELS="/no/such/folder")
    assert (answer.code, answer.out, answer.err) == (0, f"profileapp {VERSION} (extras: none)\n", "")
