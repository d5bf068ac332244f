"""The whole device of a Jetson, from tegrastats: an NVIDIA program that writes one line per interval.

The program is supervised: if it dies, it is restarted with increasing delays; if it hangs, it is killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from profileapp.collect.api import AppHandle, BaseCollector, Emit, LaunchRequirements, RunContext
from profileapp.collect.jetson import tegrastats_line, throttle
from profileapp.collect.jetson.tegrastats_line import LINE_LIMIT, Reading, TegrastatsParser
from profileapp.collect.jetson.throttle import ThrottleWatch
from profileapp.collect.line_splitter import LineSplitter
from profileapp.errors import Unavailable
from profileapp.model.series import DeclaredSeries

USUAL_PLACES = (Path("/usr/bin/tegrastats"), Path("/home/nvidia/tegrastats"), Path("/home/ubuntu/tegrastats"))
FIRST_LINE_S = 3.0
"""Deadline for the first line, in addition to the interval."""
FIRST_LINES = 3
"""One of this many lines must contain the metric's main series."""
SILENCE_S = 5.0
"""Longest silence, in addition to two intervals, before the program is killed and restarted."""
FIRST_RESTART_S = 0.5
LAST_RESTART_S = 30.0
END_S = 2.0

_READ_BYTES = 64 * 1024


def find_tegrastats() -> Path | None:
    """The program on PATH, or where older releases install it."""
    found = shutil.which("tegrastats")
    if found:
        return Path(found)
    return next((path for path in USUAL_PLACES if os.access(path, os.X_OK)), None)


class Tegrastats(BaseCollector):
    """Series `system.*` of a Jetson: cores, memory, GPU, engines, temperatures, power rails."""

    metric = "system"
    main = "load or memory"
    source = "tegrastats"
    series: tuple[DeclaredSeries, ...] = (*tegrastats_line.SERIES, *throttle.SERIES)
    preference = 20
    min_interval_s = 0.1

    def __init__(self, find: Callable[[], Path | None] = find_tegrastats, root: Path = Path("/")) -> None:
        self._find = find
        self._root = root
        self._throttles: ThrottleWatch | None = None
        self._parser = TegrastatsParser()
        self._unknown: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._line_received = threading.Event()
        self._lines = 0
        self._has_main_series = False
        self._emitting = False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._line_at_s = 0.0
        self._restarts = 0

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        program = self._find()
        if program is None:
            raise Unavailable("tegrastats was not found: this is not a Jetson")
        self._run, self._emit = run, emit
        self._interval_s = run.target.interval_s
        self._words = [str(program), "--interval", str(max(1, round(self._interval_s * 1000)))]
        try:
            self._process = self._start()
        except OSError as error:
            raise Unavailable(f"{program} cannot be run ({error.strerror})") from error
        self._thread = threading.Thread(target=self._watch, name="tegrastats", daemon=True)
        self._thread.start()
        if not self._line_received.wait(FIRST_LINES * self._interval_s + FIRST_LINE_S):
            self.close()
            raise Unavailable(f"{program} printed no line of tegrastats")
        if not self._has_main_series:
            self.close()
            raise Unavailable(f"{program} does not report {self.main} on this board, or not to this user")
        self._throttles = ThrottleWatch(self._root)
        return LaunchRequirements()

    def attach(self, app: AppHandle) -> None:
        if self._throttles:
            self._throttles.begin()
        self._emitting = True

    def sample(self, now_ns: int) -> None:
        """Checks that lines arrive, which carry the samples, and samples throttling. Raises RuntimeError."""
        self._require_lines()
        if self._throttles:
            self._throttles.sample(self._emit, now_ns)

    def _require_lines(self) -> None:
        silent_s = time.monotonic() - self._line_at_s
        if silent_s > SILENCE_S + 2 * self._interval_s:
            self._line_at_s = time.monotonic()
            self._end_process()
            raise RuntimeError(f"tegrastats printed nothing for {silent_s:.0f} s; it is being restarted")

    def detach(self) -> None:
        self._emitting = False

    def close(self) -> None:
        if self._thread is None:
            return
        self._stopping.set()
        self._end_process()
        self._thread.join(2 * END_S)
        self._thread = None
        if self._throttles:
            self._throttles.close()
        if self._restarts:
            self._run.warn(f"system: tegrastats exited unexpectedly {self._restarts} times and was restarted")
        if self._unknown:
            (token, _), *_ = self._unknown.most_common(1)
            total = self._unknown.total()
            self._run.warn(f"system: {total} tokens of tegrastats were not recognised, such as {token!r}")

    def _start(self) -> subprocess.Popen[bytes]:
        self._line_at_s = time.monotonic()
        return subprocess.Popen(
            self._words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            start_new_session=True,
        )

    def _watch(self) -> None:
        """Reads lines until `close`; restarts the program if it ends earlier."""
        pause_s = FIRST_RESTART_S
        while not self._stopping.is_set():
            process = self._process
            if process is not None:
                began_s = time.monotonic()
                self._read(process)
                self._end_process()
                if time.monotonic() - began_s > LAST_RESTART_S:
                    pause_s = FIRST_RESTART_S
            if self._stopping.wait(pause_s):
                return
            pause_s = min(2 * pause_s, LAST_RESTART_S)
            self._restarts += 1
            with suppress(OSError):
                self._process = self._start()
            if self._stopping.is_set():
                self._end_process()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        stream = process.stdout
        if stream is None:
            return
        splitter = LineSplitter(LINE_LIMIT)
        with stream, suppress(OSError, ValueError):
            while content := os.read(stream.fileno(), _READ_BYTES):
                lines, _ = splitter.feed(content)
                for line in lines:
                    self._take(line.decode("ascii", errors="replace"))

    def _take(self, line: str) -> None:
        now_ns = time.monotonic_ns()
        readings, unknown = self._parser.parse(line)
        for token in unknown:
            if len(self._unknown) < 100 or token in self._unknown:
                self._unknown[token[:40]] += 1
        if not readings:
            return
        self._line_at_s = now_ns / 1e9
        self._lines += 1
        self._has_main_series = self._has_main_series or self._is_main(readings)
        if self._has_main_series or self._lines >= FIRST_LINES:
            self._line_received.set()
        self._on_line(readings, now_ns)

    def _is_main(self, readings: Sequence[Reading]) -> bool:
        """Whether a line contains the metric's main series; without it another source may be better."""
        return bool(readings)

    def _on_line(self, readings: Sequence[Reading], now_ns: int) -> None:
        """Handles the readings of a line: emits them while the app runs."""
        if self._emitting:
            for series, value in readings:
                self._emit(series, value, now_ns)

    def _end_process(self) -> None:
        """Sends SIGTERM, then SIGKILL, to the program and everything it started."""
        process = self._process
        if process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(OSError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_S)
                break
