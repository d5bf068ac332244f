"""Kernel files of a Jetson, on a fake tree: sampling at 100 Hz, and one sample compared with its peers."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from profileapp.collect.api import AppHandle, RunContext
from profileapp.collect.jetson.kernel_source import JetsonSystem
from profileapp.collect.schedule import Sampler
from profileapp.model.clock import Clock
from profileapp.model.target import Target
from tests.bench.measure import Measure
from tests.helpers.fake_jetson import agx_orin

SECONDS = 10.0
INTERVAL_S = 0.01
ROUNDS = 200


def kernel_files() -> Iterator[Measure]:
    """CPU time at 100 Hz, and of one sample compared with a subprocess and with psutil, all reading equal values."""
    with tempfile.TemporaryDirectory() as folder:
        root = _large_board(Path(folder))
        source = JetsonSystem(root)
        taken = [0]

        def count(*_: object) -> None:
            taken[0] += 1

        context = RunContext("b", Target("b"), Clock.now(), Path(folder), Path(folder), True, print)
        source.open(context, count)
        source.attach(AppHandle(1))
        time.sleep(0.1)
        taken[0] = 0
        source.sample(time.monotonic_ns() + 10**10)
        series = taken[0]
        yield _at_100_hz(source, series)
        ours_s = _least_s(lambda: source.sample(0))
        files = [str(root / "proc/stat"), str(root / "proc/meminfo")]
        for pattern in (
            "**/temp",
            "**/cur_freq",
            "**/load",
            "**/scaling_cur_freq",
            "**/hwmon*/*_input",
            "**/cur_state",
        ):
            files += map(str, root.glob(pattern))
        yield _beside("a subprocess (cat of the same files)", ours_s, _least_s(lambda: _cat(files), 20), series, 1 / 20)
        # psutil provides less: no GPU, no rails, and here no temperatures.
        yield _beside("psutil (load, memory and clocks of this machine)", ours_s, _least_s(_psutil), series, 1)
        source.close()


def _at_100_hz(source: JetsonSystem, series: int) -> Measure:
    failures: list[Exception] = []
    sampler = Sampler(source, INTERVAL_S, lambda _, error: failures.append(error))
    began_s, began = time.process_time(), time.monotonic()
    sampler.start()
    time.sleep(SECONDS)
    sampler.stop()
    share = (time.process_time() - began_s) / (time.monotonic() - began) * 100
    lost = f"{sampler.late} late, {sampler.missed} missed, {len(failures)} failed of {SECONDS / INTERVAL_S:.0f}"
    return Measure(f"CPU of {series} series of a Jetson's kernel at 100 Hz", f"{share:.2f} %", lost, share, 5, " %")


def _beside(peer: str, ours_s: float, peers_s: float, series: int, limit: float) -> Measure:
    return Measure(
        f"time of one sample of {series} series, beside {peer}",
        f"{ours_s * 1e6:.0f} µs",
        f"{peers_s * 1e6:.0f} µs",
        ours_s / peers_s,
        limit,
    )


def _large_board(folder: Path) -> Path:
    """An AGX Orin with 12 cores and 10 temperatures, and the load of this machine: some 40 series."""
    board = agx_orin(folder)
    for core in range(12):
        board.write(f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq", "1190400\n")
    for zone in range(6, 10):
        board.write(f"sys/class/thermal/thermal_zone{zone}/type", f"soc{zone}-thermal\n")
        board.write(f"sys/class/thermal/thermal_zone{zone}/temp", "44781\n")
    for zone in range(6):
        board.write(f"sys/class/thermal/thermal_zone{zone}/temp", "45781\n")
    board.remove("proc/stat")
    board.link("proc/stat", "/proc/stat")
    return board.root


def _least_s(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    least_s = float("inf")
    for _ in range(rounds):
        began_s = time.perf_counter()
        call()
        least_s = min(least_s, time.perf_counter() - began_s)
    return least_s


def _cat(files: list[str]) -> bytes:
    return subprocess.run(["cat", *files], capture_output=True, check=False).stdout


def _psutil() -> object:
    return (
        psutil.cpu_freq(percpu=True),
        psutil.cpu_times_percent(percpu=True),
        psutil.virtual_memory(),
        psutil.swap_memory(),
    )
