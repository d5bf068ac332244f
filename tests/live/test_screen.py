"""The screen on a terminal: keys, sizes, and a terminal that is closed."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator

import pytest

from tests.helpers.worker_process import WORKER, wait_until


class Terminal:
    """`profileapp live` of a process on a terminal; `output` is all that it printed so far."""

    def __init__(self, pid: int, **env: str) -> None:
        self.master, slave = pty.openpty()
        self.resize(80, 24)
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            [*WORKER, "live", "--pid", str(pid), "--interval", "200ms"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", **env},
            start_new_session=True,
        )
        self.slave = slave
        self.output = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def wait_for(self, text: str) -> None:
        try:
            wait_until(lambda: text.encode() in self.output)
        except AssertionError:
            raise AssertionError(f"{text!r} is not in {self.output[-2000:]!r}") from None

    def forget(self) -> None:
        self.output = b""

    def hang_up(self) -> None:
        os.close(self.slave)
        os.kill(self.process.pid, signal.SIGHUP)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for descriptor in (self.master, self.slave):
            try:
                os.close(descriptor)
            except OSError:
                continue

    def _read(self) -> None:
        while True:
            try:
                self.output += os.read(self.master, 65536)
            except OSError:
                return


@pytest.fixture
def sleeper() -> Iterator[int]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process.pid
        process.kill()


@pytest.fixture
def terminal(sleeper: int) -> Iterator[Terminal]:
    made = Terminal(sleeper)
    yield made
    made.close()


def test_it_shows_the_target_its_detail_and_quits(terminal: Terminal, sleeper: int) -> None:
    terminal.wait_for(f"> sleep-{sleeper}")
    terminal.type("\r")
    terminal.wait_for("container.processes")
    terminal.type("q")
    assert terminal.process.wait(timeout=30) == 0
    # The alternate screen is closed, the cursor is visible, and the terminal echoes again.
    terminal.wait_for("\x1b[?1049l")
    terminal.wait_for("\x1b[?25h")
    assert termios.tcgetattr(terminal.slave) == terminal.before


def test_a_key_takes_effect_at_once_and_a_terminal_of_one_cell_is_no_error(terminal: Terminal, sleeper: int) -> None:
    terminal.wait_for(f"> sleep-{sleeper}")
    terminal.type("h")
    terminal.wait_for("sort by CPU, memory, name")
    terminal.type("x")
    terminal.resize(1, 1)
    terminal.forget()
    time.sleep(0.5)
    terminal.resize(300, 60)
    terminal.wait_for("h help\x1b[0m" + " " * 200)
    terminal.type("q")
    assert terminal.process.wait(timeout=30) == 0


def test_closing_the_terminal_ends_it(terminal: Terminal, sleeper: int) -> None:
    terminal.wait_for(f"> sleep-{sleeper}")
    terminal.hang_up()
    assert terminal.process.wait(timeout=30) == 143


def test_without_colour(sleeper: int) -> None:
    terminal = Terminal(sleeper, NO_COLOR="1")
    try:
        terminal.wait_for(f"> sleep-{sleeper}")
        terminal.type("q")
        assert terminal.process.wait(timeout=30) == 0
        assert not any(b"\x1b[3%dm" % colour in terminal.output for colour in range(8))
    finally:
        terminal.close()


def test_a_dumb_terminal_gets_lines(sleeper: int) -> None:
    terminal = Terminal(sleeper, TERM="dumb")
    try:
        terminal.wait_for(f"sleep-{sleeper}  CPU")
        assert b"\x1b[?1049h" not in terminal.output
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.process.wait(timeout=30) == 0
    finally:
        terminal.close()
