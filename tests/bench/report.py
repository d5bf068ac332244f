"""(h) Creating the report of a run of ten minutes, and of a whole day at 10 Hz.

PROFILEAPP_BENCH_DAY_HOURS=2 makes the day shorter if there is no disk space for its file (about 5 GB); limits scale
with it.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from profileapp.collect.container import series as container
from profileapp.model.clock import Clock, format_utc
from profileapp.model.run import Repeat, Run
from profileapp.model.series import Series, series
from profileapp.model.target import App, Target
from profileapp.record.artifacts import COMPRESSED_METRICS_FILE, METRICS_FILE
from profileapp.record.folder import RunFolder
from tests.bench.measure import Measure
from tests.bench.process import PROFILEAPP, run

START_NS = 1_795_000_000_000_000_000
TYPICAL_SERIES, DAY_SERIES = 60, 40
TIMES = 3
DAY_HOURS = float(os.environ.get("PROFILEAPP_BENCH_DAY_HOURS", "24"))
_KINDS_OF_TICKS = 997
"""Values repeat after so many ticks: to draw 35 million takes longer than to read them."""


def typical() -> list[Measure]:
    """Wall time of `profileapp report` including start-up: 10 minutes of 60 series at 1 Hz."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "profile")
        record(out, seconds=600, hertz=1, every=_series(TYPICAL_SERIES))
        ended = sorted((_report(out) for _ in range(TIMES)), key=lambda each: each.wall_s)[TIMES // 2]
        printed = f"{ended.peak_bytes / 1e6:.0f} MB of memory, {_page_bytes(out) / 1e6:.2f} MB with all plots"
    return [Measure(f"report of {TYPICAL_SERIES} series at 1 Hz for 10 minutes", printed, "", ended.wall_s, 2, " s")]


def day() -> list[Measure]:
    """Wall time, peak memory and page size for a day at 10 Hz, with its file compressed as a run leaves it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "profile")
        samples = record(out, seconds=round(DAY_HOURS * 3600), hertz=10, every=_series(DAY_SERIES))
        printed = f"{samples:,} samples, {(out / 'bench' / COMPRESSED_METRICS_FILE).stat().st_size / 1e9:.2f} GB packed"
        ended = _report(out)
        page_bytes = _page_bytes(out)
    what = f"report of {DAY_HOURS:g} h at 10 Hz"
    return [
        Measure(f"{what}: time", printed, "", ended.wall_s, 2 + 58 * DAY_HOURS / 24, " s"),
        Measure(f"{what}: memory", "VmHWM", "", ended.peak_bytes / 1e6, 500, " MB"),
        Measure(f"{what}: page", "with all plots, light and dark", "", page_bytes / 1e6, 3, " MB"),
    ]


def record(out: Path, *, seconds: int, hertz: int, every: list[Series]) -> int:
    """A finished run in `out/bench`, compressed if it is large; returns the number of samples.

    The lines have the format of MetricsWriter. All samples of a source have one time; sources have any order in a
    tick, as from threads.
    """
    folder = RunFolder.create(out, "bench")
    interval_ns = 1_000_000_000 // hertz
    steps = seconds * hertz
    chance = random.Random(11)  # noqa: S311
    sources = _by_source(every)
    ticks = [[b"".join(_lines(group, chance)) for group in sources] for _ in range(_KINDS_OF_TICKS)]
    with (folder.path / METRICS_FILE).open("wb", buffering=1024 * 1024) as stream:
        for step in range(steps):
            tick = ticks[step % _KINDS_OF_TICKS]
            chance.shuffle(tick)
            for number, lines in enumerate(tick):
                at_ns = START_NS + step * interval_ns + step * 7919 % 90_000 + number * 41_021
                stream.write(lines.replace(b"@", format_utc(at_ns).encode()).replace(b"#", b"%d" % (3 * step)))
    folder.write_run(_run(START_NS + steps * interval_ns))
    folder.compress_metrics()
    return steps * len(every)


def _by_source(every: list[Series]) -> list[list[Series]]:
    """Each app-reported series has its own time."""
    groups: dict[str, list[Series]] = {}
    for one in every:
        groups.setdefault(one.name if one.metric == "custom" else one.metric, []).append(one)
    return list(groups.values())


def _lines(every: list[Series], chance: random.Random) -> Iterator[bytes]:
    """`@` stands for the time, `#` for the total of a counter."""
    for one in every:
        value = b"%d" % chance.randrange(2**33) if one.unit == "bytes" else repr(chance.gauss(50.0, 10.0)).encode()
        if one.kind == "counter":
            value = b"#"
        meta = {**dict(one.labels), "metric": one.metric, "unit": one.unit}
        meta |= {} if one.kind == "gauge" else {"kind": one.kind}
        name, message = msgspec.json.encode(one.name), msgspec.json.encode(meta)
        yield b'{"name":%b,"value":%b,"timestamp":"@","meta":%b}\n' % (name, value, message)


def _series(count: int) -> list[Series]:
    """App-reported series, the container's, and the rest from the device."""
    found = [
        series("fps", "frames/s", "custom"),
        series("frames", "frames", "custom", "counter"),
        series("inference", "s", "custom", "timer"),
        container.CPU.series,
        container.CPU_USER.series,
        container.CPU_SYSTEM.series,
        container.MEMORY_USED.series,
        container.MEMORY_CACHE.series,
        container.IO_READ.series,
        container.IO_WRITE.series,
        container.PROCESSES.series,
        series("system.cpu.util", "%", "system"),
        series("system.memory.used", "bytes", "system"),
        *(series("system.temperature", "°C", "system", zone=zone) for zone in ("cpu", "gpu", "soc", "board")),
        *(series("system.power", "W", "system", rail=rail) for rail in ("cpu", "gpu", "soc", "in")),
        series("gpu.util", "%", "gpu-summary", gpu="0"),
        series("gpu.memory.used", "bytes", "gpu-memory", gpu="0"),
    ]
    cores = count - len(found)
    return [*found, *(series("system.cpu.util", "%", "system", core=str(core)) for core in range(cores))]


def _run(end_ns: int) -> Run:
    return Run(
        id="bench",
        app=App("bench"),
        target=Target("bench", interval_s=0.1),
        clock=Clock(START_NS, 0),
        started_ns=START_NS,
        ended_ns=end_ns,
        state="finished",
        exit_reason="timeout",
        repeats=(Repeat(1, START_NS, START_NS, end_ns, "timeout"),),
    )


def _report(out: Path):  # type: ignore[no-untyped-def]
    ended = run([PROFILEAPP, "report", str(out)], watch_memory=True)
    if ended.exit_code:
        raise SystemExit(ended.output)
    return ended


def _page_bytes(out: Path) -> int:
    return sum(each.stat().st_size for each in (out / "bench" / "report").iterdir())
