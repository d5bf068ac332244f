"""The terminal: shows the screen in the alternate buffer and reads keys until it is closed."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import threading
import tty
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import FrameType

from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.text import Text

from profileapp.live.keys import parse_keys
from profileapp.live.screen_lines import screen_lines
from profileapp.live.screen_state import ScreenState, after_key
from profileapp.live.snapshot import Snapshot
from profileapp.run.stop import Wake

NOTES_KEPT = 100
_JOIN_TIMEOUT_S = 2.0
_READ_BYTES = 1024


def is_terminal() -> bool:
    """Whether the output is a terminal that can move its cursor."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


class Screen:
    """A `View` for a `with` block in the main thread. Calls `on_end` when the user quits."""

    def __init__(self, wake: Wake) -> None:
        self.on_end: Callable[[], None] = lambda: None
        self._wake = wake
        self._state = ScreenState()
        self._snapshot: Snapshot | None = None
        self._notes: deque[str] = deque(maxlen=NOTES_KEPT)
        self._console = Console()
        self._live = RichLive(Text(""), console=self._console, screen=True, auto_refresh=False)
        self._keyboard: Keyboard | None = None
        self._keys: SimpleQueue[str] = SimpleQueue()

    def __enter__(self) -> Screen:
        self._live.start()
        if sys.stdin.isatty():
            self._keyboard = Keyboard(sys.stdin.fileno(), self._take)
        self._resized_before = signal.signal(signal.SIGWINCH, self._resized)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGWINCH, self._resized_before)
        if self._keyboard:
            self._keyboard.close()
        # The terminal may be gone.
        with suppress(OSError):
            self._live.stop()

    def show(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        width, height = self._console.size
        lines = screen_lines(snapshot, self._state, tuple(self._notes), width, height)
        for line in lines:
            line.no_wrap = True
        self._live.update(Group(*lines), refresh=True)

    def note(self, text: str) -> None:
        self._notes.append(text)

    def react(self) -> bool:
        """Whether a key was pressed or the terminal was resized."""
        changed = False
        while True:
            try:
                key = self._keys.get_nowait()
            except Empty:
                return changed
            changed = True
            if key and self._snapshot:
                self._state = after_key(self._state, key, self._snapshot)
                if self._state.is_over:
                    self.on_end()

    def _take(self, key: str) -> None:
        self._keys.put(key)
        self._wake.set()

    def _resized(self, _number: int, _frame: FrameType | None) -> None:
        self._take("")


class Keyboard:
    """Reads keys in a thread, in cbreak mode; `close` restores the terminal."""

    def __init__(self, descriptor: int, take: Callable[[str], None]) -> None:
        self._descriptor = descriptor
        self._take = take
        self._before = termios.tcgetattr(descriptor)
        tty.setcbreak(descriptor)
        self._end_reader, self._end_writer = os.pipe()
        self._thread = threading.Thread(target=self._read, name="keyboard", daemon=True)
        self._thread.start()

    def close(self) -> None:
        os.close(self._end_writer)
        self._thread.join(_JOIN_TIMEOUT_S)
        os.close(self._end_reader)
        # The terminal may be gone.
        with suppress(OSError, termios.error):
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def _read(self) -> None:
        while True:
            try:
                ready, _, _ = select.select([self._descriptor, self._end_reader], [], [])
                if self._end_reader in ready:
                    return
                content = os.read(self._descriptor, _READ_BYTES)
            except OSError:
                return
            if not content:
                return
            for key in parse_keys(content):
                self._take(key)
