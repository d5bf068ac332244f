"""The verdict in a build's description: a badge, and a line of HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from profileapp.judge.verdict import JudgedRun
from profileapp.report.clean import one_line
from profileapp.report.format import number, quantity, scale_of
from profileapp.report.one_line import summary_line
from profileapp.report.page_data import SYMBOLS, headline_labels

NUMBERS_LIMIT = 3
"""Headline numbers in a description."""
_WORST_FIRST = ("incomplete", "aborted", "not measured", "app failed", "over budget", "worse", "passed")
_COLOURS = {"passed": "#00664a", "over budget": "#7a4b00", "worse": "#7a4b00"}
_FAILED = "#9c2a00"
_LABEL = "profile"
_LETTER_PX, _PADDING_PX = 7, 8


def badge_verdict(judged: Sequence[JudgedRun]) -> str:
    """The worst of all verdicts."""
    verdicts = {each.verdict for each in judged}
    return next((each for each in _WORST_FIRST if each in verdicts), "not measured")


def badge_svg(judged: Sequence[JudgedRun]) -> str:
    """A badge such as `profile: over budget`, with colour, sign and text. It needs no style and no script."""
    verdict = badge_verdict(judged)
    text = f"{SYMBOLS[verdict]} {verdict}"
    left, right = (len(text) * _LETTER_PX + 2 * _PADDING_PX for text in (_LABEL, text))
    title = escape(f"{_LABEL}: {verdict}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{title}">'
        f'<title>{title}</title><rect width="{left}" height="20" fill="#3b4046"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{_COLOURS.get(verdict, _FAILED)}"/>'
        '<g fill="#ffffff" font-family="system-ui, Verdana, \'DejaVu Sans\', sans-serif" font-size="11" '
        f'text-anchor="middle"><text x="{left / 2:g}" y="14">{_LABEL}</text>'
        f'<text x="{left + right / 2:g}" y="14">{text}</text></g></svg>\n'
    )


def description_html(judged: Sequence[JudgedRun]) -> str:
    """`3 targets: 2 passed, 1 over budget · fps 3.1 to 27.8 frames/s`, with what the app named escaped."""
    numbers = [_number(judged, label) for label in _labels(judged)[:NUMBERS_LIMIT]]
    return escape(" · ".join([summary_line(judged), *filter(None, numbers)]))


def _labels(judged: Sequence[JudgedRun]) -> list[str]:
    """The app's performance first, then its resource use."""
    own = {one.label for each in judged for one in each.headline if one.label == one.series_title}
    return sorted(headline_labels(judged), key=lambda label: label not in own)


def _number(judged: Sequence[JudgedRun], label: str) -> str:
    """A headline number over all targets: its minimum and maximum, or one value if they look the same."""
    found = [one for each in judged for one in each.headline if one.label == label]
    if len({one.unit for one in found}) != 1:
        return ""
    unit = found[0].unit
    low, high = min(one.value for one in found), max(one.value for one in found)
    name = one_line(label, 40)
    if quantity(low, unit) == quantity(high, unit):
        return f"{name} {one_line(quantity(high, unit), 40)}"
    factor, scaled = scale_of(unit, max(abs(low), abs(high)))
    return f"{name} {number(low / factor)} to {number(high / factor)} {one_line(scaled, 24)}".rstrip()
