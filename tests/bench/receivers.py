"""Receivers of app-reported metrics: ours, and a plain receiver of JSON lines in Python.

`python -m tests.bench.receivers ours|plain FOLDER` prints the paths of its sockets; at the end of its input it closes
them and prints the number of received values, and their results, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections import defaultdict
from pathlib import Path

from profileapp.collect.api import RunContext
from profileapp.collect.custom.source import Custom
from profileapp.model.clock import Clock
from profileapp.model.target import Target
from profileapp.record.folder import RunFolder
from profileapp.run.freeze_gc import freeze_gc
from profileapp.run.sources import Warnings


def ours(folder: Path) -> None:
    """The metric `custom` and the writer of metrics.ndjson, as in a run."""
    clock, warnings = Clock.now(), Warnings()
    writer = RunFolder.create(folder / "profile", "bench").open_metrics(clock)
    collector = Custom()
    collector.open(RunContext("bench", Target("bench"), clock, folder, folder, False, warnings.add), writer.emit)
    freeze_gc()
    # Aggregated values are emitted once a second, as by the schedule of a run.
    ended = threading.Event()
    ticker = threading.Thread(target=lambda: [collector.sample(clock.now().anchor_monotonic_ns) for _ in _ticks(ended)])
    ticker.start()
    print(folder / "app/metrics.sock", folder / "app/statsd.sock", flush=True)
    sys.stdin.read()
    ended.set()
    ticker.join()
    collector.close()
    writer.close()
    ingestor = collector._ingestor
    counts = {"kept": ingestor.kept, "aggregated": ingestor.aggregated, "refused": ingestor.refused}
    print(json.dumps(counts | {"dropped": writer.dropped, "written": writer.samples_of("custom")}))


def _ticks(ended: threading.Event) -> object:
    while not ended.wait(1):
        yield None


def plain(folder: Path) -> None:
    """Parses each line, and keeps its value in memory under its name."""
    values: dict[str, list[tuple[int, float]]] = defaultdict(list)

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            printed = json.loads(line)
            values[printed["name"]].append((printed.get("timestamp", 0), printed["value"]))
        writer.close()

    async def serve() -> None:
        path = folder / "plain.sock"
        async with await asyncio.start_unix_server(take, path):
            print(path, "-", flush=True)
            await asyncio.to_thread(sys.stdin.read)

    asyncio.run(serve())
    print(json.dumps({"kept": sum(map(len, values.values()))}))


if __name__ == "__main__":
    {"ours": ours, "plain": plain}[sys.argv[1]](Path(sys.argv[2]))
