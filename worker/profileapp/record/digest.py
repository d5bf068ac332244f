"""A digest of a run's samples: enough for plots, so that a report needs no samples.

`digest.json` has no more points of a series than a plot draws, and is exact at starts and ends of repeats. Columns are
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
    """A distribution of `count` values: ascending quantiles of equal weight, including the extremes."""

    values: Sequence[float]
    count: int


class SeriesDigest(msgspec.Struct, frozen=True):
    """Some samples of a series, in order of time. `ranked` is the distribution of `count` values, if shown."""

    series: Series
    times: bytes
    values: bytes
    ranked: bytes = b""
    count: int = 0


class Digest(msgspec.Struct, frozen=True):
    """All series of a run. `problems`: errors in reading samples. `left_out`: the files with all samples."""

    series: tuple[SeriesDigest, ...]
    problems: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    version: int = DIGEST_VERSION


def encode_column(numbers: array[int] | array[float]) -> bytes:
    """Encodes a column of a digest as little-endian bytes."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def write_digest(folder: Path, digest: Digest) -> None:
    """Writes `digest.json` to a target's folder, unless it would be too large. Raises OSError."""
    content = msgspec.json.encode(digest)
    if len(content) <= LIMIT_BYTES:
        write_artifact(folder, DIGEST_FILE, content)


def read_digest(folder: Path) -> Digest:
    """The digest in a folder. Raises FileNotFoundError, or AgentError if it is invalid or of another version."""
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
    """The samples of each series. Raises AgentError for an invalid column."""
    found = {}
    for each in digest.series:
        times, values = _times(each.times), _numbers(each.values)
        if len(times) != len(values) or not times:
            raise AgentError(f"{DIGEST_FILE}: the columns of {printable(each.series.name, 100)!r} differ in length")
        found[each.series] = SeriesData(times, values)
    return found


def distributions_of(digest: Digest) -> dict[Series, Ranked]:
    """The distributions. Raises AgentError for an invalid column."""
    return {each.series: Ranked(sorted(_numbers(each.ranked)), each.count) for each in digest.series if each.ranked}


def has_samples(folder: Path) -> bool:
    """Whether a target's folder has a file of samples, valid or not."""
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
