"""Operations on long columns of numbers, with NumPy if it is installed: a device that only measures lacks it."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from itertools import accumulate, pairwise
from typing import TypeVar

Number = TypeVar("Number", int, float)
LONG = 50_000
"""The length from which NumPy saves more time than its import takes."""


def is_ascending(numbers: Sequence[int]) -> bool:
    """Whether no number is less than its predecessor."""
    if _is_long(numbers):
        import numpy  # noqa: PLC0415  (in an extra, and slow to import)

        view = numpy.asarray(numbers)
        return bool((view[:-1] <= view[1:]).all())
    # Sorting a sorted list takes one pass, and identical objects are not compared.
    every = list(numbers)
    return every == sorted(every)


def ranked(numbers: Sequence[float]) -> Sequence[float]:
    """The numbers in ascending order."""
    if _is_long(numbers):
        import numpy  # noqa: PLC0415

        return array("d", numpy.sort(numpy.asarray(numbers, dtype="float64")).tobytes())
    return sorted(numbers)


def extremes(numbers: Sequence[Number]) -> tuple[Number, Number]:
    """The minimum and maximum of at least one number."""
    if _is_long(numbers):
        import numpy  # noqa: PLC0415

        view = numpy.asarray(numbers)
        return view.min().item(), view.max().item()
    return min(numbers), max(numbers)


def differences(numbers: array[int]) -> array[int]:
    """The differences of consecutive numbers."""
    if _is_long(numbers):
        import numpy  # noqa: PLC0415

        return array("q", numpy.diff(numpy.asarray(numbers)).tobytes())
    return array("q", (after - before for before, after in pairwise(numbers)))


def limited(numbers: array[int], most: int) -> array[int]:
    """The numbers, limited to at most `most`."""
    if _is_long(numbers):
        import numpy  # noqa: PLC0415

        return array("q", numpy.minimum(numpy.asarray(numbers), most).tobytes())
    return array("q", (min(each, most) for each in numbers))


def median(numbers: array[int]) -> int:
    """The middle one of at least one number; the lower one of two in the middle."""
    in_order = ranked(numbers)
    return int(in_order[(len(in_order) - 1) // 2])


def ranked_with(numbers: array[float], weights: array[int]) -> tuple[Sequence[float], Sequence[int]]:
    """The numbers in ascending order, and the cumulative sums of their weights."""
    if _is_long(numbers):
        import numpy  # noqa: PLC0415

        values, counts = numpy.asarray(numbers), numpy.asarray(weights)
        order = numpy.argsort(values, kind="stable")
        return array("d", values[order].tobytes()), array("q", numpy.cumsum(counts[order]).tobytes())
    places = sorted(range(len(numbers)), key=numbers.__getitem__)
    return [numbers[place] for place in places], list(accumulate(weights[place] for place in places))


def _is_long(numbers: Sequence[float]) -> bool:
    return len(numbers) >= LONG and _numpy_is_installed()


@cache
def _numpy_is_installed() -> bool:
    return find_spec("numpy") is not None
