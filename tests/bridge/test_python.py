"""worker.sh finds a Python that is new enough, or installs one with uv."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from tests.bridge.conftest import PYTHON, Agent
from tests.bridge.stand_in import write_wheel


class TestOlderPython:
    def test_the_next_python_on_the_path_is_used(self, bare_agent: Agent) -> None:
        bare_agent.program("python3", "exit 1")
        bare_agent.program("python3.12", f'exec {PYTHON} "$@"')
        assert bare_agent.run().code == 0

    def test_uv_installs_a_newer_python(self, bare_agent: Agent) -> None:
        bare_agent.program("python3", "exit 1")
        bare_agent.program("uv", _uv())
        answer = bare_agent.run()
        assert answer.code == 0, answer.err

    def test_uv_is_installed_if_missing(self, bare_agent: Agent, wheels: Path, tmp_path: Path) -> None:
        # An old Python can create environments, which is all that uv needs.
        bare_agent.program("python3", f'case "$2" in -c) exit 1 ;; esac; exec {PYTHON} "$@"')
        source = tmp_path / "wheels with uv"
        shutil.copytree(wheels, source)
        _write_uv_wheel(source)
        answer = bare_agent.run(PROFILEAPP_WHEELS=str(source))
        assert answer.code == 0, answer.err
        assert (bare_agent.home / "uv" / "bin" / "uv").exists()

    def test_the_error_without_python_and_uv_has_a_remedy(self, bare_agent: Agent) -> None:
        bare_agent.program("python3", "exit 1")
        answer = bare_agent.run()
        assert answer.code == 4
        last = answer.err.splitlines()[-1]
        assert last.startswith(
            "profileapp: needs Python 3.10 or later with its venv module (apt-get install python3-venv)"
        )
        assert last.endswith("this agent has no python3, and no virtual environment can be made to install uv in")

    def test_the_error_has_the_python_version_and_why_uv_is_missing(self, bare_agent: Agent) -> None:
        bare_agent.program("python3", _old_python())
        last = bare_agent.run().err.splitlines()[-1]
        assert "this agent has Python 3.8.10, and uv cannot be installed from the folder" in last
        assert "No matching distribution found for uv" in last or "satisfies the requirement uv" in last

    def test_the_error_has_the_cause_from_uv(self, bare_agent: Agent) -> None:
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

    def test_the_error_names_a_missing_venv_module(self, bare_agent: Agent) -> None:
        bare_agent.program(
            "python3",
            f'case "$*" in *ensurepip*|*venv*) exit 1 ;; -V) echo Python 3.11.2 ;; *) exec {PYTHON} "$@" ;; esac',
        )
        assert "this agent has Python 3.11.2 without the venv module, and" in bare_agent.run().err.splitlines()[-1]

    def test_uv_uses_the_same_index_as_the_worker(self, bare_agent: Agent, wheels: Path) -> None:
        bare_agent.program("python3", "exit 1")
        bare_agent.program("uv", f'echo "$UV_FIND_LINKS $UV_INDEX_URL" >"{bare_agent.folder}/from"; exit 2')
        bare_agent.run(PROFILEAPP_INDEX="https://pypi.example.org/simple")
        assert (bare_agent.folder / "from").read_text() == f"{wheels} https://pypi.example.org/simple\n"


def _old_python() -> str:
    """Can create environments, which is all that uv needs."""
    return f'case "$1 $2" in "-V "*) echo Python 3.8.10 ;; "-I -c") exit 1 ;; *) exec {PYTHON} "$@" ;; esac'


def _uv() -> str:
    """Emulates `uv --no-config venv --quiet --seed --python '>=3.10' FOLDER`."""
    return f"""
        [ "$1 $2 $3 $4 $5 $6" = "--no-config venv --quiet --seed --python >=3.10" ] || exit 9
        exec {PYTHON} -m venv "$7" """


def _write_uv_wheel(folder: Path) -> None:
    program = zipfile.ZipInfo("uv-1.0.data/scripts/uv")
    program.external_attr = 0o100755 << 16
    with zipfile.ZipFile(write_wheel(folder, "uv", "1.0"), "a") as archive:
        archive.writestr(program, f"#!/bin/sh\n{_uv()}\n")
