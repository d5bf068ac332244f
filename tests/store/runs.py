"""Small recorded runs to store."""

from __future__ import annotations

from pathlib import Path

import msgspec

from profileapp.model.clock import Clock
from profileapp.model.run import Agent, Build, Repeat, Run
from profileapp.model.series import Series, series
from profileapp.model.table import FunctionRow, KernelRow
from profileapp.model.target import App, Target
from profileapp.record.folder import RunFolder
from profileapp.record.table_files import write_functions, write_kernels

START_NS = 1_795_000_000_000_000_000
SECOND_NS = 1_000_000_000
FPS = series("fps", "frames/s", "custom")
CPU = series("container.cpu.util", "%", "container")
CORE = series("system.cpu.util", "%", "system", core="0")


def a_run(run_id: str = "r1", *, target: str = "gpu", seconds: int = 20, **changes: object) -> Run:
    """A finished run with this duration."""
    started_ns = int(changes.pop("started_ns", START_NS))  # type: ignore[call-overload]
    ended_ns = started_ns + seconds * SECOND_NS
    run = Run(
        id=run_id,
        app=App("objcounter", "1.0"),
        target=Target(target),
        clock=Clock(started_ns, 0),
        started_ns=started_ns,
        ended_ns=ended_ns,
        state="finished",
        exit_reason="timeout",
        agent=Agent(hostname="orin-1", board="Jetson AGX Orin", cpu_count=12),
        build=Build(job="objcounter/main", number="7", commit="c0ffee" * 6, branch="main"),
        repeats=(Repeat(1, started_ns, started_ns, ended_ns, "timeout"),),
    )
    return msgspec.structs.replace(run, **changes)


def record(out: Path, run: Run, samples: dict[Series, list[float]] | None = None, *, tables: bool = False) -> Path:
    """Writes the folder of a run as the worker does, with one sample a second."""
    folder = RunFolder.create(out, run.target.name)
    writer = folder.open_metrics(Clock(0, 0))
    for one, values in (samples or {FPS: [10.0, 12.0, 14.0], CPU: [50.0, 60.0], CORE: [1.0]}).items():
        for second, value in enumerate(values):
            writer.emit(one, value, run.started_ns + second * SECOND_NS)
    writer.close()
    if tables:
        write_functions(folder.path, [FunctionRow("tau", "detect", 0.5, 0.9, "app.py", 7, "user", 3, None, 1.5, 2.0)])
        write_kernels(folder.path, [KernelRow("kernel", "gemm<float>", 4, 2.0, 0.5, 0.1, 1.0, 0.75)])
    folder.write_run(run)
    return folder.path
