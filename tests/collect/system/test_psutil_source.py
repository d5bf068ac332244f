"""Metrics of the whole device from psutil and /proc."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect.api import AppHandle, RunContext
from profileapp.collect.system import psutil_source as system
from profileapp.collect.system.proc_load import parse_cpu_times
from profileapp.collect.system.psutil_source import PsutilSystem
from profileapp.errors import Unavailable

SECOND = 1_000_000_000


def proc_files(busy0: int, busy1: int, idle: int) -> dict[str, str]:
    return {
        "stat": (
            f"cpu  {busy0 + busy1} 0 0 {2 * idle} 0 0 0 0 50 0\n"
            f"cpu0 {busy0} 0 0 {idle} 0 0 0 0 50 0\ncpu1 {busy1} 0 0 0 {idle} 0 0 0 0 0\nintr 1 2 3\n"
        ),
        "meminfo": (
            "MemTotal:       24684096 kB\nMemFree:        23757708 kB\nMemAvailable:   24213960 kB\n"
            "SwapTotal:          2048 kB\nSwapFree:           1024 kB\n"
        ),
    }


@pytest.fixture
def sensors(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """psutil's slow functions and the clock, controlled by the test."""
    found = SimpleNamespace(temperatures=dict, frequency=lambda: None, calls=0)

    def temperatures() -> Any:
        found.calls += 1
        return found.temperatures()

    def frequency() -> Any:
        return found.frequency()

    monkeypatch.setattr(system.psutil, "sensors_temperatures", temperatures)
    monkeypatch.setattr(system.psutil, "cpu_freq", frequency)
    monkeypatch.setattr(system.time, "monotonic_ns", lambda: 0)
    return found


def test_cpu_memory_and_swap(
    run: Callable[..., RunContext], taken: Any, write_tree: Callable[[dict[str, str]], Path], sensors: SimpleNamespace
) -> None:
    collector = PsutilSystem(write_tree(proc_files(0, 0, 100)))
    collector.open(run(), taken)
    collector.attach(AppHandle(1))
    assert "system.cpu.util" not in taken.last
    write_tree(proc_files(75, 0, 125))
    collector.sample(SECOND)
    collector.close()
    assert taken.last == pytest.approx(
        {
            "system.cpu.util": 60.0,
            "system.cpu.util[0]": 75.0,
            "system.cpu.util[1]": 0.0,  # I/O wait is idle time
            "system.memory.used": (24684096 - 24213960) * 1024,
            "system.memory.available": 24213960 * 1024,
            "system.swap.used": 1024 * 1024,
        }
    )


def test_sensors_are_read_once_a_second_and_a_failing_one_is_reported_once(
    run: Callable[..., RunContext],
    taken: Any,
    warnings: list[str],
    write_tree: Callable[[dict[str, str]], Path],
    sensors: SimpleNamespace,
) -> None:
    sensor = SimpleNamespace
    sensors.temperatures = lambda: {"soc": [sensor(label="gpu", current=41.5), sensor(label="", current=40.0)]}

    def broken() -> Any:
        raise OSError("no such clock")

    sensors.frequency = broken
    collector = PsutilSystem(write_tree(proc_files(0, 0, 100)))
    collector.open(run(), taken)
    collector.attach(AppHandle(1))
    for tenth in range(21):
        collector.sample(tenth * SECOND // 10)
    collector.close()
    assert sensors.calls == 3
    assert taken.last["system.temperature[soc.gpu]"] == 41.5
    assert taken.last["system.temperature[soc.1]"] == 40.0
    assert taken.of("system.memory.used")
    assert len(warnings) == 1
    assert "no such clock" in warnings[0]


def test_the_clock_is_in_hertz(
    run: Callable[..., RunContext], taken: Any, write_tree: Callable[[dict[str, str]], Path], sensors: SimpleNamespace
) -> None:
    sensors.frequency = lambda: SimpleNamespace(current=1479.0)
    collector = PsutilSystem(write_tree(proc_files(0, 0, 100)))
    collector.open(run(), taken)
    collector.attach(AppHandle(1))
    collector.close()
    assert taken.last["system.cpu.frequency"] == 1.479e9


def test_a_machine_without_the_files_is_unavailable(run: Callable[..., RunContext], taken: Any, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="stat cannot be read"):
        PsutilSystem(tmp_path).open(run(), taken)


def test_this_machine(run: Callable[..., RunContext], taken: Any) -> None:
    collector = PsutilSystem()
    collector.open(run(), taken)
    collector.attach(AppHandle(1))
    collector.close()
    assert taken.last["system.memory.used"] > 2**20


@given(st.binary())
def test_any_bytes_can_be_parsed(content: bytes) -> None:
    parse_cpu_times(content)


@given(st.lists(st.lists(st.integers(0, 2**40), min_size=4, max_size=10), min_size=1))
def test_idle_time_never_exceeds_the_total(cores: list[list[int]]) -> None:
    text = (
        "".join(f"cpu{core} {' '.join(map(str, ticks))}\n" for core, ticks in enumerate(cores))
        + "intr 5\ncpu9 1 1 1 1\n"
    )
    parsed = parse_cpu_times(text.encode())
    assert [name for name, _, _ in parsed] == [b"cpu%d" % core for core in range(len(cores))]
    assert all(0 <= idle <= total for _, total, idle in parsed)
