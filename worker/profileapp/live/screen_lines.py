"""Renders a snapshot as lines of text for a terminal of any size. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from profileapp.live.columns import Column, cells_of, columns_of, device_text, is_throttled
from profileapp.live.screen_state import ScreenState
from profileapp.live.snapshot import Snapshot, TargetRow
from profileapp.model.clock import format_utc
from profileapp.model.text import printable
from profileapp.report.format import quantity
from profileapp.report.sparkline import sparkline

NAME_WIDTHS = (8, 28)
SPARK_WIDTHS = (8, 60)
_CELL_WIDTH = 10
_GAP = "  "
_HELP = (
    "↑ ↓ j k PgUp PgDn   select a target, scroll its detail",
    "Enter               its detail, and back",
    "P M N               sort by CPU, memory, name; s: the next of them",
    "/                   show only targets with this text in their name; Esc: all",
    "q                   quit",
    "",
    "!  kept from the CPU by its quota",
    "The small graph is the CPU of the last samples, from 0 to their maximum.",
)
_SHORT_HELP = "q quit  ↑↓ select  ↵ detail  s sort  / filter  h help"


def screen_lines(snapshot: Snapshot, state: ScreenState, notes: Sequence[str], width: int, height: int) -> list[Text]:
    """At most `height` lines, each of at most `width` cells."""
    head = [_title(snapshot, state), _device(snapshot)]
    foot = [Text(state_line, style="dim") for state_line in notes[-2:]] if height >= 12 else []
    foot.append(_foot(state))
    room = max(0, height - len(head) - len(foot))
    body = _body(snapshot, state, width, room)[:room]
    body += [Text("")] * (room - len(body))
    # A very small terminal shows only the targets.
    lines = [*head, *body, *foot] if height > len(head) + len(foot) else [*_body(snapshot, state, width, height)]
    return [_cut(line, width) for line in lines[:height]]


def _body(snapshot: Snapshot, state: ScreenState, width: int, room: int) -> list[Text]:
    rows = state.rows(snapshot)
    if state.help:
        return [Text(line) for line in _HELP]
    if state.detail and rows:
        return _detail(rows[state.index(rows)], width)[state.first :]
    if not rows:
        why = "no target matches the filter" if snapshot.targets else "waiting for a container that matches"
        return [Text(why, style="dim")]
    columns, name_width, spark_width = _layout(rows, columns_of(snapshot), width)
    lines = [_header(columns, name_width, spark_width)] if room > 1 else []
    selected = state.index(rows)
    visible = max(1, room - len(lines))
    first = max(0, min(selected - visible // 2, len(rows) - visible))
    for index, row in enumerate(rows[first : first + visible], start=first):
        line = _row(row, columns, name_width, spark_width, mark=">" if index == selected else " ")
        if index == selected:
            line.stylize("reverse")
        lines.append(line)
    return lines


def _layout(rows: list[TargetRow], columns: Sequence[Column], width: int) -> tuple[tuple[Column, ...], int, int]:
    """The columns that fit, and the widths of name and graph."""
    longest = max(cell_len(printable(row.title, NAME_WIDTHS[1])) for row in rows)
    name_width = max(NAME_WIDTHS[0], longest)
    left = width - 2 - name_width
    shown = tuple(columns[: max(0, left // (_CELL_WIDTH + len(_GAP)))])
    left -= len(shown) * (_CELL_WIDTH + len(_GAP))
    spark = min(SPARK_WIDTHS[1], left - len(_GAP))
    if spark >= SPARK_WIDTHS[0] or len(shown) <= 2:
        return shown, name_width, spark if spark >= SPARK_WIDTHS[0] else 0
    # The graph is worth more than the last column.
    return shown[:-1], name_width, min(SPARK_WIDTHS[1], spark + _CELL_WIDTH + len(_GAP))


def _header(columns: Sequence[Column], name_width: int, spark_width: int) -> Text:
    cells = [f"  {'target':<{name_width}}", *(f"{column.title:>{_CELL_WIDTH}}" for column in columns)]
    if spark_width:
        cells.insert(2, f"{'CPU':<{spark_width}}")
    return Text(_GAP.join(cells), style="bold underline")


def _row(row: TargetRow, columns: Sequence[Column], name_width: int, spark_width: int, mark: str) -> Text:
    name = set_cell_size(printable(row.title, NAME_WIDTHS[1]), name_width)
    if row.state != "running":
        return Text(f"{mark} {name}{_GAP}{row.state}: {printable(row.message, 60)}", style="dim")
    cells = [f"{mark}{'!' if row.throttled else ' '}{name}"]
    cells += [f"{cell:>{_CELL_WIDTH}}" for cell in cells_of(row, columns)]
    if spark_width:
        cells.insert(2, sparkline(row.cpu_history[-spark_width:], spark_width, low=0.0).ljust(spark_width))
    return Text(_GAP.join(cells), style="red" if row.throttled else "")


def _detail(row: TargetRow, width: int) -> list[Text]:
    label = 18
    graph = max(8, min(SPARK_WIDTHS[1] * 2, width - label))
    facts = [
        ("target", printable(row.title, 200)),
        ("state", f"{row.state} {row.message}".strip()),
        ("container", row.container_id[:12]),
        ("image", printable(row.image, 200)),
        ("process", str(row.pid) if row.pid else ""),
        ("starts", str(row.starts)),
        ("CPU", sparkline(row.cpu_history[-graph:], graph, low=0.0)),
        ("memory", sparkline(row.memory_history[-graph:], graph, low=0.0)),
    ]
    lines = [Text(f"{name:<{label}}{value}") for name, value in facts if value]
    lines += [
        Text(f"{printable(title, 60):<40}{quantity(value, row.units.get(title, ''))}")
        for title, value in sorted(row.values.items())
    ]
    lines += [Text(f"no {metric}: {printable(why, 200)}", style="dim") for metric, why in row.missing.items()]
    return lines


def _title(snapshot: Snapshot, state: ScreenState) -> Text:
    running = sum(row.state == "running" for row in snapshot.targets)
    parts = [
        "profileapp live",
        format_utc(snapshot.at_ns)[11:19] + " UTC",
        f"{running} of {len(snapshot.targets)} running",
        f"every {quantity(snapshot.interval_s, 's')}",
        f"by {state.order}",
    ]
    parts += [f"filter: {printable(state.filter)}"] if state.filter and not state.typing else []
    parts += ["BESIDE A RUN"] if snapshot.beside_run else []
    return Text(_GAP.join(parts), style="bold")


def _device(snapshot: Snapshot) -> Text:
    text = device_text(snapshot) if snapshot.device else "not measured"
    style = "red" if is_throttled(snapshot.device) else ""
    return Text(f"device  {text.replace('throttled', 'THROTTLED')}", style=style)


def _foot(state: ScreenState) -> Text:
    if state.typing:
        return Text(f"filter: {printable(state.filter)}_  (Enter keeps it, Esc clears it)", style="bold")
    return Text(_SHORT_HELP, style="dim")


def _cut(line: Text, width: int) -> Text:
    line = line.copy()
    line.truncate(max(0, width), overflow="crop")
    return line
