"""The bridge script in a workspace whose files the attacker controls: none of them affects what is installed or run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bridge import conftest as bridge
from tests.bridge.conftest import PYTHON, VERSION, Agent
from tests.bridge.stand_in import write_wheel

wheels, empty_venv, bare_agent = bridge.wheels, bridge.empty_venv, bridge.bare_agent
used_home, agent = bridge.used_home, bridge.agent

OWNED = "raise SystemExit('the workspace was imported')\n"


@pytest.fixture
def uv_agent(bare_agent: Agent) -> Agent:
    """An agent with an old Python and a uv that, like the real one, reads settings, projects and `.python-version`."""
    bare_agent.program("python3", "exit 1")
    bare_agent.program(
        "uv",
        f"""
        case "$*" in *--no-config*) ;; *)
            for folder in "$PWD" "${{PWD%/*}}"; do
                for name in uv.toml pyproject.toml; do
                    if [ -e "$folder/$name" ]; then echo "uv: read $folder/$name" >&2; exit 9; fi
                done
            done ;;
        esac
        if [ -e .python-version ]; then echo "uv: read .python-version" >&2; exit 9; fi
        for last; do :; done
        exec {PYTHON} -I -m venv "$last" """,
    )
    return bare_agent


@pytest.mark.parametrize("name", ["uv.toml", "pyproject.toml", ".python-version"])
def test_uv_reads_nothing_of_the_workspace_held(uv_agent: Agent, name: str) -> None:
    (uv_agent.workspace / name).write_text('[[index]]\nurl = "http://127.0.0.1:9/evil"\ndefault = true\n')
    answer = uv_agent.run()
    assert answer.code == 0, answer.err


def test_uv_reads_nothing_of_a_workspace_that_holds_the_home_held(uv_agent: Agent) -> None:
    (uv_agent.workspace / "uv.toml").write_text('index-url = "http://127.0.0.1:9/evil"\n')
    answer = uv_agent.run(PROFILEAPP_HOME=str(uv_agent.workspace / "home"))
    assert answer.code == 0, answer.err


def test_pip_is_called_elsewhere_and_without_the_builds_python_settings_held(bare_agent: Agent, wheels: Path) -> None:
    """With a relative PYTHONPATH, or when building a source archive, pip would import modules from the workspace."""
    log = bare_agent.folder / "calls"
    bare_agent.program(
        "python3",
        f'echo "$PWD|${{PYTHONPATH-}}|${{PYTHONHOME-}}|${{PYTHONSTARTUP-}}|$*" >>{log}; exec {PYTHON} "$@"',
    )
    # If python3 creates environments from itself, their python is the same program.
    (bare_agent.workspace / "sitecustomize.py").write_text(OWNED)
    (bare_agent.workspace / "pip.conf").write_text("[global]\nindex-url = http://127.0.0.1:9/evil\n")
    (bare_agent.workspace / "start.py").write_text(OWNED)
    answer = bare_agent.run(PYTHONPATH=".", PYTHONHOME="", PYTHONSTARTUP="start.py")
    assert answer.code == 0, answer.err
    calls = log.read_text().splitlines()
    assert calls
    for call in calls:
        folder, *settings = call.split("|")[:4]
        assert not Path(folder).is_relative_to(bare_agent.workspace), call
        assert settings == ["", "", ""], call


@pytest.mark.parametrize("entry", [".", "", "tools"])
def test_a_program_of_the_workspace_by_a_relative_path_refused(agent: Agent, entry: str) -> None:
    folder = agent.workspace / (entry or ".")
    folder.mkdir(exist_ok=True)
    for program in ("profileapp", "uv", "python3", "py-spy", "sha256sum", "mktemp", "ls", "flock", "dirname", "cat"):
        planted = folder / program
        planted.write_text(f"#!/bin/sh\necho 'profileapp {VERSION} (extras: none)'; touch {agent.folder}/owned\n")
        planted.chmod(0o755)
    # The environment of an earlier build exists without its marker: the script runs every step that creates one.
    (agent.environment() / "complete").unlink()
    agent.run(PATH=f"{entry}:{agent.path}:{entry}")
    assert not (agent.folder / "owned").exists()


def test_a_preinstalled_worker_imports_nothing_of_the_workspace_held(bare_agent: Agent, tmp_path: Path) -> None:
    """Its console script runs a Python that is not isolated: PYTHONPATH and sitecustomize.py in the workspace would
    take precedence.
    """
    source = tmp_path / "separate wheels"
    source.mkdir()
    version = f"profileapp {VERSION} (extras: none)"
    write_wheel(source, "profileapp", VERSION, main=f"import sys\nprint({version!r}, sys.argv[1:])\n")
    made = bare_agent.run(PROFILEAPP_WHEELS=str(source))
    assert made.code == 0, made.err
    environment = bare_agent.folder / "preinstalled"
    bare_agent.environment().rename(environment)
    program = bare_agent.path / "profileapp"
    program.write_text(
        f"#!{environment}/bin/python\nimport runpy\nrunpy.run_module('profileapp', run_name='__main__')\n"
    )
    program.chmod(0o755)
    for name in ("sitecustomize", "usercustomize", "json", "profileapp"):
        (bare_agent.workspace / f"{name}.py").write_text(OWNED)
    answer = bare_agent.run("plan", PYTHONPATH=".")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f"{version} ['plan']\n"
    assert not bare_agent.environments(), "it was made anew: the preinstalled one was not understood"
