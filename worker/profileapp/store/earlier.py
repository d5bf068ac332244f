"""Reads the `run.json` of earlier runs of an app's target."""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from profileapp.model.run import Run
from profileapp.store import schema
from profileapp.store.database import Database, retried
from profileapp.store.select import Selection

RUNS_LIMIT = 1000
"""Many may come from other devices; the comparison excludes and counts those."""


@retried
def earlier_runs(database: Database, selection: Selection, verdicts: tuple[str, ...]) -> list[Run]:
    """The last RUNS_LIMIT runs with one of `verdicts`, oldest first, without their summaries."""
    run = schema.run
    with database.transaction() as connection:
        documents = connection.execute(
            select(run.c.document)
            .where(selection.runs(), run.c.verdict.in_(verdicts))
            .order_by(run.c.started_ns.desc(), run.c.id.desc())
            .limit(RUNS_LIMIT)
        ).scalars()
        return [msgspec.json.decode(document, type=Run) for document in reversed(documents.all())]
