"""Parsing blocks of lines gives the same result as parsing line by line."""

from __future__ import annotations

import random
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.model.clock import Clock
from profileapp.model.series import series
from profileapp.record import sample_reader
from profileapp.record.folder import RunFolder
from profileapp.record.reader import read_recording
from profileapp.record.sample_reader import SampleReader
from profileapp.record.series_data import Column, Overflow

OURS = b'{"name":"%b","value":%b,"timestamp":"%b","meta":{"metric":"custom","unit":"%b"}}'
TIME = b"2026-11-23T12:27:25.123456789Z"

names = st.sampled_from([b"fps", b"steps", b'a\\"value\\":1', b"\xc3\xa9", b"\xff"])
numbers = st.sampled_from(
    [b"1", b"-2.5", b"1e3", b" 7", b"1,2", b"01", b"+1", b".5", b"1_0", b"nan", b"true", b'"1"', b"[1]", b"", b"1e999"]
    + [b"3"] * 20
)
times = st.sampled_from(
    [TIME] * 10
    + [b"2026-11-23T12:27:26.000000001Z", b"2026-02-30T12:27:25.123456789Z", b"1969-11-23T12:27:25.123456789Z"]
    + [b"2026-11-23T12:27:25.12345678Z", b"2026-11-23T12:27:25Z", b"2026-11-23T12:27:25.12345e789Z", b"", b"x" * 30]
    + [b"2026-11-23T12:27:25.12345678 Z", b"2026-11-23T12:27:25,123456789Z", b"2026-11-23T12:27:25.123456789+01:00"]
)
units = st.sampled_from([b"%", b"s", b'","timestamp":"2026-11-23T12:27:25.123456789Z', b'","kind":"odd'])
ours = st.builds(lambda *parts: OURS % parts, names, numbers, times, units)
strange = st.sampled_from(
    [
        b"",
        b" ",
        b"{}",
        b"\xff\xfe",
        b'{"value":1,"x":2,"timestamp":"%b","name":"fps"}' % TIME,
        b'{"name":"fps","value":1,"value":2,"timestamp":"%b"}' % TIME,
        b'{"name":"fps","value":1,"timestamp":"%b","value":2}' % TIME,
        b'{"name":"fps","x":{"value":1,"timestamp":"%b"},"value":3,"timestamp":"%b"}' % (TIME, TIME),
        b'{"name": "fps", "value": 1, "timestamp": "%b"}' % TIME,
        OURS % (b"fps", b"1", TIME, b"%") * 2,
        OURS % (b"fps", b"1", TIME, b"%") + b"\r",
    ]
)


def found(reader: SampleReader) -> object:
    samples = {one: (list(data.times_ns), list(data.values)) for one, data in reader.series().items()}
    return samples, reader.lines, reader.bad_lines, reader.over_limit


def a_line_at_a_time(lines: list[bytes]) -> object:
    reader = SampleReader(Path())
    for line in lines:
        if line.strip():
            reader.take_line(line)
    return found(reader)


@given(st.lists(ours | strange, max_size=12), st.lists(ours, max_size=6), st.sampled_from([0, 10**9]))
def test_a_block_equals_its_lines(first: list[bytes], second: list[bytes], surprises: int) -> None:
    reader = SampleReader(Path())
    reader._mispredictions = surprises
    for block in (first, second):
        reader.take_block(b"".join(line + b"\n" for line in block))
    assert found(reader) == a_line_at_a_time([*first, *second])


def test_no_line_of_the_worker_is_parsed_individually(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    monkeypatch.setattr(SampleReader, "take_line", lambda self, line: taken.append(line))
    every = [
        series("fps", "frames/s", "custom", camera='left "door", {1}', note="a\nb\u2028é"),
        series('","timestamp":"', "%", "custom", value="1"),
        series("frames", "", "custom", "counter"),
        series("system.cpu.util", "%", "system", core="0"),
    ]
    writer = RunFolder.create(tmp_path, "gpu").open_metrics(Clock(1_795_000_000_000_000_000, 0))
    for number in range(8000):
        writer.emit(every[number % 7 % 4], (number, number / 7, -number * 1e30)[number % 3], number * 1_234_567)
    writer.close()
    found = read_recording(tmp_path / "gpu").series
    assert taken == [] and {one: len(data) for one, data in found.items()} == {
        one: sum(number % 7 % 4 == place for number in range(8000)) for place, one in enumerate(every)
    }


def test_unordered_lines_are_parsed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_reader, "_FEW_MISPREDICTIONS", 100)
    chance = random.Random(5)  # noqa: S311
    lines = [OURS % (b"m%d" % chance.randrange(90), b"%d" % number, TIME, b"") for number in range(2000)]
    expected = a_line_at_a_time(lines)
    monkeypatch.delattr(SampleReader, "take_line")
    reader = SampleReader(Path())
    for start in range(0, 2000, 200):
        reader.take_block(b"".join(line + b"\n" for line in lines[start : start + 200]))
    assert found(reader) == expected
    # Without blocks there would be about 1770.
    assert 100 < reader._mispredictions < 800


