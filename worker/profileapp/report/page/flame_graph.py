"""A flame graph as an SVG that needs no script and no style, so that it works under Jenkins' artifact policy.

Width is the share of samples; callees are below their caller (Brendan Gregg, "The Flame Graph", ACM Queue 14/2, 2016,
there upside down). All text is in boxes of light colours, so one file suits light and dark pages.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Sequence
from itertools import groupby
from xml.sax.saxutils import escape

import msgspec

from profileapp.model.stacks import FoldedStacks
from profileapp.report.clean import one_line

WIDTH = 1200
ROW_HEIGHT = 18
DEPTH_LIMIT = 100
BOX_LIMIT = 3000
NARROWEST = 0.6
"""Narrower boxes are merged into one next to the others."""

_FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
_FONT_SIZE = 11
# The widest advance of a letter in these fonts is 0.61 of the size.
_LETTER_WIDTH = 0.62 * _FONT_SIZE
_PADDING = 3
_INK = "#1b1f24"
_EDGE = "#5f6670"
_MERGED = "#c4c9d0"
_ROOT = "#dfe3e8"
# Light enough for dark ink (a contrast of 8 and more), and dark enough for a white page.
_COLOURS = (
    "#f6b26b", "#f9cb6b", "#e8d36a", "#c3d977", "#93d39a", "#86d3c4",
    "#8ccbe8", "#9dbdf2", "#b9b3f2", "#d6aeea", "#efa8cd", "#f5a39a",
)  # fmt: skip

# Indices of functions, the outermost first, and samples.
_Stack = tuple[tuple[int, ...], int]


class _Box(msgspec.Struct, frozen=True):
    """`x` and `width` in samples. `function` indexes the functions; None: several that are too narrow to draw."""

    depth: int
    x: int
    width: int
    own: int
    function: int | None
    merged: int = 0


class _Function(msgspec.Struct, frozen=True):
    name: str
    file: str
    is_root: bool


def flame_graph_svg(stacks: FoldedStacks, title: str) -> str:
    """The SVG. A function is one box whatever the line; each has a `<title>`, which browsers show as a tooltip.

    The same stacks give the same SVG, byte by byte.
    """
    functions, sorted_stacks = _by_function(stacks)
    boxes, hidden_depth = _boxes(sorted_stacks, stacks.samples)
    scale = WIDTH / max(1, stacks.samples)
    rows = 2 + max((box.depth for box in boxes), default=-1) + (1 if hidden_depth else 0)
    height = rows * ROW_HEIGHT
    drawn = [_root(stacks.samples, title)]
    drawn += [_drawn(box, functions, scale, stacks.samples) for box in boxes]
    if hidden_depth:
        text = f"stacks go {hidden_depth} deeper than is drawn"
        drawn.append(_rectangle(0, (rows - 1) * ROW_HEIGHT, WIDTH, _MERGED, text, text))
    description = f"{one_line(title, 120)}: {stacks.samples} samples"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' font-family="{_FONT}" font-size="{_FONT_SIZE}" fill="{_INK}">\n'
        f"<title>{escape(one_line(title, 120))}</title>\n<desc>{escape(description)}</desc>\n"
        + "".join(drawn)
        + "</svg>\n"
    )


def _by_function(stacks: FoldedStacks) -> tuple[list[_Function], list[_Stack]]:
    """Functions sorted by name, and stacks sorted in that order, so that each box spans one range."""
    of_frame = [_Function(frame.name, frame.file, frame.is_root) for frame in stacks.frames]
    functions = sorted(set(of_frame), key=lambda each: (each.name, each.file, each.is_root))
    index_of = {function: index for index, function in enumerate(functions)}
    indices = [index_of[function] for function in of_frame]
    merged: dict[tuple[int, ...], int] = {}
    for frames, count in stacks.stacks:
        stack = tuple(indices[frame] for frame in frames)
        merged[stack] = merged.get(stack, 0) + count
    return functions, sorted(merged.items())


def _boxes(stacks: Sequence[_Stack], samples: int) -> tuple[list[_Box], int]:
    """At most BOX_LIMIT boxes, the widest ones; and by how much the deepest stack exceeds DEPTH_LIMIT."""
    boxes, hidden_depth = _boxes_from(stacks, NARROWEST * samples / WIDTH)
    if len(boxes) > BOX_LIMIT:
        # Each remaining box may get one more next to its callees, for those that are now too narrow.
        widths = sorted((box.width for box in boxes), reverse=True)
        boxes, hidden_depth = _boxes_from(stacks, widths[BOX_LIMIT // 2 - 1] + 1)
    return boxes, hidden_depth


def _boxes_from(stacks: Sequence[_Stack], narrowest: float) -> tuple[list[_Box], int]:
    """Boxes at least `narrowest` samples wide."""
    boxes: list[_Box] = []
    hidden_depth = 0
    # Ranges of stacks that share their first `depth` functions, with their offsets.
    ranges = [(0, len(stacks), 0, 0)]
    while ranges:
        first, end, depth, x = ranges.pop()
        # Stacks that end here sort first: their samples have no box below this one.
        while first < end and len(stacks[first][0]) == depth:
            x += stacks[first][1]
            first += 1
        if first < end and depth >= DEPTH_LIMIT:
            hidden_depth = max(hidden_depth, *(len(stack) - depth for stack, _ in stacks[first:end]))
            continue
        merged, merged_samples = 0, 0
        for function, group in groupby(range(first, end), key=lambda index: stacks[index][0][depth]):
            inside = list(group)
            width = sum(stacks[index][1] for index in inside)
            if width < narrowest:
                merged, merged_samples = merged + 1, merged_samples + width
                continue
            own = sum(stacks[index][1] for index in inside if len(stacks[index][0]) == depth + 1)
            boxes.append(_Box(depth, x, width, own, function))
            ranges.append((inside[0], inside[-1] + 1, depth + 1, x))
            x += width
        if merged and merged_samples >= narrowest:
            boxes.append(_Box(depth, x, merged_samples, 0, None, merged))
    return boxes, hidden_depth


def _root(samples: int, title: str) -> str:
    text = f"{one_line(title, 120)} · {samples} samples"
    return _rectangle(0, 0, WIDTH, _ROOT, text, text)


def _drawn(box: _Box, functions: Sequence[_Function], scale: float, samples: int) -> str:
    share = f"{100 * box.width / samples:.1f} % ({box.width} samples)"
    y = (box.depth + 1) * ROW_HEIGHT
    if box.function is None:
        return _rectangle(box.x * scale, y, box.width * scale, _MERGED, "", f"{box.merged} narrower ones: {share}")
    function = functions[box.function]
    label = one_line(function.name, 200)
    place = f"\n{one_line(function.file, 300)}" if function.file else ""
    own = "" if function.is_root else f", itself {100 * box.own / samples:.1f} %"
    colour = _ROOT if function.is_root else _colour(function.file or function.name)
    return _rectangle(box.x * scale, y, box.width * scale, colour, label, f"{label}{place}\n{share}{own}")


def _rectangle(x: float, y: float, width: float, colour: str, label: str, tooltip: str) -> str:
    text = _cut(label, width - 2 * _PADDING)
    written = f'<text x="{_number(x + _PADDING)}" y="{y + 13}">{escape(text)}</text>' if text else ""
    return (
        f"<g><title>{escape(tooltip)}</title>"
        f'<rect x="{_number(x)}" y="{y}" width="{_number(width)}" height="{ROW_HEIGHT - 1}" rx="2" fill="{colour}"'
        f' stroke="{_EDGE}" stroke-width="0.4"/>{written}</g>\n'
    )


def _cut(text: str, room: float) -> str:
    """As much of `text` as fits; "" if hardly anything does."""
    columns = int(room / _LETTER_WIDTH)
    if columns < 3:
        return ""
    used = 0
    for place, letter in enumerate(text):
        used += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if used > columns:
            # The dots take the space of one letter, or of two narrow ones instead of a wide one.
            return f"{text[: max(1, place - 1 - (used - columns > 1))]}…"
    return text


def _colour(key: str) -> str:
    """A colour that depends only on the file, in every run."""
    return _COLOURS[zlib.crc32(key.encode("utf-8", errors="replace")) % len(_COLOURS)]


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
