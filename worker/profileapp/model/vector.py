"""Long columns of numbers, with NumPy where it is installed: a device that only measures has none."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from itertools import accumulate, pairwise
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


def differences(numbers: array[int]) -> array[int]:
    """Of each number and the one before it; one fewer than there are numbers."""
    if _is_long(numbers):
        import numpy  # noqa: PLC0415

        return array("q", numpy.diff(numpy.asarray(numbers)).tobytes())
    return array("q", (after - before for before, after in pairwise(numbers)))


def limited(numbers: array[int], most: int) -> array[int]:
    """All of them, none greater than `most`."""
    if _is_long(numbers):
        import numpy  # noqa: PLC0415

        return array("q", numpy.minimum(numpy.asarray(numbers), most).tobytes())
    return array("q", (min(each, most) for each in numbers))


def median(numbers: array[int]) -> int:
    """Of at least one: the middle one, or the lower of the two in the middle."""
    in_order = ranked(numbers)
    return int(in_order[(len(in_order) - 1) // 2])


def ranked_with(numbers: array[float], weights: array[int]) -> tuple[Sequence[float], Sequence[int]]:
    """All of them, ascending, and the sum of the weights up to and with each."""
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
