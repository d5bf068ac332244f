"""A kernel's file that only root may read, read at intervals by a helper container.

As a program, `python -m profileapp.collect.root_file SECONDS`, it prints the file mounted at FILE, each time as one
line `NANOSECONDS LENGTH` (of the monotonic clock) and the content.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

from profileapp.collect.api import Helper, HelperProgram, Helpers, Mount
from profileapp.collect.kernel_file import KernelFile
from profileapp.errors import Unavailable

FILE = "/file"
START_LIMIT_S = 15.0
_HEAD_LIMIT_BYTES = 64
_CONTENT_LIMIT_BYTES = 1024 * 1024 + 64 * 1024


class RootFile:
    """The file at `path`, read every `interval_s` from now until `close`. Raises Unavailable if it cannot be read."""

    def __init__(self, helpers: Helpers, path: Path, interval_s: float) -> None:
        self._readings = Readings()
        mount = Mount(str(path), FILE)
        program = HelperProgram("profileapp.collect.root_file", (str(interval_s),), mounts=(mount,))
        self._helper: Helper | None = helpers.start(program, self._readings.add)
        if not self._readings.first.wait(START_LIMIT_S):
            problem, self._helper = self._helper.stop(), None
            raise Unavailable(problem or f"a helper container could not read {path}")

    def latest(self) -> tuple[int, bytes]:
        """When it was read last, by the monotonic clock, and its content then."""
        return self._readings.latest()

    def close(self) -> None:
        """Ends the helper. May be called twice."""
        helper, self._helper = self._helper, None
        if helper:
            helper.stop()


class Readings:
    """Parses what the program prints. Keeps the latest reading only. Any thread."""

    def __init__(self) -> None:
        self.first = threading.Event()
        """Set once there is a reading."""
        self._buffer = b""
        self._latest = (0, b"")

    def add(self, printed: bytes) -> None:
        """Adds output. What is no reading is discarded with all that is there."""
        self._buffer += printed
        while b"\n" in self._buffer[:_HEAD_LIMIT_BYTES]:
            head, _, rest = self._buffer.partition(b"\n")
            words = head.split()
            if len(words) != 2 or not all(word.isdigit() for word in words) or int(words[1]) > _CONTENT_LIMIT_BYTES:
                self._buffer = b""
                return
            length = int(words[1])
            if len(rest) < length:
                break
            self._latest, self._buffer = (int(words[0]), rest[:length]), rest[length:]
            self.first.set()
        if len(self._buffer) > _CONTENT_LIMIT_BYTES + _HEAD_LIMIT_BYTES:
            self._buffer = b""

    def latest(self) -> tuple[int, bytes]:
        """The time and the content of the last one; (0, b"") before the first."""
        return self._latest


def main(interval_s: float, path: str = FILE) -> int:
    """Prints the file until SIGTERM. Returns 1, with a line on stderr, where it cannot be read."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    try:
        file = KernelFile(path)
        due_s = time.monotonic()
        while True:
            content = file.read_records()
            sys.stdout.buffer.write(b"%d %d\n%b" % (time.monotonic_ns(), len(content), content))
            sys.stdout.buffer.flush()
            due_s = max(due_s + interval_s, time.monotonic())
            if ending.wait(due_s - time.monotonic()):
                return 0
    except BrokenPipeError:
        return 0
    except OSError as error:
        sys.stderr.write(f"the file cannot be read ({error.strerror})\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
