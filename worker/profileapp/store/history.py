"""Reads trends, and summaries of runs, from the database."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select

from profileapp.errors import ConfigError
from profileapp.judge.compare import Measured, matches_path, split_metric, title_of
from profileapp.judge.headline import headlines
from profileapp.model.history import Point, Trend
from profileapp.model.run import SeriesSummary
from profileapp.model.text import printable
from profileapp.store import schema
from profileapp.store.database import Database, retried
from profileapp.store.select import Selection
from profileapp.store.text import stored_key

RUNS_LIMIT = 20_000
GOOD = ("passed", "worse", "over budget")
"""Verdicts of finished runs: the numbers of others are not comparable."""

_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")
_BUILD = re.compile(r"(.+)#([0-9]{1,9})")


class _Wanted(msgspec.Struct, frozen=True):
    series_id: int
    title: str
    statistic: str
    unit: str


@retried
def trends(database: Database, selection: Selection, metric: str = "", last: int = RUNS_LIMIT) -> list[Trend]:
    """A trend of each selected target, device and series, over at most the `last` runs.

    `metric` is a series as in a budget, with a statistic (default: mean); "" for the headline numbers of
    the last run of each target. Raises ConfigError for an unknown app or metric.
    """
    run = schema.run
    with database.transaction() as connection:
        columns = ("id", "run_id", "started_ns", "target", "device", "power_mode", "git_commit", "job", "build_number")
        rows = connection.execute(
            select(*(run.c[name] for name in columns), run.c.build_url)
            .where(selection.runs(), run.c.verdict.in_(GOOD))
            .order_by(run.c.started_ns.desc(), run.c.id.desc())
            .limit(last)
        ).all()
        if not rows:
            raise ConfigError(f"{database.name}: contains no finished run of '{printable(selection.app)}'")
        groups: dict[tuple[str, str], list[Row[Any]]] = {}
        for row in reversed(rows):
            groups.setdefault((row.target, " ".join((row.device, row.power_mode)).strip()), []).append(row)
        wanted = {key: _wanted(connection, group[-1].id, metric) for key, group in groups.items()}
        values: dict[tuple[int, str], dict[int, float]] = {}
        for each in dict.fromkeys((one.series_id, one.statistic) for ones in wanted.values() for one in ones):
            values[each] = _values(connection, *each, selection, oldest_ns=rows[-1].started_ns)
    found = []
    for (target, device), group in groups.items():
        for one in wanted[target, device]:
            points = _points(group, values[one.series_id, one.statistic])
            found.append(Trend(selection.app, target, device, one.title, one.statistic, one.unit, points))
    found = [trend for trend in found if trend.points]
    if not found:
        raise ConfigError(f"'{printable(metric)}': no run of '{printable(selection.app)}' measured it")
    return found


def _points(group: list[Row[Any]], values: dict[int, float]) -> tuple[Point, ...]:
    return tuple(
        Point(
            run_id=row.run_id,
            started_ns=row.started_ns,
            value=values[row.id],
            commit=row.git_commit,
            build=f"{row.job}#{row.build_number}" if row.job else "",
            build_url=row.build_url,
        )
        for row in group
        if row.id in values
    )


def _values(
    connection: Connection, series_id: int, statistic: str, selection: Selection, oldest_ns: int
) -> dict[int, float]:
    run, run_series = schema.run, schema.run_series
    statement = (
        select(run_series.c.run_id, run_series.c[statistic])
        .join(run, run.c.id == run_series.c.run_id)
        .where(run_series.c.series_id == series_id, selection.runs(), run.c.started_ns >= oldest_ns)
    )
    return {key: float(value) for key, value in connection.execute(statement) if value is not None}


def _wanted(connection: Connection, run_key: int, metric: str) -> list[_Wanted]:
    summaries = _summaries(connection, run_key)
    if metric:
        path, statistic = split_metric(metric)
        return [
            _Wanted(key, title_of(one.name, one.labels), statistic, one.unit if statistic != "count" else "")
            for key, one in summaries
            if matches_path(path, one.name, one.labels)
        ]
    keys = {title_of(one.name, one.labels): key for key, one in summaries}
    chosen = headlines([one for _, one in summaries])
    return [_Wanted(keys[one.series_title], one.series_title, one.statistic, one.unit) for one in chosen]


def _summaries(connection: Connection, run_key: int) -> list[tuple[int, SeriesSummary]]:
    """Each series with statistics of a run, with its key in `series`."""
    series, run_series = schema.series, schema.run_series
    rows = connection.execute(
        select(series, run_series)
        .join(run_series, run_series.c.series_id == series.c.id)
        .where(run_series.c.run_id == run_key, run_series.c.count > 0)
        .order_by(series.c.name, series.c.labels)
    ).mappings()
    numbers = [name for name in SeriesSummary.__struct_fields__ if name in run_series.c and name != "count"]
    return [
        (
            row[series.c.id],
            SeriesSummary(
                name=row[series.c.name],
                unit=row[series.c.unit],
                metric=row[series.c.metric],
                labels=_labels(row[series.c.labels]),
                kind=row[series.c.kind],
                count=row[run_series.c.count],
                **{name: row[run_series.c[name]] for name in numbers},
            ),
        )
        for row in rows
    ]


@retried
def measured(database: Database, reference: str, app: str = "") -> list[Measured]:
    """The runs that a reference selects: a run's id, JOB#NUMBER, a commit's prefix, or a branch's last commit.

    Raises ConfigError if it selects none.
    """
    run = schema.run
    of_app = and_(run.c.app == stored_key(app)) if app else and_(run.c.id > 0)
    with database.transaction() as connection:
        for condition in _conditions(connection, reference, of_app):
            rows = connection.execute(
                select(run.c.id, run.c.target, run.c.device, run.c.power_mode)
                .where(condition, of_app, run.c.verdict.in_(GOOD))
                .order_by(run.c.started_ns)
                .limit(RUNS_LIMIT)
            ).all()
            if rows:
                return [
                    Measured(
                        row.target,
                        " ".join((row.device, row.power_mode)).strip(),
                        tuple(one for _, one in _summaries(connection, row.id)),
                    )
                    for row in rows
                ]
    raise ConfigError(
        f"'{printable(reference)}': no folder, and in {database.name} no run's id, JOB#NUMBER, commit or branch "
        "of a run that finished"
    )


def _conditions(connection: Connection, reference: str, of_app: ColumnElement[bool]) -> list[ColumnElement[bool]]:
    run = schema.run
    key = stored_key(reference)
    found: list[ColumnElement[bool]] = [run.c.run_id == key]
    build = _BUILD.fullmatch(reference)
    if build:
        found.append(and_(run.c.job == stored_key(build[1]), run.c.build_number == build[2]))
    if _COMMIT.fullmatch(reference):
        found.append(run.c.git_commit.startswith(key.lower(), autoescape=True))
    newest = connection.execute(
        select(run.c.git_commit, run.c.run_id)
        .where(run.c.branch == key, of_app, run.c.verdict.in_(GOOD))
        .order_by(run.c.started_ns.desc())
        .limit(1)
    ).one_or_none()
    if newest is not None:
        same = run.c.git_commit == newest.git_commit if newest.git_commit else run.c.run_id == newest.run_id
        found.append(and_(run.c.branch == key, or_(same)))
    return found


def _labels(text: str) -> dict[str, str]:
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, RecursionError):
        # Labels longer than the database's limit.
        return {"": text}
