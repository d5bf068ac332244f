"""Places labels in a plot so that they do not overlap lines or each other; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Box = tuple[float, float, float, float]
"""Left, bottom, right and top, as fractions of a plot's width and height."""
Points = npt.NDArray[np.float64]
"""Shape (n, 2): x and y as fractions of a plot's width and height; NaN where a line is interrupted."""


def freest(boxes: Iterable[Box], lines: Sequence[Points], taken: Sequence[Box] = ()) -> Box:
    """The box that overlaps the fewest line segments, the first of equals; overlap with labels counts most.

    Raises ValueError if there are no boxes.
    """
    return min(
        boxes,
        key=lambda box: (
            sum(overlap(box, other) for other in taken),
            sum(crossings(box, line) for line in lines),
        ),
    )


def crossings(box: Box, line: Points) -> int:
    """How many segments of a line are in a box or cross it."""
    left, bottom, right, top = box
    if len(line) < 2:
        inside = (line >= (left, bottom)) & (line <= (right, top))
        return int(inside.all(axis=1).sum())
    (x0, y0), (x1, y1) = line[:-1].T, line[1:].T
    flat = np.where(x1 == x0, 1.0, x1 - x0)
    # The part of each segment between the box's left and right, from 0 at its beginning to 1 at its end.
    a, b = (left - x0) / flat, (right - x0) / flat
    upright = x1 == x0
    within = (x0 >= left) & (x0 <= right)
    first = np.where(upright, np.where(within, 0.0, 2.0), np.maximum(np.minimum(a, b), 0.0))
    last = np.where(upright, np.where(within, 1.0, -1.0), np.minimum(np.maximum(a, b), 1.0))
    ya, yb = y0 + first * (y1 - y0), y0 + last * (y1 - y0)
    with np.errstate(invalid="ignore"):
        hit = (first <= last) & (np.maximum(ya, yb) >= bottom) & (np.minimum(ya, yb) <= top)
    return int(hit.sum())


def overlap(box: Box, other: Box) -> float:
    """The area that two boxes share."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0
