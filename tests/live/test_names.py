"""Names of targets from titles of any kind."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from profileapp.live.names import target_name
from profileapp.model.target import NAME_PATTERN


def test_a_title_that_is_a_valid_name_is_unchanged() -> None:
    assert target_name("object-counter.2") == "object-counter.2"


def test_a_changed_title_is_recognisable_and_unique() -> None:
    upper, lower = target_name("F_Idle"), target_name("f-idle")
    assert upper.startswith("f_idle-") and lower == "f-idle"
    assert target_name("f-idle", {"f-idle"}) != "f-idle"


@given(st.text(max_size=200), st.sets(st.text(max_size=5), max_size=3))
def test_every_title_becomes_an_unused_name(title: str, taken: set[str]) -> None:
    name = target_name(title, taken)
    assert re.fullmatch(NAME_PATTERN.removesuffix("$") + r"\Z", name)
    assert name not in taken
    assert target_name(title, taken | {name}) != name
