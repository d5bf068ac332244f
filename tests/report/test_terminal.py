"""The table at the end of a run."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from profileapp.judge.headline import Headline
from profileapp.judge.verdict import JudgedRun
from profileapp.model.target import Target
from profileapp.report.one_line import summary_line
from profileapp.report.terminal import print_table


def printed(judged: list[JudgedRun], **settings: object) -> str:
    stream = io.StringIO()
    print_table(judged, Console(file=stream, **settings))  # type: ignore[arg-type]
    return stream.getvalue()


def test_one_row_for_each_target(samples: list[JudgedRun]) -> None:
    lines = printed(samples).splitlines()
    assert lines[0].split()[:3] == ["target", "verdict", "time"]
    [failed] = [line for line in lines if line.startswith("use-cpu")]
    for text in ("app failed", "31 s", "397 %", "354 MiB", "3.17 frames/s", "2/3 met", "exited with code 1"):
        assert text in failed


def test_without_a_terminal_it_is_plain_text(samples: list[JudgedRun]) -> None:
    assert "\x1b" not in printed(samples)
    assert max(map(len, printed(samples).splitlines())) <= 160


def test_colour_on_a_terminal_unless_disabled(samples: list[JudgedRun], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[32m" in printed(samples, force_terminal=True, width=160)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32m" not in printed(samples, force_terminal=True, width=160)


@pytest.mark.parametrize("hostile", ["[/red]", "[link=https://example.org]x", "\x1b[2Jx", "\rx", "\u202ex", "\x9b2Jx"])
def test_an_apps_text_is_never_markup_or_control(hostile: str, samples: list[JudgedRun]) -> None:
    run = msgspec.structs.replace(samples[0].run, message=hostile * 200, target=Target(hostile))
    judged = msgspec.structs.replace(
        samples[0], run=run, headline=(Headline(hostile, 1.0, hostile, hostile, "mean"),), problems=(hostile,)
    )
    text = printed([judged])
    assert not set(text) & set("\x1b\r\u202e\x9b")
    assert len(text) < 5000
    if hostile.startswith("["):
        assert hostile in text


def test_without_targets_there_is_no_table() -> None:
    assert printed([]) == ""


def test_the_summary_is_one_line(samples: list[JudgedRun], tmp_path: Path) -> None:
    assert summary_line(samples) == "4 targets: 1 passed, 1 over budget, 1 app failed, 1 incomplete"
    assert summary_line(samples[:1]) == "1 target: 1 passed"
    assert summary_line([]) == "nothing was measured"
