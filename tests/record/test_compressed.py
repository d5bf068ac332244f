"""Untrusted gzip files: bombs, truncated files, and other content."""

from __future__ import annotations

import contextlib
import gzip
import resource
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.model.clock import Clock
from profileapp.model.series import series
from profileapp.record.compressed import RATIO_FREE_BYTES, RATIO_LIMIT, open_compressed
from profileapp.record.folder import RunFolder
from profileapp.record.reader import read_recording

CPU = series("container.cpu.util", "%", "container")
MIB = 1024**2


def unpack(path: Path, free_bytes: int = MIB) -> bytes:
    with open_compressed(path.open("rb"), free_bytes) as stream:
        return stream.read()


def bomb(path: Path, before: bytes, unit: bytes, size: int) -> None:
    """Compresses `before`, then `unit` repeatedly, `size` bytes in all."""
    with gzip.open(path, "wb", 6) as sink:
        sink.write(before)
        block = unit * (MIB // len(unit))
        for _ in range(size // len(block)):
            sink.write(block)


@given(st.binary(max_size=5000))
def test_content_round_trips(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("packed") / "x.gz"
    path.write_bytes(gzip.compress(content))
    assert unpack(path) == content


@given(st.binary(max_size=500))
def test_any_bytes_raise_only_the_documented_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("packed") / "x.gz"
    path.write_bytes(gzip.compress(b"x")[:10] + content)
    with contextlib.suppress(OSError, EOFError, zlib.error):
        unpack(path)


def test_small_files_may_have_a_high_ratio(tmp_path: Path) -> None:
    bomb(tmp_path / "x.gz", b"", b"\0", 2 * MIB)
    assert len(unpack(tmp_path / "x.gz", 4 * MIB)) == 2 * MIB
    with pytest.raises(OSError, match="decompresses to more than 200 times its size"):
        unpack(tmp_path / "x.gz")


def test_files_of_the_writer_are_far_below_the_limit(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "gpu")
    writer = folder.open_metrics(Clock(1_795_000_000_000_000_000, 0))
    for step in range(50_000):
        writer.emit(CPU, 0.0, step * 100_000_000)
    writer.close()
    size = (folder.path / "metrics.ndjson").stat().st_size
    folder.compress_metrics(from_bytes=0)
    assert size < RATIO_LIMIT / 2 * (folder.path / "metrics.ndjson.gz").stat().st_size


@pytest.mark.parametrize(
    "unit", [b"\0", b'{"name":"', b" " * 63 + b"\n", b"[" * 500 + b"\n"], ids=["zeros", "line", "empty", "deep"]
)
def test_data_before_a_bomb_survives_and_the_loss_is_reported(tmp_path: Path, unit: bytes) -> None:
    folder = RunFolder.create(tmp_path, "gpu")
    writer = folder.open_metrics(Clock(0, 0))
    for step in range(100):
        writer.emit(CPU, float(step), step)
    writer.close()
    plain = folder.path / "metrics.ndjson"
    bomb(folder.path / "metrics.ndjson.gz", plain.read_bytes(), unit, 5 * RATIO_FREE_BYTES)
    plain.unlink()
    before_s, before_kib = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    recording = read_recording(folder.path)
    assert len(recording.series[CPU].values) == 100
    assert any("decompresses to more than 200 times its size" in problem for problem in recording.problems)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 100_000
    assert time.process_time() - before_s < 30
