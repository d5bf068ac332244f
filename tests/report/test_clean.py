"""Makes an app's text valid in XML and in HTML."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.report.clean import clean, one_line


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07done", "done"),
        ("\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\r\nb\tc", "a\nb\tc"),
        ("nul\0bell\x07", "nul�bell�"),
        ("c1\x9b31m", "c1�31m"),
        ("gpj.\u202eexe", "gpj.�exe"),
        ("\u2066in\u2069 \u200fright", "�in� �right"),
        ("lone \ud800 \udfff", "lone � �"),
        ("\ufffe\uffff\ufdd0", "���"),
        ("naïve 物体 🚀", "naïve 物体 🚀"),
    ],
)
def test_invisible_characters_are_removed(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_a_long_text_keeps_its_end() -> None:
    assert clean("x" * 100_000 + "the end", 10) == "[…]xxxthe end"


def test_a_single_line_keeps_its_beginning() -> None:
    assert one_line("a\nb\t c\r\n", 80) == "a b c"
    assert one_line("x" * 10_000, 20) == "x" * 19 + "…"
    assert one_line("", 20) == ""


@given(st.text(st.characters(exclude_categories=())))
def test_cleaned_text_is_valid_xml(text: str) -> None:
    element = ElementTree.Element("a", b=clean(text))
    element.text = clean(text)
    written = ElementTree.tostring(element, encoding="utf-8")
    assert ElementTree.fromstring(written).tag == "a"  # noqa: S314


@given(st.text(st.characters(exclude_categories=()), max_size=500), st.integers(2, 80))
def test_one_line_is_one_line(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
