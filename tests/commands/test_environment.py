"""Every option has an environment variable, as the Jenkins step passes them: no value becomes part of a shell line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from profileapp.commands.main import _COMMANDS, commands
from tests.commands.test_main import code_target, configure, profileapp, state

__all__ = ["state"]
PROCESS = {"PROFILEAPP_RUN_RUNTIME": "process", "PROFILEAPP_RUN_NO_REPORT": "1"}


def test_every_option_and_argument_has_a_unique_variable() -> None:
    seen: dict[str, str] = {}
    for name in _COMMANDS:
        _check(commands.get_command(click.Context(commands), name), f"profileapp {name}", seen)
    assert seen["PROFILEAPP_RUN_MEMORY_LIMIT"] == "profileapp run --memory-limit"
    assert seen["PROFILEAPP_RUN_CONFIG"] == "profileapp run CONFIG"
    assert seen["PROFILEAPP_RUN_SAVED"] == "profileapp run --config"
    assert seen["PROFILEAPP_CONFIG_MERGE_DB"] == "profileapp config merge --db"


def _check(command: click.Command | None, path: str, seen: dict[str, str]) -> None:
    assert command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            _check(command.get_command(click.Context(command), name), f"{path} {name}", seen)
        return
    for param in command.params:
        if isinstance(param, click.Argument) and param.nargs != 1:
            continue
        own = param.envvar[0] if isinstance(param.envvar, list) else param.envvar
        assert own, f"{path} {param.name}"
        title = f"{path} {param.opts[-1] if isinstance(param, click.Option) else param.human_readable_name}"
        assert seen.setdefault(own, title) == title
        assert own.startswith(path.upper().replace(" ", "_"))


@pytest.mark.parametrize("name", list(_COMMANDS))
def test_help_lists_the_variable(name: str, tmp_path: Path) -> None:
    command = import_module(_COMMANDS[name][0]).command
    if isinstance(command, click.Group):
        name = f"{name} {next(iter(command.commands))}"
    out = " ".join(profileapp(*name.split(), "--help", cwd=tmp_path).stdout.split())
    assert f"PROFILEAPP_{name.upper().replace(' ', '_')}_" in out


def test_a_run_configured_by_variables_alone(tmp_path: Path) -> None:
    targets = "\n".join(code_target(name, "0") for name in ("a", "b", "c"))
    configure(tmp_path, targets)
    variables = {
        "PROFILEAPP_RUN_CONFIG": "sage.yaml",
        "PROFILEAPP_RUN_COMMAND": sys.executable,
        "PROFILEAPP_RUN_OUT": "here it is",
        "PROFILEAPP_RUN_TARGET": "a\nc\n",
        "PROFILEAPP_RUN_IMAGE": "",
    }
    done = profileapp("run", cwd=tmp_path, **PROCESS, **variables)
    assert done.returncode == 0, done.stderr
    assert sorted(json.loads((tmp_path / "here it is/outcome.json").read_text())["targets"]) == ["a", "c"]


def test_values_are_separated_by_lines_only(tmp_path: Path) -> None:
    configure(tmp_path, code_target("a", "0"))
    done = profileapp("plan", cwd=tmp_path, PROFILEAPP_PLAN_CONFIG="sage.yaml", PROFILEAPP_PLAN_TARGET="no 'such $one")
    assert done.returncode == 3
    assert "no 'such $one" in done.stderr


def test_precedence_option_then_own_variable_then_shared_variable(tmp_path: Path) -> None:
    configure(tmp_path, code_target("a", "0"))
    shared = {"PROFILEAPP_PIDS_LIMIT": "0"}
    own = {"PROFILEAPP_RUN_PIDS_LIMIT": "99"}
    argv = ("run", "sage.yaml", "--command", "true")
    assert profileapp(*argv, cwd=tmp_path, **PROCESS, **shared).returncode == 3
    assert profileapp(*argv, cwd=tmp_path, **PROCESS, **shared, **own).returncode == 0
    assert profileapp(*argv, "--pids-limit", "0", cwd=tmp_path, **PROCESS, **own).returncode == 3


def test_variables_shared_by_commands(tmp_path: Path) -> None:
    (tmp_path / "sage.yaml").write_text(
        "name: app\nprofiling:\n  targets:\n    - {name: quick, args: '', timeout: 5}\n    - {name: bad, args: 'x'}\n"
        "  metrics: [container]\n  defaults: {interval: 50ms}\n"
    )
    environ = {
        **os.environ,
        "PROFILEAPP_CONFIG": "sage.yaml",
        "PROFILEAPP_RUNTIME": "process",
        "PROFILEAPP_COMMAND": "sh -c 'exit $#' sh",
        "PROFILEAPP_OUT": "out",
        "PROFILEAPP_NO_REPORT": "1",
        "PROFILEAPP_ON_APP_FAILURE": "unstable",
    }
    argv = [sys.executable, "-I", "-m", "profileapp"]
    done = subprocess.run([*argv, "run"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    outcome = json.loads((tmp_path / "out/outcome.json").read_text())
    assert outcome["result"] == "UNSTABLE" and set(outcome["targets"]) == {"quick", "bad"}
    assert outcome["targets"]["quick"]["result"] == "SUCCESS"
    picked = environ | {"PROFILEAPP_TARGETS": "quick"}
    done = subprocess.run([*argv, "run"], cwd=tmp_path, env=picked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(json.loads((tmp_path / "out/outcome.json").read_text())["targets"]) == {"quick"}
