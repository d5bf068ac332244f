"""Recorded runs as a worker writes them, created without running anything: for tests, and to view the pages.

`python tests/report/sample_runs.py DIR` fills DIR, and DIR/devices with the same targets on several devices; then
`profileapp report DIR` creates the pages.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from profileapp.collect.container import series as container
from profileapp.collect.system import series as system
from profileapp.judge.verdict import JudgedRun, judge_folder
from profileapp.model.clock import Clock
from profileapp.model.run import Agent, Build, Image, MetricStatus, Repeat, Run
from profileapp.model.series import Series, series
from profileapp.model.target import App, Target
from profileapp.record.artifacts import APP_LOG_FILE
from profileapp.record.folder import RunFolder

START_NS = 1_795_000_000_000_000_000
SECOND_NS = 1_000_000_000
MIB = 1024.0**2

FPS = series("fps", "frames/s", "custom")
INFERENCE = series("inference", "s", "custom", "timer")
OBJECTS = series("objects", "", "custom", "counter")

TRACEBACK = """Traceback (most recent call last):
  File "/app/app.py", line 61, in <module>
    main()
  File "/app/app.py", line 44, in main
    model = load(args.model)
FileNotFoundError: '/models/yolo.onnx'
"""

Shape = Callable[[float, random.Random], float]
"""The value of a series at so many seconds since the start."""

AGENT = Agent(
    hostname="xavier-nx-07",
    board="NVIDIA Jetson Xavier NX Developer Kit",
    architecture="aarch64",
    os="Ubuntu 20.04.6 LTS",
    kernel="5.10.104-tegra",
    cpu="ARMv8 Processor rev 0 (v8l)",
    cpu_count=6,
    memory_bytes=8 * 1024**3,
    runtime="docker 24.0.5",
)
BUILD = Build(
    job="object-counter/main",
    number="214",
    url="https://jenkins.example/job/object-counter/job/main/214/",
    commit="7c1f0be2a94d53c6f1e0aa5bd2c2c7a1b05f9a63",
    branch="main",
    node="xavier-nx-07",
)
IMAGE = Image(
    "waggle/object-counter:0.5.1",
    "sha256:" + "5e1f" * 16,
    "waggle/object-counter@sha256:" + "a91c" * 16,
    "arm64",
)
METRICS = (
    MetricStatus("system", "measured", "psutil", samples=1440, late=2),
    MetricStatus("gpu-summary", "skipped", reason="no NVIDIA driver on this agent: /dev/nvhost-gpu is missing"),
    MetricStatus("container", "measured", "cgroup v2", samples=1320),
    MetricStatus("custom", "measured", "socket", samples=240),
)


def wave(mean: float, swing: float, noise: float, period_s: float = 20.0) -> Shape:
    """Oscillates around `mean`, never below 0."""
    return lambda at_s, chance: max(
        0.0, mean + swing * math.sin(2 * math.pi * at_s / period_s) + chance.gauss(0.0, noise)
    )


def climb(start: float, end: float, over_s: float, noise: float = 0.0) -> Shape:
    """Rises from `start` to `end` in `over_s` seconds, then stays constant."""
    return lambda at_s, chance: start + (end - start) * min(1.0, at_s / over_s) + chance.gauss(0.0, noise)


def bursts(size: float, each_s: int) -> Shape:
    """0, except for one second in every `each_s`."""
    return lambda at_s, chance: size * chance.uniform(0.7, 1.3) if int(at_s) % each_s == 0 else 0.0


def app_shapes(cpu: float, memory_mib: float, fps: float) -> dict[Series, Shape]:
    """Shapes of the series of a run of the example, on a board with six cores."""
    shapes = {
        container.CPU.series: wave(cpu, cpu * 0.12, cpu * 0.03),
        container.CPU_USER.series: wave(cpu * 0.86, cpu * 0.1, cpu * 0.02),
        container.CPU_SYSTEM.series: wave(cpu * 0.14, cpu * 0.02, cpu * 0.01),
        container.MEMORY_USED.series: climb(40 * MIB, memory_mib * MIB, 25.0, 0.6 * MIB),
        container.MEMORY_CACHE.series: climb(10 * MIB, 64 * MIB, 15.0),
        container.MEMORY_PEAK.series: climb(52 * MIB, (memory_mib + 1.7) * MIB, 25.0),
        container.IO_READ.series: bursts(6 * MIB, 15),
        container.IO_WRITE.series: bursts(0.3 * MIB, 7),
        container.NETWORK_RECEIVED.series: bursts(24_000.0, 5),
        container.NETWORK_SENT.series: bursts(9_000.0, 5),
        container.PROCESSES.series: lambda at_s, _: 9.0 if at_s > 3 else 4.0,
        container.CPU_PRESSURE.series: wave(3.0, 1.0, 0.8),
        container.IO_PRESSURE.series: bursts(8.0, 15),
        system.CPU_UTIL.series: wave(cpu / 6 + 6, 3.0, 1.5),
        system.MEMORY_USED.series: climb(2100 * MIB, (2100 + memory_mib) * MIB, 25.0, 2 * MIB),
        system.MEMORY_AVAILABLE.series: climb(5600 * MIB, (5600 - memory_mib) * MIB, 25.0, 2 * MIB),
        system.SWAP_USED.series: lambda at_s, _: 0.0,
        FPS: wave(fps, fps * 0.08, fps * 0.02),
        INFERENCE: wave(1 / fps, 0.1 / fps, 0.03 / fps),
        OBJECTS: lambda at_s, _: math.floor(at_s * fps * 3.4),
    }
    for core in range(6):
        shapes[series("system.cpu.util", "%", "system", core=str(core))] = wave(cpu / 6 + 4 * core, 6.0, 4.0, 14 + core)
    for sensor, degrees in (("CPU-therm", 46.0), ("GPU-therm", 44.5), ("AUX-therm", 42.0)):
        shapes[series("system.temperature", "°C", "system", sensor=sensor)] = climb(degrees - 6, degrees, 60.0, 0.15)
    for policy in ("policy0", "policy2", "policy4"):
        shapes[series("system.cpu.frequency", "Hz", "system", policy=policy)] = wave(1.4e9, 0.4e9, 0.05e9, 9.0)
    return shapes


def write_target(
    out: Path,
    run: Run,
    shapes: dict[Series, Shape],
    log: str = "",
    interval_s: float = 1.0,
) -> RunFolder:
    """Records a run as the worker does: samples of every repeat, the app's output, and `run.json`."""
    folder = RunFolder.create(out, run.target.name)
    chance = random.Random(run.target.name)  # noqa: S311
    writer = folder.open_metrics(Clock(0, 0))
    last_ns = run.ended_ns or max((each.ended_ns for each in run.repeats), default=0) or run.started_ns + 30 * SECOND_NS
    for repeat in run.repeats:
        until_ns = repeat.ended_ns or last_ns
        for step in range(int((until_ns - repeat.started_ns) / 1e9 / interval_s)):
            for one, shape in shapes.items():
                at_s = step * interval_s
                writer.emit(one, float(shape(at_s, chance)), repeat.started_ns + round(at_s * 1e9) + 250_000_000)
    writer.close()
    (folder.path / APP_LOG_FILE).write_text(log)
    folder.write_run(run)
    return folder


