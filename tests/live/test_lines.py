"""What `live` prints without a terminal."""

from __future__ import annotations

import io
import json

from profileapp.live.lines import JsonLines, Once, PlainLines, table
from profileapp.live.snapshot import Snapshot, TargetRow

COUNTER = TargetRow(
    "object-counter",
    "object-counter",
    "running",
    container_id="ab",
    pid=7,
    starts=2,
    values={"container.cpu.util": 93.0, "container.memory.used": 128 * 1024**2, "gpu.memory.allocated[0]": 1024.0**3},
)
ENDED = TargetRow("evil", "\x1b[2Jevil\n", "ended", message="exited with code 3", starts=1)
SHOWN = Snapshot(
    at_ns=1_700_000_000_000_000_000,
    interval_s=1.0,
    device={
        "system.cpu.util": 12.0,
        "system.memory.used": 3 * 1024.0**3,
        "gpu.util[0]": 40.0,
        "system.power[VDD_IN]": 14.2,
        "system.power[VDD_CPU]": 4.0,
        "system.temperature[cpu]": 61.0,
        "system.throttled[heat]": 1.0,
    },
    targets=(COUNTER, ENDED),
)


def test_a_line_for_each_running_target() -> None:
    stream = io.StringIO()
    PlainLines(stream, io.StringIO()).show(SHOWN)
    assert stream.getvalue().splitlines() == [
        "22:13:20 device  CPU 12 %  memory 3 GiB  GPU 40 %  14.2 W  61 °C  throttled",
        "22:13:20 object-counter  CPU 93 %  memory 128 MiB  GPU memory 1 GiB",
    ]


def test_a_line_of_json_has_the_numbers_and_what_is_missing() -> None:
    stream = io.StringIO()
    JsonLines(stream, io.StringIO()).show(SHOWN)
    line = json.loads(stream.getvalue())
    assert line["time"] == "2023-11-14T22:13:20.000000000Z" and line["version"] == 1
    assert line["targets"][0]["values"]["container.cpu.util"] == 93.0
    assert line["targets"][1]["values"] == {}
    assert stream.getvalue().count("\n") == 1


def test_the_table_is_aligned_and_escapes_names() -> None:
    lines = table(SHOWN).splitlines()
    assert lines[1].split() == ["target", "state", "CPU", "memory", "GPU", "memory"]
    assert lines[2].startswith("object-counter  running (2 starts)  93 %")
    assert lines[3].startswith("\\x1b[2Jevil\\n")
    assert lines[3].split()[-3:] == ["–", "–", "–"]


def test_once_shows_the_second_interval_and_then_ends() -> None:
    stream = io.StringIO()
    once = Once(stream, io.StringIO(), as_json=False)
    ends: list[bool] = []
    once.on_end = lambda: ends.append(True)
    once.show(SHOWN)
    assert (stream.getvalue(), ends) == ("", [])
    once.show(SHOWN)
    assert stream.getvalue() == table(SHOWN) and ends == [True]
