"""The table of requests and limits for a page; pure."""

from __future__ import annotations

from profileapp.judge.proposal import propose
from profileapp.judge.use import use_of
from profileapp.judge.verdict import JudgedRun
from profileapp.report.format import ABSENT
from profileapp.report.page.profile_tables import Table
from profileapp.report.resource_formats import rows


def resource_tables(judged: JudgedRun) -> tuple[Table, ...]:
    """What to ask a scheduler for; no table where nothing is known."""
    proposal = propose(use_of(judged))
    if proposal.is_empty:
        return ()
    note = "; ".join(proposal.warnings) or "proposed from this profile; `profileapp resources --verify` tries it out"
    found = tuple((row.key, row.value or ABSENT, row.why) for row in rows(proposal))
    return (Table("Requests and limits", note, ("Resource", "Value", "Why"), 3, found, 0, ""),)