def sample_run(name: str, args: str = "", seconds: float = 120.0, **changes: object) -> Run:
    """A finished run of the example on a board; `changes` are fields of the run, `target_…` those of its target."""
    target = {key.removeprefix("target_"): value for key, value in changes.items() if key.startswith("target_")}
    rest = {key: value for key, value in changes.items() if not key.startswith("target_")}
    warmup_s = float(target.get("warmup_s", 0.0))  # type: ignore[arg-type]
    end_ns = START_NS + round(seconds * SECOND_NS)
    fields: dict[str, object] = {
        "id": f"20261118-{name}",
        "app": App("object-counter", "0.5.1"),
        "target": Target(name, args=tuple(args.split()), metrics=("system", "gpu-summary"), **target),  # type: ignore[arg-type]
        "clock": Clock(START_NS, 0),
        "started_ns": START_NS,
        "ended_ns": end_ns,
        "image": IMAGE,
        "command": ("python3", "/app/app.py", *args.split()),
        "agent": AGENT,
        "build": BUILD,
        "state": "finished",
        "exit_reason": "timeout",
        "message": f"measured for {seconds:g} s, then ended as planned",
        "repeats": (Repeat(1, START_NS, START_NS + round(warmup_s * SECOND_NS), end_ns, "timeout", 143, 15),),
        "metrics": METRICS,
        "profileapp": "0.1.0",
    }
    return Run(**(fields | rest))  # type: ignore[arg-type]


