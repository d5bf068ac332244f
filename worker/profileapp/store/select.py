"""Selects runs and series: the common filters of export, prune and history."""

from __future__ import annotations

import msgspec
from sqlalchemy import ColumnElement, and_, true

from profileapp.store import schema
from profileapp.store.text import stored_key


class Selection(msgspec.Struct, frozen=True):
    """A selection; "" and 0 select all. Times are UTC nanoseconds since 1970, of the start of a run.

    `series` is a name or, if it ends in `.`, a prefix of names: `system.`.
    """

    app: str = ""
    target: str = ""
    run_id: str = ""
    branch: str = ""
    series: str = ""
    since_ns: int = 0
    until_ns: int = 0

    def runs(self) -> ColumnElement[bool]:
        """The condition on `run`."""
        wanted = {"app": self.app, "target": self.target, "run_id": self.run_id, "branch": self.branch}
        conditions = [schema.run.c[name] == stored_key(value) for name, value in wanted.items() if value]
        if self.since_ns:
            conditions.append(schema.run.c.started_ns >= self.since_ns)
        if self.until_ns:
            conditions.append(schema.run.c.started_ns < self.until_ns)
        return and_(true(), *conditions)

    def of_series(self) -> ColumnElement[bool]:
        """The condition on `series`."""
        if self.series.endswith("."):
            return schema.series.c.name.startswith(stored_key(self.series), autoescape=True)
        return schema.series.c.name == stored_key(self.series) if self.series else true()
