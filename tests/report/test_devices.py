"""The same targets side by side on several devices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from profileapp.judge.verdict import JudgedRun
from profileapp.model.run import Jetson
from profileapp.report.devices import device_boards, device_names, device_rows, placed
from tests.report.sample_runs import DEVICES
from tests.report.test_pages import HOSTILE, pages_of, report

DEVICE_NAMES = ["xavier-nx-07", "orin-nano-2", "agx-orin-1"]


def moved(one: JudgedRun, target: str, shared: str, **agent: Any) -> JudgedRun:
    """The run with another target, measured on another agent."""
    named = msgspec.structs.replace(one.run.target, name=target, shared_name=shared)
    run = msgspec.structs.replace(one.run, target=named, agent=msgspec.structs.replace(one.run.agent, **agent))
    return msgspec.structs.replace(one, run=run)


def test_the_runs_of_a_target_are_consecutive(on_devices: list[JudgedRun]) -> None:
    runs = placed(on_devices)
    assert [(each.target, each.device) for each in runs] == [
        (name, of) for name in ("day", "night") for of in DEVICE_NAMES
    ]
    assert list(device_names(runs)) == DEVICE_NAMES
    assert device_boards(runs)["agx-orin-1"] == DEVICES[2].board
    assert runs[0].title == "day on xavier-nx-07"


def test_a_single_device_has_no_name(samples: list[JudgedRun]) -> None:
    runs = placed(samples)
    assert [each.judged for each in runs] == samples
    assert device_names(runs) == () == device_rows(runs)
    assert runs[0].title == "interval-1-use-gpu"


def test_one_row_for_each_value_with_the_ratio_to_the_first_device(on_devices: list[JudgedRun]) -> None:
    rows = {(row.target, row.label): row.cells for row in device_rows(placed(on_devices))}
    assert [name for name, label in rows if label == "fps"] == ["day", "night"]
    cells = rows["day", "fps"]
    assert [cell and cell.device for cell in cells] == DEVICE_NAMES
    assert [cell and cell.ratio for cell in cells] == ["", "× 1.7", "× 3.4"]


def test_a_missing_value_is_a_dash_without_a_ratio(on_devices: list[JudgedRun]) -> None:
    bare = msgspec.structs.replace(on_devices[0], headline=())
    zero = msgspec.structs.replace(
        on_devices[2], headline=tuple(msgspec.structs.replace(one, value=0.0) for one in on_devices[2].headline)
    )
    rows = device_rows(placed([bare, zero, on_devices[4]]))
    assert {row.cells[0] for row in rows} == {None}
    assert {cell.ratio for row in rows for cell in row.cells if cell} == {""}
    assert device_rows(placed([on_devices[0], on_devices[3]])) == ()


@pytest.mark.parametrize(
    ("agents", "names"),
    [
        (({"hostname": "a"}, {"hostname": "b"}), ["a", "b"]),
        (({"hostname": "", "board": "Nano"}, {"hostname": "", "board": "Orin"}), ["Nano", "Orin"]),
        (
            ({"jetson": Jetson(power_mode="15W")}, {"jetson": Jetson(power_mode="30W")}),
            [f"xavier-nx-07 {DEVICES[0].board} {mode}" for mode in ("15W", "30W")],
        ),
        (({}, {}), ["", ""]),
    ],
)
def test_a_device_is_named_by_its_host_or_another_difference(
    on_devices: list[JudgedRun], agents: tuple[dict[str, Any], ...], names: list[str]
) -> None:
    runs = [moved(on_devices[0], f"day-{number}", "day", **agent) for number, agent in enumerate(agents)]
    assert [each.device for each in placed(runs)] == names


def test_two_targets_on_one_device_keep_separate_names(on_devices: list[JudgedRun]) -> None:
    runs = placed([moved(on_devices[0], "day-a", "day"), moved(on_devices[0], "day-b", "day"), on_devices[2]])
    assert sorted(each.title for each in runs) == [
        "day on orin-nano-2",
        "day-a on xavier-nx-07",
        "day-b on xavier-nx-07",
    ]


def test_hostile_names_of_devices_are_escaped(on_devices: list[JudgedRun], tmp_path: Path) -> None:
    hosts = (HOSTILE, "B" * 10_000, "\u202edcba")
    judged = []
    for number, host in enumerate(hosts):
        each = moved(on_devices[number], f"day-{number}", "day", hostname=host, board=HOSTILE)
        folder = tmp_path / f"day-{number}"
        folder.mkdir()
        judged.append(msgspec.structs.replace(each, folder=folder))
    pages = pages_of(report(tmp_path, judged))
    assert pages and not any("\u202e" in page for page in map(str, pages))
