"""Options that select runs and series in the database."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from profileapp.commands.database import Command
from profileapp.errors import ConfigError
from profileapp.model.clock import parse_utc
from profileapp.model.text import printable

if TYPE_CHECKING:
    from profileapp.store.select import Selection

_NS = 1_000_000_000
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def selection_options(command: Command) -> Command:
    """`--app`, `--target`, `--run`, `--branch`, `--since`, `--until`."""
    options = (
        click.option("--app", default="", help="Only runs of this app."),
        click.option("--target", default="", help="Only runs of this target."),
        click.option("--run", "run_id", default="", metavar="ID", help="Only this run."),
        click.option("--branch", default="", help="Only runs of this branch."),
        click.option("--since", default="", metavar="WHEN", help="Only runs since then: 30d, 12h, 2026-11-01."),
        click.option("--until", default="", metavar="WHEN", help="Only runs before then."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def make_selection(
    *, app: str, target: str, run_id: str, branch: str, since: str, until: str, series: str = ""
) -> Selection:
    """The selection that the options describe. Raises ConfigError for an invalid time."""
    from profileapp.store.select import Selection  # noqa: PLC0415  (needs an extra)

    return Selection(
        app=app,
        target=target,
        run_id=run_id,
        branch=branch,
        series=series,
        since_ns=moment_ns("--since", since),
        until_ns=moment_ns("--until", until),
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
