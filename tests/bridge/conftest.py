"""An agent for tests of the bridge: a home, a workspace, a PATH, and no reachable package index."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.bridge.stand_in import write_wheel

RESOURCES = Path(__file__).parents[2] / "resources" / "profileapp"
VERSION = (RESOURCES / "VERSION").read_text().strip()
PYTHON = Path(sys.executable).resolve()
# Nothing listens on this port, so a request to the index fails at once, as it does without a network.
NO_NETWORK = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}


@dataclass
class Agent:
    """A build machine as the bridge sees it."""

    folder: Path
    wheels: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for each in (self.workspace, self.path):
            each.mkdir(parents=True)
        for name in ("worker.sh", "VERSION"):
            shutil.copy(RESOURCES / name, self.workspace)
        # Only the tools that the script needs: no profileapp, python or uv of this machine is on the PATH.
        for tool in _TOOLS:
            found = shutil.which(tool)
            assert found, f"{tool} is missing on this machine"
            (self.path / tool).symlink_to(found)
        self.program("python3", f'exec {PYTHON} "$@"')
        self.environ = {
            "PATH": str(self.path),
            "HOME": str(self.folder / "home of a user"),
            "PROFILEAPP_WHEELS": str(self.wheels),
            **NO_NETWORK,
        }

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def path(self) -> Path:
        return self.folder / "bin"

    @property
    def home(self) -> Path:
        return Path(self.environ["HOME"]) / ".cache" / "profileapp"

    def environments(self, extras: str = "") -> list[Path]:
        """The environments for the worker's version, one for each content."""
        return sorted(self.home.glob(f"worker-{VERSION}{extras and '-' + extras}-{os.uname().machine}-*"))

    def environment(self, extras: str = "") -> Path:
        """The only environment for the worker's version."""
        (only,) = self.environments(extras)
        return only

    def program(self, name: str, script: str) -> Path:
        """Puts a shell script of this name on the agent's PATH."""
        made = self.path / name
        made.unlink(missing_ok=True)
        made.write_text(f"#!/bin/sh\n{script}\n")
        made.chmod(0o755)
        return made

    def start(self, *args: str, shell: tuple[str, ...] = ("sh",), **environ: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [shutil.which(shell[0]) or shell[0], *shell[1:], "worker.sh", *args],
            cwd=self.workspace,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, *args: str, shell: tuple[str, ...] = ("sh",), **environ: str) -> Answer:
        return ended(self.start(*args, shell=shell, **environ))


@dataclass(frozen=True)
class Answer:
    """Exit code and output of one call of the bridge."""

    code: int
    out: str
    err: str

    @property
    def worker(self) -> dict[str, Any]:
        """First line that the stand-in worker printed, decoded from JSON."""
        assert self.out, self.err
        message = json.loads(self.out.splitlines()[0])
        assert isinstance(message, dict)
        return message


def ended(process: subprocess.Popen[str]) -> Answer:
    out, err = process.communicate(timeout=120)
    return Answer(process.returncode, out, err)


_TOOLS = (
    "sh",
    "cat",
    "chmod",
    "cp",
    "cut",
    "dirname",
    "env",
    "find",
    "flock",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "rm",
    "sed",
    "sha256sum",
    "sleep",
    "touch",
    "tr",
    "uname",
)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel of a stand-in worker."""
    folder = tmp_path_factory.mktemp("wheels")
    write_wheel(folder, "profileapp", VERSION, extra="report")
    return folder


@pytest.fixture(scope="session")
def empty_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output of `python3 -m venv`, made once because it takes seconds."""
    folder = tmp_path_factory.mktemp("venv") / "empty"
    subprocess.run([PYTHON, "-m", "venv", folder], check=True)
    return folder


@pytest.fixture(scope="session")
def newer_wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another worker with the same version."""
    folder = tmp_path_factory.mktemp("newer")
    write_wheel(folder, "profileapp", VERSION, main="print('newer')")
    return folder


@pytest.fixture
def bare_agent(tmp_path: Path, wheels: Path, empty_venv: Path) -> Iterator[Agent]:
    """An agent that no build has used yet. Its `python3 -m venv` is fast: it copies a prepared environment."""
    made = Agent(tmp_path / "agent", wheels)
    made.program(
        "python3", f'case "$1 $2 $3" in "-I -m venv") exec cp -a {empty_venv} "$4" ;; esac; exec {PYTHON} "$@"'
    )
    yield made
    for process in made.started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture(scope="session")
def used_home(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Path:
    """The cache of an agent after one build."""
    agent = Agent(tmp_path_factory.mktemp("used") / "agent", wheels)
    answer = agent.run()
    assert answer.code == 0, answer.err
    return agent.home


@pytest.fixture
def agent(bare_agent: Agent, used_home: Path) -> Agent:
    """An agent with the environment of an earlier build and no way to install another."""
    shutil.copytree(used_home, bare_agent.home, symlinks=True)
    bare_agent.environ["PROFILEAPP_WHEELS"] = str(bare_agent.folder / "gone")
    return bare_agent
