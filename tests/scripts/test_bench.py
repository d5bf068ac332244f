"""scripts/bench with stand-ins for the programs it calls: it stops only the daemon that it started, and reports a
missing peer.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

TOOLS = ("bash", "cat", "dirname", "env", "grep", "mkdir", "sleep", "tail", "timeout")


class Tree:
    """A checkout; `log` has the programs that scripts/bench called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.log.touch()
        self.programs = folder / "programs"
        for name in TOOLS:
            self.link(name)
        (folder / "scripts").mkdir()
        shutil.copy(ROOT / "scripts" / "bench", folder / "scripts")
        self.write("scripts/setup", "exit 0")
        self.write("scripts/dockerd", f'echo "dockerd $*" >>"{self.log}"; exit 0')
        # pip, then the benchmark.
        self.write(".venv/bin/python", f'[ "$2" = pip ] || echo "bench ${{*:3}}: $PATH" >>"{self.log}"')

    def link(self, name: str) -> None:
        found = shutil.which(name)
        assert found
        self.programs.mkdir(exist_ok=True)
        (self.programs / name).symlink_to(found)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/usr/bin/env bash\n{text}\n")
        path.chmod(0o755)

    def make_daemon_unreachable(self) -> None:
        self.write("scripts/dockerd", f'echo "dockerd $*" >>"{self.log}"; [ "$1" != status ]')

    @property
    def calls(self) -> list[str]:
        return [line.partition(":")[0] for line in self.log.read_text().splitlines()]

    def start(self, *argv: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [self.folder / "scripts" / "bench", *argv],
            env={**os.environ, "PATH": str(self.programs)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *argv: str) -> tuple[int, str]:
        process = self.start(*argv)
        _, errors = process.communicate(timeout=60)
        return process.returncode, errors


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_a_running_daemon_is_not_touched(tree: Tree) -> None:
    assert tree.run("start")[0] == 0
    assert tree.calls == ["dockerd status", "bench start"]


def test_without_a_daemon_one_is_started_and_stopped(tree: Tree) -> None:
    tree.make_daemon_unreachable()
    assert tree.run("start")[0] == 0
    assert tree.calls == ["dockerd status", "dockerd start", "bench start", "dockerd stop"]


def test_the_exit_code_of_the_benchmark_is_preserved(tree: Tree) -> None:
    tree.make_daemon_unreachable()
    tree.write(".venv/bin/python", '[ "$2" = pip ]')
    assert tree.run("start")[0] == 1
    assert tree.calls[-1] == "dockerd stop"


def test_ctrl_c_stops_the_started_daemon(tree: Tree) -> None:
    tree.make_daemon_unreachable()
    tree.write(".venv/bin/python", '[ "$2" = pip ] || { echo begun; exec sleep 100; }')
    process = tree.start("start")
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    # As a terminal does: to all foreground processes.
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert tree.calls[-1] == "dockerd stop"


class TestStatsdExporter:
    def test_the_reason_is_printed_if_go_is_missing(self, tree: Tree) -> None:
        exit_code, errors = tree.run("ingest")
        assert (exit_code, errors) == (
            0,
            "bench: not compared with statsd_exporter: Go is missing (Debian: apt-get install golang-go)\n",
        )
        assert tree.calls[-1] == "bench ingest"

    def test_it_is_built_once_and_added_to_the_path(self, tree: Tree) -> None:
        tree.write(
            "programs/go",
            f'echo "go $1" >>"{tree.log}"; [ "$1" = env ] && echo go1.99 || '
            '{ echo "#!/bin/sh" >"$GOBIN/statsd_exporter"; /bin/chmod +x "$GOBIN/statsd_exporter"; }',
        )
        for _ in range(2):
            assert tree.run()[0] == 0
        assert tree.calls.count("go install") == 1
        paths = [line for line in tree.log.read_text().splitlines() if line.startswith("bench")]
        assert len(paths) == 2
        assert all(f": {tree.folder}/build/statsd_exporter-v" in path for path in paths)

    def test_the_reason_is_printed_if_the_build_fails(self, tree: Tree) -> None:
        tree.write("programs/go", '[ "$1" = env ] && echo go1.1 || { echo "needs go >= 1.24" >&2; exit 1; }')
        exit_code, errors = tree.run("ingest")
        assert exit_code == 0
        assert "not compared with statsd_exporter: Go could not build github.com/prometheus/statsd_exporter@v" in errors
        assert "needs go >= 1.24" in errors

    def test_other_benchmarks_do_not_need_it(self, tree: Tree) -> None:
        tree.write("programs/go", f'echo "go $1" >>"{tree.log}"')
        assert tree.run("start", "client") == (0, "")
        assert "go install" not in tree.calls
