"""Options that select runs and series in the database."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated

import click
import msgspec

from profileapp.errors import ConfigError
from profileapp.model.clock import parse_utc
from profileapp.model.text import printable

if TYPE_CHECKING:
    from profileapp.store.select import Selection

_NS = 1_000_000_000
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class SelectionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs."""

    app: Annotated[str, click.option("--app", default="", help="Only runs of this app.")]
    target: Annotated[str, click.option("--target", default="", help="Only runs of this target.")]
    run_id: Annotated[str, click.option("--run", "run_id", default="", metavar="ID", help="Only this run.")]
    branch: Annotated[str, click.option("--branch", default="", help="Only runs of this branch.")]
    since: Annotated[
        str, click.option("--since", default="", metavar="WHEN", help="Only runs since then: 30d, 12h, 2026-11-01.")
    ]
    until: Annotated[str, click.option("--until", default="", metavar="WHEN", help="Only runs before then.")]

    def selection(self, series: str = "") -> Selection:
        """The runs, and the series with a name or a prefix. Raises ConfigError for an invalid time."""
        from profileapp.store.select import Selection  # noqa: PLC0415  (needs an extra)

        return Selection(
            app=self.app,
            target=self.target,
            run_id=self.run_id,
            branch=self.branch,
            series=series,
            since_ns=moment_ns("--since", self.since),
            until_ns=moment_ns("--until", self.until),
        )


def moment_ns(option: str, text: str, now_ns: int | None = None) -> int:
    """UTC nanoseconds since 1970 of an age (`30d`: 30 days ago), a date, or an RFC 3339 time; 0 for ""."""
    if not text:
        return 0
    unit = _UNITS_S.get(text[-1])
    if unit and text[:-1].isdecimal() and text.isascii() and len(text) < 10:
        now = time.time_ns() if now_ns is None else now_ns
        return max(1, now - int(text[:-1]) * unit * _NS)
    try:
        if "T" not in text:
            return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=timezone.utc).timestamp()) * _NS
        return parse_utc(text)
    except ValueError as error:
        raise ConfigError(
            f"{option} '{printable(text, 40)}': must be an age such as 30d or 12h, a date such as 2026-11-01, "
            "or a time such as 2026-11-01T12:00:00Z"
        ) from error
