"""The screen at every size, from snapshots: its content, and that it fits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from profileapp.live.screen_lines import screen_lines
from profileapp.live.screen_state import ScreenState
from profileapp.live.snapshot import Snapshot, TargetRow

GIB = 1024.0**3


def row(number: int, title: str = "", **values: float) -> TargetRow:
    found = {"container.cpu.util": float(number), "container.memory.used": GIB, "container.io.read": 0.0, **values}
    history = tuple(float(each % 7) for each in range(120))
    return TargetRow(
        f"app-{number}", title or f"app-{number}", "running", pid=7, values=found, starts=1, cpu_history=history
    )


def shown(*rows: TargetRow, **device: float) -> Snapshot:
    return Snapshot(at_ns=1_700_000_000_000_000_000, interval_s=1.0, device=device, targets=rows)


def text(snapshot: Snapshot, width: int = 80, height: int = 24, state: ScreenState | None = None) -> list[str]:
    return [line.plain.rstrip() for line in screen_lines(snapshot, state or ScreenState(), ("a note",), width, height)]


def test_the_screen_at_80x24() -> None:
    stopped = TargetRow("gone", "gone", "ended", message="exited with code 3")
    lines = text(shown(row(5), row(90), stopped, **{"system.cpu.util": 12.0}))
    assert len(lines) == 24
    assert lines[0] == "profileapp live  22:13:20 UTC  2 of 3 running  every 1 s  by CPU"
    assert lines[1].startswith("device  CPU 12 %")
    # The costliest target is first, and those that do not run are last.
    assert lines[3].startswith("> app-90") and "90 %" in lines[3] and "1 GiB" in lines[3] and "█" in lines[3]
    assert lines[4].startswith("  app-5")
    assert lines[5].startswith("  gone") and lines[5].endswith("ended: exited with code 3")
    assert lines[-2] == "a note"
    assert lines[-1].startswith("q quit")


def test_a_wide_screen_shows_more_columns_and_a_longer_graph() -> None:
    snapshot = shown(row(1, **{"container.network.received": 1.0, "container.network.sent": 1.0}))
    narrow, wide = text(snapshot, 60)[2:4], text(snapshot, 300)[2:4]
    assert "sent" not in narrow[0] and "sent" in wide[0]
    assert sum(letter in "▁▂▃▄▅▆▇█" for letter in wide[1]) == 60


def test_throttling_is_marked_without_colour() -> None:
    throttled = TargetRow("app", "app", "running", values={"container.cpu.util": 1.0}, throttled=True)
    lines = text(shown(throttled, **{"system.throttled[heat]": 1.0}))
    assert "THROTTLED" in lines[1]
    assert lines[3].startswith(">!app")


def test_the_detail_of_a_target() -> None:
    state = ScreenState(detail=True, selected="app-2")
    target = TargetRow(
        "app-2", "app-2", "running", values={"container.memory.used": GIB}, units={"container.memory.used": "bytes"},
        missing={"gpu-memory": "no NVML"}, image="counter:1",
    )  # fmt: skip
    lines = text(shown(row(1), target), state=state)
    assert any(line.split() == ["image", "counter:1"] for line in lines)
    assert any(line.split() == ["container.memory.used", "1", "GiB"] for line in lines)
    assert "no gpu-memory: no NVML" in lines


def test_the_selected_target_stays_on_the_screen() -> None:
    snapshot = shown(*(row(number) for number in range(200)))
    for selected in ("app-199", "app-100", "app-0"):
        assert any(line.startswith(f"> {selected} ") for line in text(snapshot, state=ScreenState(selected=selected)))


def test_without_targets_the_screen_shows_what_it_waits_for() -> None:
    assert "waiting for a container that matches" in text(shown())
    assert "no target matches the filter" in text(shown(row(1)), state=ScreenState(filter="x"))


@pytest.mark.parametrize("state", [ScreenState(), ScreenState(detail=True), ScreenState(help=True)])
@given(
    width=st.integers(1, 320),
    height=st.integers(1, 70),
    titles=st.lists(st.text(max_size=100), max_size=5),
)
def test_it_fits_any_terminal_and_escapes_names(state: ScreenState, width: int, height: int, titles: list[str]) -> None:
    snapshot = shown(*(row(number, title) for number, title in enumerate(titles)), **{"system.cpu.util": 1.0})
    lines = screen_lines(snapshot, state, (), width, height)
    assert 1 <= len(lines) <= height
    assert all(cell_len(line.plain) <= width for line in lines)
    assert all(letter.isprintable() for line in lines for letter in line.plain)
