"""An app that sends more than can be processed: every line is accounted for, and samplers keep running."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from profileapp.collect.api import RunContext
from profileapp.collect.custom import pywaggle_log
from profileapp.collect.custom.ingestor import Ingestor
from profileapp.collect.custom.line import InvalidSample, parse_line
from profileapp.collect.custom.pace import LINES_AT_ONCE, PAUSE_S, Pace
from profileapp.collect.custom.pywaggle_log import LINE_LIMIT_BYTES, LogFollower
from profileapp.collect.custom.source import Custom
from profileapp.model.clock import Clock
from profileapp.model.series import Series
from profileapp.model.target import Target


class Followed:
    """A log, its accepted and refused lines, and the summary of the rest."""

    def __init__(self, folder: Path) -> None:
        self.taken = self.refused = 0
        self.skipped: list[tuple[str, int, int]] = []
        self.path = folder / "data.ndjson"
        self.follower = LogFollower(folder, self._take, self._refuse, lambda *_: None, self._skip)

    def _take(self, block: bytes) -> None:
        self.taken += len(block.splitlines())

    def _refuse(self, reason: str, example: str, lines: int) -> None:
        self.refused += lines

    def _skip(self, *skipped: object) -> None:
        self.skipped.append(skipped)  # type: ignore[arg-type]

    def end(self) -> None:
        self.follower.start()
        assert self.follower.stop()

    @property
    def accounted(self) -> int:
        return self.taken + self.refused + sum(lines for _, lines, _ in self.skipped)


LINES = [b'{"name":"n%d","value":1}\n' % number for number in range(60_000)]


@pytest.mark.parametrize("drained", [True, False])
@pytest.mark.parametrize("half", [b"", b'{"name":"ha'])
def test_each_line_of_a_flooded_log_is_accounted_for_held(
    drained: bool, half: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not drained:
        monkeypatch.setattr(pywaggle_log, "DRAIN_LIMIT_S", 0.0)
        monkeypatch.setattr(pywaggle_log, "POLL_INTERVAL_S", 60.0)
    content = b"".join(LINES) + half
    followed = Followed(tmp_path)
    # It is already open when it ends: reading stops and counting starts within a line.
    followed.path.write_bytes(content[:1000])
    followed.follower._read()
    followed.path.write_bytes(content)
    followed.end()
    assert followed.accounted == len(LINES) + bool(half)
    assert bool(followed.skipped) != drained
    assert sum(size for _, _, size in followed.skipped) == (0 if drained else len(content) - 1000)


def test_uncounted_data_is_reported_by_size_and_estimated_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("DRAIN_LIMIT_S", "COUNT_LIMIT_S"):
        monkeypatch.setattr(pywaggle_log, limit, 0.0)
    monkeypatch.setattr(pywaggle_log, "POLL_INTERVAL_S", 60.0)
    followed = Followed(tmp_path)
    line = b'{"name":"n","value":1}\n'
    followed.path.write_bytes(line * 1000)
    followed.follower._read()
    followed.path.write_bytes(line * 5000)
    os.truncate(followed.path, len(line) * 5000)
    followed.end()
    assert [(reason.endswith(", about"), lines, size) for reason, lines, size in followed.skipped if lines] == [
        (True, 4000, len(line) * 4000)
    ]


def test_a_line_without_an_end_counts_once_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pywaggle_log, "DRAIN_LIMIT_S", 0.0)
    monkeypatch.setattr(pywaggle_log, "POLL_INTERVAL_S", 60.0)
    followed = Followed(tmp_path)
    followed.path.write_bytes(b"x" * (LINE_LIMIT_BYTES + 1000))
    followed.follower._read()
    with followed.path.open("ab") as stream:
        stream.write(b"x" * 1000 + b"\n" + LINES[0])
    followed.end()
    assert followed.accounted == 2


def test_a_truncated_log_is_reported_with_its_known_part_held(tmp_path: Path) -> None:
    followed = Followed(tmp_path)
    line = b'{"name":"n","value":1}\n'
    followed.path.write_bytes(line * 100)
    followed.follower._read()
    followed.path.write_bytes(line * 1000)
    followed.follower._seen_bytes = len(line) * 1000
    followed.path.write_bytes(line)
    followed.follower._read()
    assert [(lines, size) for _, lines, size in followed.skipped] == [(900, len(line) * 900)]
    assert followed.taken == 101


def test_the_report_adds_up() -> None:
    ingestor = Ingestor(Clock.now(), lambda *_: None)
    ingestor.refuse("no number", "x", 3)
    for _ in range(2):
        ingestor.skip("it was not read", 1000, 10_000)
    assert ingestor.close(0)[0] == (
        "custom: of 2003 values 0 were recorded individually, 0 aggregated (by the second), 3 refused, 2000 not read"
    )
    assert "custom: it was not read: 2000 lines of 20000 bytes" in Ingestor.close(ingestor, 0)


@pytest.fixture
def custom(tmp_path: Path) -> Callable[[], tuple[Custom, list[tuple[Series, float]]]]:
    def make() -> tuple[Custom, list[tuple[Series, float]]]:
        kept: list[tuple[Series, float]] = []
        made = Custom()
        scratch = tmp_path / "s"
        scratch.mkdir(mode=0o700, exist_ok=True)
        run = RunContext("run-1", Target("a"), Clock.now(), scratch, tmp_path, True, lambda _: None)
        made.open(run, lambda series, value, _: kept.append((series, value)))
        return made, kept

    return make


@pytest.mark.parametrize(
    ("way", "line"),
    [
        ("_ingest_stream", b'{"name":"n%d","value":1}\n'),
        ("_ingest_datagrams", b"n%d:1|c\n"),
        ("_ingest_log", b'{"name":"n%d","value":1}\n'),
    ],
)
def test_a_flood_of_new_names_does_not_starve_samplers_held(
    way: str, line: bytes, custom: Callable[[], tuple[Custom, list[tuple[Series, float]]]]
) -> None:
    """The number of lines parsed between two pauses is bounded, however many arrive at once."""
    source, _ = custom()
    done = 0
    at_pause: list[int] = []

    def pause(seconds: float) -> None:
        assert seconds == PAUSE_S
        at_pause.append(source._ingestor.kept + source._ingestor.refused)

    for name in source._paces:
        source._paces[name] = Pace(pause)
    try:
        getattr(source, way)(b"".join(line % number for number in range(5000)))
        done = source._ingestor.kept + source._ingestor.refused
    finally:
        source.close()
    assert done == 5000
    steps = [later - earlier for earlier, later in zip([0, *at_pause], at_pause, strict=False)]
    assert len(at_pause) == 5000 // LINES_AT_ONCE
    assert max(steps) <= LINES_AT_ONCE


def test_there_are_no_pauses_after_the_app_has_ended() -> None:
    def never(_: float) -> None:
        raise AssertionError

    pace = Pace(never)
    pace.is_hurried = True
    for _ in range(1000):
        pace.step()


@pytest.mark.parametrize(
    "line",
    [
        b'{"name":"a","value":1,"timestamp":"\xff"}',
        b'{"name":"a","value":1,"timestamp":["\xff"]}',
        b'{"name":"\xff","value":1}',
        b'{"name":"a","value":1,"timestamp":' + b"[" * 50_000 + b"}",
        b'{"name":"a","value":1e999}',
    ],
)
def test_a_line_that_is_not_text_is_refused_or_held(line: bytes) -> None:
    """The first was found by hand beside the fuzzer: an error of ours in the listener's thread."""
    with suppress(InvalidSample):
        assert parse_line(line).timestamp_fault
