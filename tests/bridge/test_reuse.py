"""worker.sh uses an environment again, makes another for other content, and uses a preinstalled worker."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from tests.bridge.conftest import PYTHON, VERSION, Agent, ended
from tests.bridge.stand_in import write_wheel
from tests.bridge.support import MAKING, main_of, make_older, preinstalled

HOSTILE = ["--image", "$(touch pwned)", "`touch pwned`", "a 'b\" c", "line\nline", "ä–€", "", "*", "-c", "; exit 9"]


class TestLaterUse:
    @pytest.mark.parametrize("shell", [("dash",), ("bash", "--posix"), ("busybox", "sh")], ids=lambda shell: shell[0])
    def test_arguments_and_exit_code_pass_unchanged(self, agent: Agent, shell: tuple[str, ...]) -> None:
        if not shutil.which(shell[0]):
            pytest.skip(f"no {shell[0]} on this machine")
        answer = agent.run(*HOSTILE, "--exit", "3", shell=shell)
        assert answer.code == 3, answer.err
        assert answer.worker["args"] == [*HOSTILE, "--exit", "3"]
        assert sorted(each.name for each in agent.workspace.iterdir()) == ["VERSION", "worker.sh"]

    def test_replaces_itself_with_the_worker_so_that_signals_arrive(self, agent: Agent) -> None:
        process = agent.start("--until", "never")
        assert process.stdout
        assert f'"pid": {process.pid}' in process.stdout.readline()
        process.terminate()
        assert process.wait(timeout=30) == -signal.SIGTERM

    def test_modules_in_the_workspace_are_not_imported(self, agent: Agent, wheels: Path) -> None:
        for name in ("yaml", "json", "venv", "pip", "ensurepip", "profileapp"):
            (agent.workspace / f"{name}.py").write_text("raise SystemExit('the app was imported')\n")
        answer = agent.run(PROFILEAPP_EXTRAS="report", PROFILEAPP_WHEELS=str(wheels), PYTHONPATH=str(agent.workspace))
        assert answer.code == 0, answer.err
        assert agent.run(PYTHONPATH=str(agent.workspace)).code == 0

    @pytest.mark.parametrize("missing", ["complete", "bin/python", "lib"])
    def test_an_incomplete_environment_is_created_again(self, agent: Agent, wheels: Path, missing: str) -> None:
        agent.environ["PROFILEAPP_WHEELS"] = str(wheels)
        shutil.rmtree(agent.environment())
        assert agent.run().code == 0
        broken = agent.environment()
        gone = broken / missing
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
        make_older(bare_agent.environments()[0], days=0.1)
        make_older(bare_agent.environments()[1], days=0.1)
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
        # A broken environment is not replaced while a run uses it.
        (used,) = [each for each in bare_agent.environments() if "newer" not in main_of(each)]
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

    def test_another_dependency_makes_another_environment(
        self, bare_agent: Agent, wheels: Path, tmp_path: Path
    ) -> None:
        source = tmp_path / "wheels with more"
        shutil.copytree(wheels, source)
        assert bare_agent.run(PROFILEAPP_WHEELS=str(source)).code == 0
        write_wheel(source, "dependency", "1.0")
        assert MAKING in bare_agent.run(PROFILEAPP_WHEELS=str(source)).err
        assert len(bare_agent.environments()) == 2

    def test_another_python_makes_another_environment(self, bare_agent: Agent) -> None:
        """Agents of several kinds may share a home folder."""
        made_by = 'case "$1" in -V) echo Python {} ;; *) exec {} "$@" ;; esac'
        for version in ("3.10.9", "3.12.1"):
            bare_agent.program("python3", made_by.format(version, PYTHON))
            assert MAKING in bare_agent.run().err
        bare_agent.program("python3", made_by.format("3.10.12", PYTHON))
        assert bare_agent.run().err == ""

    def test_wheels_that_change_during_the_install_are_refused(
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

    def test_an_index_is_identified_by_its_address_without_the_password(self, bare_agent: Agent, wheels: Path) -> None:
        pretend = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PROFILEAPP_WHEELS": ""}
        first = bare_agent.run(**pretend, PROFILEAPP_INDEX="https://ann:one@pypi.example.org/simple")
        assert first.code == 0, first.err
        again = bare_agent.run(**pretend, PROFILEAPP_INDEX="https://ann:two@pypi.example.org/simple")
        assert (again.code, again.err) == (0, "")
        assert MAKING in bare_agent.run(**pretend, PROFILEAPP_INDEX="https://other.example.org/simple").err


class TestPreinstalled:
    def test_the_right_version_is_used(self, bare_agent: Agent) -> None:
        bare_agent.program("profileapp", preinstalled(VERSION))
        answer = bare_agent.run("run", "a b")
        assert (answer.code, answer.out) == (7, "preinstalled run|a b\n")
        assert not bare_agent.home.exists()

    @pytest.mark.parametrize("version", ["0.0.1", VERSION + ".dev1", ""])
    def test_another_version_is_not_used(self, agent: Agent, version: str) -> None:
        agent.program("profileapp", preinstalled(version))
        answer = agent.run("run")
        assert answer.code == 0, answer.err
        assert answer.worker["args"] == ["run"]
        assert f"is not version {VERSION}" in answer.err

    @pytest.mark.parametrize(
        ("has", "is_used"), [("report", True), ("gpu, report", True), ("gpu", False), ("none", False)]
    )
    def test_a_missing_extra_is_installed_separately(self, agent: Agent, wheels: Path, has: str, is_used: bool) -> None:
        agent.program("profileapp", preinstalled(VERSION, has))
        answer = agent.run("report", "x", PROFILEAPP_EXTRAS="report", PROFILEAPP_WHEELS=str(wheels))
        assert answer.code == (7 if is_used else 0), answer.err
        assert bool(agent.environments("report")) is not is_used

    @pytest.mark.parametrize(
        ("has", "is_used"),
        [("report, store, postgres", True), ("store, postgres", True), ("store", False), ("stores, postgres", False)],
    )
    def test_all_requested_extras_are_required(self, agent: Agent, wheels: Path, has: str, is_used: bool) -> None:
        agent.program("profileapp", preinstalled(VERSION, has))
        answer = agent.run("store", "x", PROFILEAPP_EXTRAS="store,postgres", PROFILEAPP_WHEELS=str(wheels))
        assert answer.code == (7 if is_used else 0), answer.err
