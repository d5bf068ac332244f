"""Verdict and headline values in a build's description."""

from __future__ import annotations

from typing import Any, get_args
from xml.etree import ElementTree

import msgspec
import pytest

from profileapp.judge.headline import Headline
from profileapp.judge.verdict import JudgedRun, Verdict
from profileapp.report.jenkins.badge import badge_svg, badge_verdict, description_html

SVG = "{http://www.w3.org/2000/svg}"


def of_verdict(one: JudgedRun, verdict: Any) -> JudgedRun:
    return msgspec.structs.replace(one, verdict=verdict)


@pytest.mark.parametrize("verdict", get_args(Verdict))
def test_the_badge_shows_the_verdict_as_text_and_symbol(samples: list[JudgedRun], verdict: Verdict) -> None:
    root = ElementTree.fromstring(badge_svg([of_verdict(samples[0], verdict)]))  # noqa: S314
    texts = [each.text or "" for each in root.iter(f"{SVG}text")]
    assert texts[0] == "profile" and texts[1].endswith(f" {verdict}")
    assert root.findtext(f"{SVG}title") == f"profile: {verdict}"
    assert not [each for each in root.iter() if "style" in each.attrib]


def test_the_worst_verdict_wins(samples: list[JudgedRun]) -> None:
    assert badge_verdict(samples) == "incomplete"
    assert badge_verdict([samples[0], of_verdict(samples[0], "worse")]) == "worse"
    assert badge_verdict(samples[:1]) == "passed"
    assert badge_verdict([]) == "not measured"


def test_the_line_has_verdicts_then_throughput_then_usage(samples: list[JudgedRun]) -> None:
    line = description_html(samples)
    assert line.startswith(
        "4 targets: 1 passed, 1 over budget, 1 app failed, 1 incomplete · fps 3.17 to 27.6 frames/s · "
    )
    assert line.count(" · ") == 3
    assert " · fps 15.1 frames/s · inference 65.4 ms · CPU 57.5 %" in description_html(samples[:1])
    assert description_html([]) == "nothing was measured"


def test_names_from_the_app_are_escaped(samples: list[JudgedRun]) -> None:
    name = "<img src=x onerror=alert(1)>\u202e\n\"'" + "A" * 10_000
    hostile = msgspec.structs.replace(samples[0], headline=(Headline(name, 1.0, name, name, "mean"),))
    line = description_html([hostile])
    assert not set("<>\"'\n\u202e") & set(line)
    assert len(line) < 300


def test_values_with_different_units_are_omitted(samples: list[JudgedRun]) -> None:
    other = msgspec.structs.replace(samples[0], headline=(Headline("fps", 1.0, "Hz", "fps", "mean"),))
    assert "fps" not in description_html([samples[0], other])
