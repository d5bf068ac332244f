"""Frames at an uneven pace, reported in each of the formats; also by an app whose clock is off by ten minutes.

Each frame reports the rate since the frame before. The mean of those numbers is not the frame rate: long frames are
fewer. The load knows how many frames it made, and how long that took.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable

from profileapp.selftest.load import Account, CannotRun, Load, Quantity

_PACE_S = (0.02, 0.06)
"""How long frames take, alternately: 25 a second."""
_LATE = 1.2
_SKEW_S = 600
_END_S = 0.3
"""Time to let the collector read the last values."""

Report = Callable[[float], None]

_RATE = Quantity("frames a second", "1/s", "fps", "statistic", "fps")
_COUNT = Quantity("frames counted", "frames", "frames", "rise", "frames")


def _load(name: str, about: str, dialect: str, skew_s: int, quantities: tuple[Quantity, ...]) -> Load:
    args = (dialect, "5", str(skew_s))
    return Load(name, about, "frames", args, args, quantities, metrics=("custom",))


LOADS = (
    _load("fps-socket", "25 frames a second, by our socket", "socket", 0, (_RATE, _COUNT)),
    _load("fps-statsd", "25 frames a second, by statsd", "statsd", 0, (_RATE, _COUNT)),
    _load("fps-pywaggle", "25 frames a second, by pywaggle's log", "pywaggle", 0, (_RATE,)),
    _load("clock-ahead", "the same, with a clock ten minutes ahead", "socket", _SKEW_S, (_RATE, _COUNT)),
    _load("clock-behind", "the same, with a clock ten minutes behind", "socket", -_SKEW_S, (_RATE, _COUNT)),
)


def run(args: tuple[str, ...]) -> Account:
    """Args: the format, seconds, offset of the clock in seconds."""
    length_s, skew_ns = float(args[1]), int(args[2]) * 10**9
    report = _DIALECTS[args[0]](skew_ns)
    frames = 0
    began_s = last_s = time.monotonic()
    while last_s - began_s < length_s:
        time.sleep(_PACE_S[frames % 2])
        now_s = time.monotonic()
        report(1 / (now_s - last_s))
        last_s = now_s
        frames += 1
    took_s = last_s - began_s
    time.sleep(_END_S)
    is_late = took_s > _LATE * frames * sum(_PACE_S) / 2
    return Account(
        {"fps": frames / took_s, "frames": float(frames)},
        disturbed="the agent was too busy for the load's own pace" if is_late else "",
    )


def _socket(skew_ns: int) -> Report:
    link = socket.socket(socket.AF_UNIX)
    link.connect(_from_environment("PROFILEAPP_SOCKET"))

    def report(fps: float) -> None:
        at_ns = time.time_ns() + skew_ns
        samples = (
            {"name": "fps", "value": fps, "timestamp": at_ns},
            {"name": "frames", "value": 1, "timestamp": at_ns, "meta": {"kind": "counter"}},
        )
        link.sendall(b"".join(json.dumps(sample).encode() + b"\n" for sample in samples))

    return report


def _statsd(_: int) -> Report:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    link.connect(_from_environment("DD_DOGSTATSD_URL").removeprefix("unix://"))

    def report(fps: float) -> None:
        link.send(f"fps:{fps}|g\nframes:1|c".encode())

    return report


def _pywaggle(_: int) -> Report:
    # The format of pywaggle: local time without a zone, with nanoseconds.
    folder = _from_environment("PYWAGGLE_LOG_DIR")
    stream = open(os.path.join(folder, "data.ndjson"), "w", encoding="utf-8")  # noqa: PTH118, PTH123, SIM115

    def report(fps: float) -> None:
        second, nanosecond = divmod(time.time_ns(), 10**9)
        at = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.localtime(second))}.{nanosecond:09d}"
        stream.write(json.dumps({"name": "fps", "value": fps, "timestamp": at, "meta": {}}) + "\n")
        stream.flush()

    return report


_DIALECTS: dict[str, Callable[[int], Report]] = {"socket": _socket, "statsd": _statsd, "pywaggle": _pywaggle}


def _from_environment(name: str) -> str:
    if name not in os.environ:
        raise CannotRun(f"{name} is not in the environment")
    return os.environ[name]
