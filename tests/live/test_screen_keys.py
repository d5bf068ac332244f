"""Keys: from a terminal's bytes to the state of the screen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.live.keys import parse_keys
from profileapp.live.screen_state import ScreenState, after_key
from profileapp.live.snapshot import Snapshot, TargetRow


def target(name: str, cpu: float, memory: float) -> TargetRow:
    values = {"container.cpu.util": cpu, "container.memory.used": memory}
    return TargetRow(name, name, "running", values=values)


SNAPSHOT = Snapshot(0, 1.0, targets=(target("b", 1, 30), target("a", 2, 20), target("c", 3, 10)))


def after(*keys: str, state: ScreenState | None = None) -> ScreenState:
    state = state or ScreenState()
    for key in keys:
        state = after_key(state, key, SNAPSHOT)
    return state


def order(state: ScreenState) -> str:
    return "".join(row.name for row in state.rows(SNAPSHOT))


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        (b"q", ["q"]),
        (b"\x1b[A\x1b[B\x1bOA", ["up", "down", "up"]),
        (b"\x1b", ["escape"]),
        (b"\r\x7f", ["enter", "backspace"]),
        (b"\x1b[6~\x1b[5~", ["page-down", "page-up"]),
        ("ä€😀".encode(), ["ä", "€", "😀"]),
        (b"\x1b[1;5Cq", ["q"]),
        (b"\x1bq", ["escape", "q"]),
        (b"\x00\x01q", ["q"]),
    ],
)
def test_keys_of_a_terminal(content: bytes, keys: list[str]) -> None:
    assert list(parse_keys(content)) == keys


@given(st.binary(max_size=200))
def test_no_bytes_fail(content: bytes) -> None:
    for key in parse_keys(content):
        after_key(ScreenState(typing=True), key, SNAPSHOT)
        after_key(ScreenState(), key, SNAPSHOT)


def test_sorting() -> None:
    assert order(after()) == "cab"
    assert order(after("M")) == "bac"
    assert order(after("N")) == "abc"
    assert [after(*"s" * times).order for times in range(4)] == ["CPU", "memory", "name", "CPU"]


def test_selecting_follows_the_target_not_the_line() -> None:
    state = after("down")
    assert state.selected == "a"
    assert after("N", state=state).index(after("N", state=state).rows(SNAPSHOT)) == 0
    assert after("up", "up", "up").selected == "c" and after("page-down").selected == "b"


def test_filtering() -> None:
    assert order(after("/", "B")) == "b"
    assert order(after("/", "b", "enter")) == "b" and not after("/", "b", "enter").typing
    assert order(after("/", "b", "backspace")) == "cab"
    assert order(after("/", "b", "escape")) == "cab"
    # While the filter is typed, letters are no commands.
    assert after("/", "q").filter == "q" and not after("/", "q").is_over


def test_the_detail_and_back() -> None:
    assert after("down", "enter").detail and after("down", "enter").selected == "a"
    assert after("enter", "down", "down").first == 2
    assert not after("enter", "enter").detail and not after("enter", "escape").detail


def test_help_and_quitting() -> None:
    assert after("h").help and not after("h", "x").help
    assert after("q").is_over


def test_nothing_to_select() -> None:
    assert after_key(ScreenState(), "down", Snapshot(0, 1.0)).selected == ""
