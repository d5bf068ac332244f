"""The tables. `migrations/` creates them; a test compares both.

Times are UTC nanoseconds since 1970. Statistics are those of `profileapp.model.run.SeriesSummary`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

# SQLite numbers the rows of an INTEGER key only.
_Id = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _number(name: str) -> Column[float]:
    return Column(name, Double, nullable=False)


def _whole(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _child_of(table: str, name: str, *, primary_key: bool = False) -> Column[int]:
    return Column(name, _Id, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False, primary_key=primary_key)


run = Table(
    "run",
    metadata,
    Column("id", _Id, primary_key=True),
    _text("run_id"),
    _text("app"),
    _text("app_version"),
    _text("target"),
    _text("state"),
    _text("exit_reason"),
    _text("verdict"),
    _whole("exit_code"),
    _whole("started_ns"),
    _whole("ended_ns"),
    _text("image"),
    _text("image_digest"),
    _text("hostname"),
    _text("device"),
    _text("jetpack"),
    _text("power_mode"),
    Column("clocks_locked", Boolean),
    _text("job"),
    _text("build_number"),
    _text("build_url"),
    _text("git_commit"),
    _text("branch"),
    _text("node"),
    _whole("sample_count"),
    # The spacing to which retention thinned the samples; 0: complete.
    _whole("spacing_ns"),
    _whole("stored_ns"),
    # run.json without its summary.
    _text("document"),
    UniqueConstraint("run_id", name="run_run_id"),
    Index("run_app_target_started", "app", "target", "started_ns"),
)

series = Table(
    "series",
    metadata,
    Column("id", _Id, primary_key=True),
    # SHA-256 of all the other columns: a name and its labels may be longer than what can be indexed.
    _text("digest"),
    _text("name"),
    _text("unit"),
    _text("metric"),
    _text("kind"),
    _text("labels"),
    UniqueConstraint("digest", name="series_digest"),
    Index("series_name", "name"),
)

run_series = Table(
    "run_series",
    metadata,
    Column("id", _Id, primary_key=True),
    _child_of("run", "run_id"),
    Column("series_id", _Id, ForeignKey("series.id"), nullable=False),
    # 0 if no sample was measured (only warm-up, or a traced repeat); the statistics are then empty.
    _whole("count"),
    *(Column(name, Double) for name in ("mean", "stddev", "min", "p50", "p90", "p95", "p99", "max", "last")),
    UniqueConstraint("series_id", "run_id", name="run_series_series_run"),
    Index("run_series_run", "run_id"),
)

sample = Table(
    "sample",
    metadata,
    # No foreign key: checking it takes longer than writing the row. Removing a run removes its samples explicitly.
    Column("run_series_id", _Id, primary_key=True, autoincrement=False),
    # Its place among the samples of the series: two may have the same time.
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    _whole("time_ns"),
    _number("value"),
    sqlite_with_rowid=False,
)

function = Table(
    "function",
    metadata,
    _child_of("run", "run_id", primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    _text("metric"),
    _text("name"),
    _text("file"),
    _whole("line"),
    _text("group_name"),
    Column("calls", BigInteger),
    Column("samples", BigInteger),
    Column("exclusive_s", Double),
    Column("inclusive_s", Double),
    _number("self_share"),
    Column("total_share", Double),
)

kernel = Table(
    "kernel",
    metadata,
    _child_of("run", "run_id", primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    _text("kind"),
    _text("name"),
    _text("unit"),
    _whole("calls"),
    *(_number(name) for name in ("total", "mean", "min", "max", "share")),
)

configuration = Table(
    "configuration",
    metadata,
    Column("id", _Id, primary_key=True),
    _text("owner"),
    _text("app"),
    _text("name"),
    UniqueConstraint("owner", "app", "name", name="configuration_owner_app_name"),
)

configuration_version = Table(
    "configuration_version",
    metadata,
    _child_of("configuration", "configuration_id", primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _text("saved_by"),
    _text("saved_role"),
    _whole("saved_ns"),
    _text("comment"),
    # The YAML as given; NULL: removed by this version.
    Column("content", Text),
)
