"""The client of `cuda_probe`: starts the helper process, queries it with a deadline, and ends it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from profileapp.collect.line_splitter import LineSplitter
from profileapp.errors import Unavailable

COMMAND = (sys.executable, "-I", "-m", "profileapp.collect.gpu.cuda_probe")
START_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 1.5
"""Less than a sampler waits for the last sample, so that a hanging driver is reported as such."""
_END_TIMEOUT_S = 1.0
_LINE_LIMIT_BYTES = 1024


class DeviceMemory(msgspec.Struct, frozen=True):
    """Memory of one GPU, as CUDA reports it."""

    free_bytes: int
    total_bytes: int

    @property
    def used_bytes(self) -> int:
        return self.total_bytes - self.free_bytes


class ProbeError(Exception):
    """The helper process gives no valid answer."""


class CudaHelper:
    """One helper process, from `start` to `end`."""

    def __init__(self, command: Sequence[str] = COMMAND, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self._command = command
        self._answer_timeout_s = answer_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._splitter = LineSplitter(_LINE_LIMIT_BYTES)
        self._lines: deque[bytes] = deque()
        self._asked = 0
        self._poll = select.poll()

    def start(self) -> None:
        """Returns when the helper has its CUDA contexts. Raises Unavailable with the reason if it gets none."""
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                # All GPUs in NVML's order, even if some are hidden from the worker's own process. A new session,
                # since Ctrl-C must reach only the worker, which still takes the last samples.
                env={
                    **{name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"},
                    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
                },
                start_new_session=True,
            )
            if self._process.stdout:
                self._poll.register(self._process.stdout, select.POLLIN)
            line = self._line(time.monotonic() + START_TIMEOUT_S).decode("utf-8", "replace")
        except (OSError, ProbeError) as error:
            self.end()
            raise Unavailable(str(error)) from error
        word, _, reason = line.partition(" ")
        if word != "ready":
            self.end()
            raise Unavailable(
                reason if word == "unavailable" and reason else "the helper process gave an invalid answer"
            )

    def ask(self) -> tuple[DeviceMemory, ...]:
        """Current memory of each GPU.

        Raises ProbeError if the helper is gone, gives an invalid answer (it is then ended), or takes too long (it may
        answer the next time).
        """
        if self._process is None or self._process.stdin is None:
            raise ProbeError("the helper process has ended")
        self._asked += 1
        deadline_s = time.monotonic() + self._answer_timeout_s
        try:
            # The few bytes in flight never fill the pipe.
            self._process.stdin.write(b"%d\n" % self._asked)
            while True:
                number, memory = parse_answer(self._line(deadline_s))
                if number == self._asked:
                    return memory
                if number > self._asked:
                    raise ProbeError("the helper process answered a question that was not asked")
        except BrokenPipeError:
            raise self._ended_error() from None
        except _TooLateError:
            raise
        except ProbeError:
            self.end()
            raise

    def end(self) -> None:
        """Ends the helper, whatever its state. May be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream:
                with suppress(OSError):
                    stream.close()
        try:
            process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            # A process that hangs in the driver cannot be killed until the driver call returns.
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_TIMEOUT_S)

    def _line(self, deadline_s: float) -> bytes:
        process = self._process
        if process is None or process.stdout is None:
            raise ProbeError("the helper process has ended")
        while not self._lines:
            waiting_s = deadline_s - time.monotonic()
            if waiting_s <= 0 or not self._poll.poll(waiting_s * 1000):
                raise _TooLateError("the helper process does not answer in time: the CUDA driver hangs, or is busy")
            content = os.read(process.stdout.fileno(), 4096)
            if not content:
                raise self._ended_error()
            lines, too_long = self._splitter.feed(content)
            if too_long:
                raise ProbeError("the helper process gave an invalid answer")
            self._lines.extend(lines)
        return self._lines.popleft()

    def _ended_error(self) -> ProbeError:
        process = self._process
        self.end()
        code = process.returncode if process else None
        how = "" if code is None else f" with exit code {code}" if code >= 0 else f" by signal {-code}"
        return ProbeError(f"the helper process has ended{how}")


class _TooLateError(ProbeError):
    """The helper may still answer."""


def parse_answer(line: bytes) -> tuple[int, tuple[DeviceMemory, ...]]:
    """Parses `N FREE TOTAL [FREE TOTAL …]`. Raises ProbeError for `failed REASON` and anything else."""
    word, _, reason = line.partition(b" ")
    if word == b"failed":
        raise ProbeError(f"CUDA failed ({reason.decode('utf-8', 'replace')})")
    words = line.split()
    if len(words) < 3 or len(words) % 2 == 0 or not all(word.isdigit() and len(word) <= 18 for word in words):
        raise ProbeError("the helper process gave an invalid answer")
    number, *values = map(int, words)
    memory = tuple(DeviceMemory(free, total) for free, total in zip(values[::2], values[1::2], strict=True))
    if any(each.free_bytes > each.total_bytes for each in memory):
        raise ProbeError("the helper process reported more free memory than total memory")
    return number, memory