def test_the_cache_of_irregular_lines_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_reader, "_REMEMBERED_LIMIT_BYTES", 10_000)
    lines = [
        OURS
        % (b"m%d" % (number * number % 31), b"%d" % number, b"2026-11-23T12:27:%02d.000000001Z" % (number % 50), b"")
        for number in range(300)
    ]
    reader = SampleReader(Path())
    for start in range(0, 300, 20):
        reader.take_block(b"".join(line + b"\n" for line in lines[start : start + 20]))
        assert reader._remembered_bytes < 30_000
    assert found(reader) == a_line_at_a_time(lines)


def metrics(folder: Path, samples: int) -> None:
    lines = (OURS % (b"m%d" % (number % 3), b"%d" % number, TIME, b"%") for number in range(samples))
    (folder / "metrics.ndjson").write_bytes(b"".join(line + b"\n" for line in lines))


def test_many_samples_are_spilled_to_a_temporary_file(tmp_path: Path) -> None:
    metrics(tmp_path, 10_000)
    small = SampleReader(tmp_path, buffer_limit=700)
    block = (tmp_path / "metrics.ndjson").read_bytes()
    lines = block.splitlines(keepends=True)
    for start in range(0, len(lines), 100):
        small.take_block(b"".join(lines[start : start + 100]))
    data = small.series()
    expected = read_recording(tmp_path).series
    one = series("m1", "%", "custom")
    assert isinstance(data[one].values, Column) and not isinstance(expected[one].values, Column)
    assert {each: list(kept.values) for each, kept in data.items()} == {
        each: list(kept.values) for each, kept in expected.items()
    }
    values = data[one].values
    assert len(data[one]) == len(values) == 3333 and values[-1] == 9997.0 and values[0] == 1.0
    assert list(values[10:20]) == list(expected[one].values[10:20]) and list(values[::-1000]) == [9997, 6997, 3997, 997]
    assert data[one].is_in_order and values[5000:] == values[:0]
    with pytest.raises(IndexError):
        values[3333]
    assert [each.name for each in tmp_path.iterdir()] == ["metrics.ndjson"]


def test_an_unwritable_folder_is_no_error(tmp_path: Path) -> None:
    file = Overflow(tmp_path / "gone")
    chunk = file.add(array("d", [1.0, 2.5]))
    assert list(Column(file, "d", [chunk])) == [1.0, 2.5]
    with pytest.raises(OSError, match="was truncated"):
        file.read(8, 2)


def test_without_a_temporary_file_all_samples_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics(tmp_path, 1000)
    room = [5]

    def add(self: Overflow, numbers: object) -> tuple[int, int]:
        room[0] -= 1
        if room[0] < 0:
            raise OSError("no space left on device")
        return whole(self, numbers)  # type: ignore[arg-type]

    whole = Overflow.add
    monkeypatch.setattr(Overflow, "add", add)
    reader = SampleReader(tmp_path, buffer_limit=100)
    lines = (tmp_path / "metrics.ndjson").read_bytes().splitlines(keepends=True)
    for start in range(0, len(lines), 90):
        reader.take_block(b"".join(lines[start : start + 90]))
    assert found(reader) == a_line_at_a_time([line.rstrip() for line in lines])


@pytest.mark.parametrize("size", [262_100, 262_144, 262_200, 600_000])
def test_long_lines_are_skipped_at_any_position(tmp_path: Path, size: int) -> None:
    good = OURS % (b"fps", b"1", TIME, b"%") + b"\n"
    long = OURS % (b"x" * (size - len(good) + 3), b"1", TIME, b"%") + b"\n"
    assert len(long) == size
    (tmp_path / "metrics.ndjson").write_bytes(good + long + good + long + long + good)
    recording = read_recording(tmp_path)
    assert list(recording.series[series("fps", "%", "custom")].values) == [1.0, 1.0, 1.0]
    is_reported = "metrics.ndjson: 3 of 6 lines are not samples and were skipped" in recording.problems
    assert is_reported == (size > sample_reader.LINE_LIMIT_BYTES) and len(recording.series) == 2 - is_reported
