"""The same targets on several devices, side by side; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from profileapp.judge.device import device_of
from profileapp.judge.headline import Headline
from profileapp.judge.verdict import JudgedRun
from profileapp.model.run import Run
from profileapp.report.format import number, quantity


class Placed(msgspec.Struct, frozen=True):
    """A judged run, the name of its target on every device, and of the device; "" if all ran on one."""

    judged: JudgedRun
    target: str
    device: str

    @property
    def title(self) -> str:
        """`night on orin-3`; only the target's name if there is one device."""
        return f"{self.target} on {self.device}" if self.device else self.target


class Cell(msgspec.Struct, frozen=True):
    """A headline number on one device; `ratio` is relative to the first device, "" if undefined."""

    device: str
    text: str
    ratio: str


class DeviceRow(msgspec.Struct, frozen=True):
    """One headline number of a target, a cell per device; None where it was not measured."""

    target: str
    label: str
    cells: tuple[Cell | None, ...]


def placed(judged: Sequence[JudgedRun]) -> tuple[Placed, ...]:
    """Groups runs by target, then by device, each in the order of first appearance."""
    devices = _device_names([each.run for each in judged])
    several = len(set(devices)) > 1
    every = [
        # A target that ran on only one device keeps its own name.
        Placed(each, each.run.target.shared_name or each.run.target.name, device if several else "")
        for each, device in zip(judged, devices, strict=True)
    ]
    taken = Counter((each.target, each.device) for each in every)
    every = [
        each if taken[each.target, each.device] == 1 else msgspec.structs.replace(each, target=_own_name(each))
        for each in every
    ]
    targets = list(dict.fromkeys(each.target for each in every))
    order = list(dict.fromkeys(each.device for each in every))
    return tuple(sorted(every, key=lambda each: (targets.index(each.target), order.index(each.device))))


def device_names(runs: Sequence[Placed]) -> tuple[str, ...]:
    """The devices, each once; empty if all ran on one."""
    return tuple(dict.fromkeys(each.device for each in runs if each.device))


def device_boards(runs: Sequence[Placed]) -> dict[str, str]:
    """The board and power mode of each device."""
    return {each.device: device_of(each.judged.run) for each in runs if each.device}


def device_rows(runs: Sequence[Placed]) -> tuple[DeviceRow, ...]:
    """One row per headline number of each target that ran on two or more devices."""
    devices = device_names(runs)
    rows = []
    for target in dict.fromkeys(each.target for each in runs):
        found = {each.device: each.judged.headline for each in runs if each.target == target}
        if len(found) < 2:
            continue
        for label in dict.fromkeys(one.label for headline in found.values() for one in headline):
            numbers = [next((one for one in found.get(name, ()) if one.label == label), None) for name in devices]
            first = next(one for one in numbers if one)
            cells = (_cell(name, one, first) for name, one in zip(devices, numbers, strict=True))
            rows.append(DeviceRow(target, label, tuple(cells)))
    return tuple(rows)


def _cell(device: str, one: Headline | None, first: Headline) -> Cell | None:
    if one is None:
        return None
    comparable = one is not first and first.value > 0 and one.value >= 0 and one.unit == first.unit
    return Cell(device, quantity(one.value, one.unit), f"× {number(one.value / first.value)}" if comparable else "")


def _own_name(each: Placed) -> str:
    return each.judged.run.target.name


def _device_names(runs: Sequence[Run]) -> list[str]:
    """The host of each run; with board and power mode if a host is several devices, or has no name."""
    kinds: dict[str, set[str]] = {}
    for run in runs:
        kinds.setdefault(run.agent.hostname, set()).add(device_of(run))
    return [
        host if host and len(kinds[host]) == 1 else f"{host} {device_of(run)}".strip()
        for run in runs
        for host in [run.agent.hostname]
    ]
