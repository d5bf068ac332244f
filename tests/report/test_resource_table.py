"""The table of requests and limits on a target's page."""

from __future__ import annotations

from profileapp.report.page.resource_table import resource_tables
from tests.judge.test_proposal import SHAPES, profile


def test_it_has_the_values_and_why() -> None:
    (table,) = resource_tables(SHAPES["steady"])
    assert ("request.memory", "100Mi", "the kernel's peak, the highest of 3 repeats") in table.rows
    assert table.note == "proposed from this profile; `profileapp resources --verify` tries it out"


def test_what_is_unknown_has_its_reason_and_an_app_without_numbers_no_table() -> None:
    (table,) = resource_tables(profile(peaks=[None, None, None]))
    assert next(row for row in table.rows if row[0] == "limit.memory")[1:] == (
        "–",
        "the kernel's peak is unknown: the kernel does not record a cgroup's peak here",
    )
    assert resource_tables(profile(repeats=0)) == ()