def write_samples(out: Path) -> None:
    """Four targets: one passed, one over budget, one whose app failed, one cut off by a crash of the worker."""
    budgets = {"fps.mean": ">= 10", "container.memory.peak.max": "<= 400 MiB", "system.temperature.max": "< 80 °C"}
    log = "".join(
        f"2026-11-18 10:{at // 60:02d}:{at % 60:02d} frame {at * 15}: {at % 7} objects\n" for at in range(120)
    )
    write_target(
        out,
        sample_run(
            "interval-1-use-gpu",
            "-interval 1 --use-gpu",
            target_warmup_s=10.0,
            target_budgets=budgets,
            target_timeout_s=120.0,
        ),
        app_shapes(cpu=58.0, memory_mib=310.0, fps=15.2),
        log,
    )
    halves = (
        Repeat(1, START_NS, START_NS + 5 * SECOND_NS, START_NS + 60 * SECOND_NS, "timeout", 143, 15),
        Repeat(2, START_NS + 64 * SECOND_NS, START_NS + 69 * SECOND_NS, START_NS + 124 * SECOND_NS, "timeout", 143, 15),
    )
    write_target(
        out,
        sample_run(
            "use-gpu",
            "--use-gpu",
            124.0,
            repeats=halves,
            target_repeat=2,
            target_warmup_s=5.0,
            target_budgets=budgets,
            message="measured for 60 s in each of 2 repeats, then ended as planned",
            warnings=("system: 2 samples came late; the agent was busy",),
        ),
        app_shapes(cpu=131.0, memory_mib=465.0, fps=27.8),
        log,
    )
    failed = Repeat(1, START_NS, START_NS, START_NS + 31 * SECOND_NS, "failed", 1)
    write_target(
        out,
        sample_run(
            "use-cpu",
            "--use-cpu",
            31.0,
            repeats=(failed,),
            exit_reason="failed",
            message="the app exited with code 1 after 31 s",
            target_budgets=budgets,
        ),
        app_shapes(cpu=388.0, memory_mib=352.0, fps=3.1),
        log[:1400] + TRACEBACK,
    )
    cut = sample_run(
        "night",
        "--use-gpu --night",
        state="running",
        ended_ns=0,
        exit_reason=None,
        message="",
        metrics=(),
        repeats=(Repeat(1, START_NS, START_NS),),
    )
    folder = write_target(out, cut, app_shapes(cpu=66.0, memory_mib=305.0, fps=14.1), log[:900])
    with (folder.path / "metrics.ndjson").open("ab") as stream:
        stream.write(b'{"name":"container.cpu.util","val')


DEVICES = (
    AGENT,
    msgspec.structs.replace(AGENT, hostname="orin-nano-2", board="NVIDIA Jetson Orin Nano Developer Kit"),
    msgspec.structs.replace(AGENT, hostname="agx-orin-1", board="NVIDIA Jetson AGX Orin Developer Kit"),
)
ENERGY = series("energy.total", "J", "energy", "counter")


def judged_devices(out: Path) -> list[JudgedRun]:
    """Two targets, each on the three DEVICES in three repeats; the runs of each device follow each other."""
    repeats = tuple(
        Repeat(index, begin, begin + 4 * SECOND_NS, begin + 24 * SECOND_NS, "timeout", 143, 15)
        for index in (1, 2, 3)
        for begin in [START_NS + (index - 1) * 28 * SECOND_NS]
    )
    judged = []
    for times, agent in zip((1.0, 1.7, 3.4), DEVICES, strict=True):
        for name, args, fps, watts in (("day", "--use-gpu", 15.2, 6.4), ("night", "--use-gpu --night", 9.1, 7.0)):
            run = sample_run(
                f"{name}-{agent.hostname}",
                args,
                80.0,
                agent=agent,
                repeats=repeats,
                target_shared_name=name,
                target_repeat=3,
                target_budgets={"fps.mean": ">= 12"},
            )
            shapes = app_shapes(cpu=80.0 / times, memory_mib=310.0, fps=fps * times) | {ENERGY: _energy(watts * times)}
            judged.append(judge_folder(write_target(out, run, shapes).path))
    return judged


def _energy(watts: float) -> Shape:
    return lambda at_s, _: watts * at_s


def judged_samples(out: Path) -> list[JudgedRun]:
    """The four targets of `write_samples`, written to `out` and judged."""
    write_samples(out)
    return [judge_folder(out / name) for name in ("interval-1-use-gpu", "use-gpu", "use-cpu", "night")]


if __name__ == "__main__":
    write_samples(Path(sys.argv[1]))
    judged_devices(Path(sys.argv[1]) / "devices")
