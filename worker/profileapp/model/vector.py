"""Long columns of numbers, with NumPy where it is installed: a device that only measures has none."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import TypeVar

Number = TypeVar("Number", int, float)
LONG = 50_000
"""From this many numbers on NumPy saves more time than its import takes."""


def is_ascending(numbers: Sequence[int]) -> bool:
    """Whether none is less than the one before it."""
    if _is_long(numbers):
        import numpy  # noqa: PLC0415  (in an extra, and slow to import)

        view = numpy.asarray(numbers)
        return bool((view[:-1] <= view[1:]).all())
    # Sorting a sorted list takes one pass, and identical objects are not compared.
    every = list(numbers)
    return every == sorted(every)


def ranked(numbers: Sequence[float]) -> Sequence[float]:
    """All of them, ascending."""
    if _is_long(numbers):
        import numpy  # noqa: PLC0415

        return array("d", numpy.sort(numpy.asarray(numbers, dtype="float64")).tobytes())
    return sorted(numbers)


def extremes(numbers: Sequence[Number]) -> tuple[Number, Number]:
    """The least and the greatest of at least one."""
    if _is_long(numbers):
        import numpy  # noqa: PLC0415

        view = numpy.asarray(numbers)
        return view.min().item(), view.max().item()
    return min(numbers), max(numbers)


def _is_long(numbers: Sequence[float]) -> bool:
    return len(numbers) >= LONG and _numpy_is_installed()


@cache
def _numpy_is_installed() -> bool:
    return find_spec("numpy") is not None
