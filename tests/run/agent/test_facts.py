"""Facts in run.json about the agent and the build."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from profileapp.run.agent.facts import agent_facts, build_facts


def test_facts_of_a_board(tmp_path: Path) -> None:
    for name, content in {
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
        "proc/meminfo": "MemTotal:        7990052 kB\nMemFree: 1 kB\n",
        "proc/cpuinfo": "processor : 0\nmodel name\t: ARMv8 Processor rev 1 (v8l)\n",
        "etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.4 LTS"\n',
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    facts = agent_facts("docker", tmp_path)
    assert facts.board == "NVIDIA Jetson Orin Nano Developer Kit" and facts.memory_bytes == 7990052 * 1024
    assert facts.cpu == "ARMv8 Processor rev 1 (v8l)" and facts.os == "Ubuntu 22.04.4 LTS" and facts.runtime == "docker"
    assert agent_facts("docker", tmp_path / "nothing").board == ""


def test_facts_of_a_build(tmp_path: Path) -> None:
    build = build_facts({"JOB_NAME": "app", "BUILD_NUMBER": "7", "GIT_COMMIT": "c" * 9999}, tmp_path)
    assert (build.job, build.number, len(build.commit), build.url) == ("app", "7", 500, "")


@pytest.mark.parametrize(
    ("environ", "branch"),
    [
        ({"GIT_BRANCH": "origin/main"}, "main"),
        ({"GIT_BRANCH": "feature/origin/x"}, "feature/origin/x"),
        ({"BRANCH_NAME": "PR-3", "GIT_BRANCH": "origin/main"}, "PR-3"),
        ({}, ""),
    ],
)
def test_a_branch_has_one_name_in_all_kinds_of_jobs(environ: dict[str, str], branch: str, tmp_path: Path) -> None:
    assert build_facts(environ, tmp_path).branch == branch


def _git(folder: Path, *args: str) -> str:
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *who, *args], cwd=folder, env={**os.environ, **settings}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone as the Git plugin leaves it: a detached HEAD, and the branches of the remote."""
    origin = tmp_path / "origin"
    origin.mkdir()
    _git(origin, "init", "-q")
    _git(origin, "commit", "-q", "--allow-empty", "-m", "one")
    _git(origin, "checkout", "-q", "-b", "feature/fast")
    _git(origin, "commit", "-q", "--allow-empty", "-m", "two")
    _git(origin, "checkout", "-q", "main")
    _git(tmp_path, "clone", "-q", str(origin), "clone")
    return tmp_path / "clone"


class TestBuildFactsOfAClone:
    """A scripted Pipeline script from SCM sets neither GIT_COMMIT nor GIT_BRANCH."""

    @pytest.mark.parametrize("branch", ["main", "feature/fast"])
    def test_a_branch_of_the_remote(self, clone: Path, branch: str) -> None:
        _git(clone, "checkout", "-q", "--detach", f"origin/{branch}")
        (clone / "app").mkdir()
        build = build_facts({"PATH": os.environ["PATH"]}, clone / "app")
        assert build.branch == branch
        assert build.commit == _git(clone, "rev-parse", "HEAD")

    def test_a_local_branch(self, clone: Path) -> None:
        _git(clone, "checkout", "-q", "-b", "mine")
        _git(clone, "commit", "-q", "--allow-empty", "-m", "three")
        assert build_facts({"PATH": os.environ["PATH"]}, clone).branch == "mine"

    def test_variables_of_jenkins_have_precedence(self, clone: Path) -> None:
        environ = {"PATH": os.environ["PATH"], "GIT_BRANCH": "origin/told", "GIT_COMMIT": "c0ffee"}
        build = build_facts(environ, clone)
        assert (build.branch, build.commit) == ("told", "c0ffee")

    def test_a_repository_around_the_workspace_is_ignored(self, clone: Path) -> None:
        """For example, a Jenkins home that is kept in Git."""
        workspace = clone / "jobs" / "app"
        workspace.mkdir(parents=True)
        assert build_facts({"PATH": os.environ["PATH"], "WORKSPACE": str(workspace)}, workspace).commit == ""

    def test_no_clone_and_no_git(self, tmp_path: Path) -> None:
        environ = {"PATH": os.environ["PATH"], "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
        assert build_facts(environ, tmp_path).branch == ""
        assert build_facts({"PATH": str(tmp_path)}, tmp_path).branch == ""

    def test_settings_of_the_clone_run_no_commands_held(self, clone: Path, tmp_path: Path) -> None:
        for key in ("core.fsmonitor", "core.pager", "core.sshCommand", "diff.external", "core.alternateRefsCommand"):
            _git(clone, "config", key, f"touch {tmp_path}/owned; false")
        assert build_facts({"PATH": os.environ["PATH"]}, clone).branch == "main"
        assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("given", "recorded"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("", False),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", False),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", False),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-<b>", False),
    ],
)
def test_valid_build_times_are_recorded(given: str, recorded: bool, tmp_path: Path) -> None:
    assert build_facts({"TRACEPARENT": given}, tmp_path).traceparent == (given if recorded else "")
