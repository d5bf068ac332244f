"""The screen's state, changed by keys as in htop: order, filter, selection, detail."""

from __future__ import annotations

from typing import Literal

import msgspec

from profileapp.live.snapshot import Snapshot, TargetRow
from profileapp.live.values import CPU, MEMORY

Order = Literal["CPU", "memory", "name"]
ORDERS: tuple[Order, ...] = ("CPU", "memory", "name")
FILTER_LIMIT = 40
_ORDER_KEYS: dict[str, Order] = {"P": "CPU", "M": "memory", "N": "name"}


class ScreenState(msgspec.Struct, frozen=True):
    """`selected` is the name of the selected target, "" for the first. `typing`: keys go to the filter.

    `first`: how many lines the detail is scrolled down.
    """

    order: Order = "CPU"
    filter: str = ""
    typing: bool = False
    selected: str = ""
    detail: bool = False
    help: bool = False
    first: int = 0
    is_over: bool = False

    def rows(self, snapshot: Snapshot) -> list[TargetRow]:
        """The targets that match the filter, in order: running ones first."""
        matching = [row for row in snapshot.targets if self.filter.lower() in row.title.lower()]
        series = {"CPU": CPU, "memory": MEMORY}.get(self.order, "")

        def key(row: TargetRow) -> tuple[bool, float, str]:
            return row.state != "running", -row.values.get(series, -1.0) if series else 0.0, row.title

        return sorted(matching, key=key)

    def index(self, rows: list[TargetRow]) -> int:
        """The index of the selected target; 0 if it is gone."""
        return next((number for number, row in enumerate(rows) if row.name == self.selected), 0)


def after_key(state: ScreenState, key: str, snapshot: Snapshot) -> ScreenState:
    """The state after a key: a letter, or `up`, `down`, `page-up`, `page-down`, `enter`, `escape`, `backspace`."""
    replace = msgspec.structs.replace
    if state.typing:
        return _typed(state, key)
    if key in ("q", "Q", "f10"):
        return replace(state, is_over=True)
    if state.help:
        return replace(state, help=False)
    if key in ("h", "?", "f1"):
        return replace(state, help=True)
    if key in _ORDER_KEYS:
        return replace(state, order=_ORDER_KEYS[key])
    if key in ("s", ">", "f6"):
        return replace(state, order=ORDERS[(ORDERS.index(state.order) + 1) % len(ORDERS)])
    if key in ("/", "f4"):
        return replace(state, typing=True, detail=False)
    if key == "escape":
        return replace(state, detail=False, first=0) if state.detail else replace(state, filter="")
    if key == "enter":
        return replace(state, detail=not state.detail, first=0, selected=_selected(state, snapshot, 0))
    steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page-up": -10, "page-down": 10}.get(key, 0)
    if not steps:
        return state
    if state.detail:
        return replace(state, first=max(0, state.first + steps))
    return replace(state, selected=_selected(state, snapshot, steps))


def _typed(state: ScreenState, key: str) -> ScreenState:
    replace = msgspec.structs.replace
    if key == "enter":
        return replace(state, typing=False)
    if key == "escape":
        return replace(state, typing=False, filter="")
    if key == "backspace":
        return replace(state, filter=state.filter[:-1])
    if len(key) == 1 and key.isprintable():
        return replace(state, filter=(state.filter + key)[:FILTER_LIMIT])
    return state


def _selected(state: ScreenState, snapshot: Snapshot, steps: int) -> str:
    rows = state.rows(snapshot)
    return rows[max(0, min(len(rows) - 1, state.index(rows) + steps))].name if rows else ""
