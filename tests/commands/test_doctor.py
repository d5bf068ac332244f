"""End-to-end tests of `profileapp doctor` and of the warnings of `plan --check` and `run`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.test_main import profileapp as run_profileapp


def profileapp(*args: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return run_profileapp(*args, cwd=cwd, **{"PROFILEAPP_STATE": str(cwd), **env})


NOWHERE = {"DOCKER_HOST": "unix:///no/such/socket"}


def test_every_metric_is_checked(tmp_path: Path) -> None:
    done = profileapp("doctor", cwd=tmp_path, **NOWHERE)
    assert done.returncode == 4, "without a daemon no container can be run"
    assert not done.stderr
    for word in ("docker", "system", "psutil", "gpu-summary kernels", "PROFILEAPP_NSYS", "unavailable here: "):
        assert word in done.stdout
    assert max(map(len, done.stdout.splitlines())) > 80, "lines are wrapped only for a terminal"


@pytest.mark.docker
def test_with_a_docker_daemon(tmp_path: Path, docker_client: object) -> None:
    done = profileapp("doctor", "--metric", "system", cwd=tmp_path)
    assert done.returncode == 0
    assert "every metric is available here" in done.stdout
    missing = profileapp("doctor", "--metric", "tau", cwd=tmp_path, PATH="/usr/bin:/bin")
    assert missing.returncode == 4
    assert "unavailable here: tau" in missing.stdout


def test_json_output(tmp_path: Path) -> None:
    message = json.loads(profileapp("doctor", "--metric", "container", "--json", cwd=tmp_path, **NOWHERE).stdout)
    assert message["version"] == 1
    assert [each["name"] for each in message["prerequisites"]] == ["docker", "python", "pages", "disk", "datagrams"]
    (container,) = message["metrics"]
    assert container["available"]
    assert [each["state"] for each in container["sources"]] == ["used", "fallback"]


def test_an_unknown_metric_is_an_error(tmp_path: Path) -> None:
    done = profileapp("doctor", "--metric", "warmth", cwd=tmp_path)
    assert done.returncode == 3
    assert "warmth" in done.stderr


TARGETS = [
    {"name": "here", "args": ["-c", "pass"], "metrics": ["tau", "system"]},
    {"name": "there", "args": ["-c", "pass"], "agent": "jetson", "metrics": ["tau", "functions"]},
]


def test_the_plan_warns_of_unavailable_metrics(tmp_path: Path) -> None:
    (tmp_path / "sage.yaml").write_text(json.dumps({"name": "app", "profiling": {"targets": TARGETS}}))
    plain = profileapp("plan", "sage.yaml", "--image", "x:1", "--json", cwd=tmp_path)
    assert json.loads(plain.stdout)["warnings"] == []
    checked = profileapp("plan", "sage.yaml", "--image", "x:1", "--check", "--json", cwd=tmp_path, PATH="/bin")
    (warning,) = json.loads(checked.stdout)["warnings"]
    assert warning.startswith("tau: unavailable on this agent, but here requests it: tau_exec: TAU is not installed")
    assert f"profileapp: warning: {warning}" in checked.stderr
    labelled = profileapp(
        "plan", "sage.yaml", "--image", "x:1", "--check", "--json", cwd=tmp_path, PATH="/bin", NODE_LABELS="a jetson"
    )
    assert "but here, there request it" in json.loads(labelled.stdout)["warnings"][0]


def test_the_plan_of_a_jenkins_build_does_not_warn_of_an_extra_that_its_run_installs(tmp_path: Path) -> None:
    """Of py-spy there is none beside this worker nor on PATH: a link to Python is somewhere else."""
    targets = [{"name": "here", "args": [], "metrics": ["functions"]}]
    (tmp_path / "sage.yaml").write_text(json.dumps({"name": "app", "profiling": {"targets": targets}}))
    code = "import shutil, sys; sys.executable = '/nowhere/python'; from profileapp.__main__ import main; main()"
    argv = [sys.executable, "-c", code, "plan", "sage.yaml", "--image-archive", "x.tar", "--check", "--json"]
    (tmp_path / "x.tar").write_text("")
    for workspace, expected in ((None, 1), (tmp_path, 0)):
        environ = {"PATH": "/bin"} | ({"PROFILEAPP_WORKSPACE": str(workspace)} if workspace else {})
        done = subprocess.run(argv, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        plan = json.loads(done.stdout)
        assert len(plan["warnings"]) == expected, plan["warnings"]
        assert plan["groups"][0]["extras"] == ["functions"]
    assert not done.stderr


def test_a_run_warns_before_the_app_starts(tmp_path: Path) -> None:
    (tmp_path / "sage.yaml").write_text(json.dumps({"name": "app", "profiling": {"targets": TARGETS[:1]}}))
    argv = ("run", "sage.yaml", "--runtime", "process", "--command", sys.executable, "--no-report")
    done = profileapp(*argv, cwd=tmp_path, PATH="/bin")
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    note = next(number for number, line in enumerate(lines) if "here: no tau on this agent (tau_exec: TAU" in line)
    started = next(number for number, line in enumerate(lines) if "here: started" in line)
    assert note < started
