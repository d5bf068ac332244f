"""A digest of a run's samples: what plots need of them, so that whoever makes the report need not have them all.

`digest.json` has, for each series, no more points than a plot draws, exact where a repeat begins and ends. Columns are
64-bit little-endian numbers in base64.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Sequence
from pathlib import Path

import msgspec

from profileapp.errors import AgentError
from profileapp.model.series import Series
from profileapp.model.text import printable
from profileapp.record.artifacts import COMPRESSED_METRICS_FILE, DIGEST_FILE, METRICS_FILE, write_artifact
from profileapp.record.files import open_regular
from profileapp.record.series_data import SeriesData

DIGEST_VERSION = 1
LIMIT_BYTES = 64 * 1024**2
_TIME_LIMIT_NS = 2**62


class Ranked(msgspec.Struct, frozen=True):
    """A distribution: some of `count` values, ascending, each of which stands for as much; the extremes included."""

    values: Sequence[float]
    count: int


class SeriesDigest(msgspec.Struct, frozen=True):
    """Some samples of a series, in the order of time. `ranked` is its distribution, where one is shown, of `count`."""

    series: Series
    times: bytes
    values: bytes
    ranked: bytes = b""
    count: int = 0


class Digest(msgspec.Struct, frozen=True):
    """All series of a run. `problems`: what could not be read of the samples; `left_out`: the files that have all."""

    series: tuple[SeriesDigest, ...]
    problems: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    version: int = DIGEST_VERSION


def packed(numbers: array[int] | array[float]) -> bytes:
    """A column of a digest."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def write_digest(folder: Path, digest: Digest) -> None:
    """Writes `digest.json` to a target's folder, or none where it would be too large. Raises OSError."""
    content = msgspec.json.encode(digest)
    if len(content) <= LIMIT_BYTES:
        write_artifact(folder, DIGEST_FILE, content)


def read_digest(folder: Path) -> Digest:
    """The digest in a target's folder. Raises FileNotFoundError, and AgentError where it is none of this version."""
    path = folder / DIGEST_FILE
    with open_regular(path) as stream:
        content = stream.read(LIMIT_BYTES + 1)
    if len(content) > LIMIT_BYTES:
        raise AgentError(f"{path}: larger than {LIMIT_BYTES} bytes, so it is not read")
    try:
        digest = msgspec.json.decode(content, type=Digest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AgentError(f"{path}: not a digest of profileapp ({printable(str(error), 300)})") from error
    if digest.version != DIGEST_VERSION:
        raise AgentError(f"{path}: version {digest.version} is not the one of this profileapp ({DIGEST_VERSION})")
    return digest


def series_of(digest: Digest) -> dict[Series, SeriesData]:
    """The samples of each series. Raises AgentError where a column is no column of samples."""
    found = {}
    for each in digest.series:
        times, values = _times(each.times), _numbers(each.values)
        if len(times) != len(values) or not times:
            raise AgentError(f"{DIGEST_FILE}: the columns of {printable(each.series.name, 100)!r} differ in length")
        found[each.series] = SeriesData(times, values)
    return found


def distributions_of(digest: Digest) -> dict[Series, Ranked]:
    """The distributions. Raises AgentError as `series_of`."""
    return {each.series: Ranked(sorted(_numbers(each.ranked)), each.count) for each in digest.series if each.ranked}


def has_samples(folder: Path) -> bool:
    """Whether a target's folder has its samples, or something in their place."""
    return any((folder / name).exists() for name in (METRICS_FILE, COMPRESSED_METRICS_FILE))


def _times(column: bytes) -> array[int]:
    times = array("q")
    _fill(times, column)
    if any(not 0 <= at_ns < _TIME_LIMIT_NS for at_ns in times):
        raise AgentError(f"{DIGEST_FILE}: a time is out of range")
    return times


def _numbers(column: bytes) -> array[float]:
    numbers = array("d")
    _fill(numbers, column)
    if not all(map(math.isfinite, numbers)):
        raise AgentError(f"{DIGEST_FILE}: a value is not a number")
    return numbers


def _fill(numbers: array[int] | array[float], column: bytes) -> None:
    if len(column) % numbers.itemsize:
        raise AgentError(f"{DIGEST_FILE}: a column is cut")
    numbers.frombytes(column)
    if sys.byteorder == "big":
        numbers.byteswap()
