"""Runs, series, samples, functions and kernels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _whole(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def _numbers(*names: str, nullable: bool = False) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Double, nullable=nullable) for name in names]


def _child_of(table: str, *, primary_key: bool = False) -> sa.Column[int]:
    key = sa.ForeignKey(f"{table}.id", ondelete="CASCADE")
    return sa.Column(f"{table}_id", _ID, key, nullable=False, primary_key=primary_key)


def _position(kind: sa.types.TypeEngine[int]) -> sa.Column[int]:
    return sa.Column("position", kind, primary_key=True, autoincrement=False)


def upgrade() -> None:
    """Creates the tables."""
    op.create_table(
        "run",
        sa.Column("id", _ID, primary_key=True),
        *_texts("run_id", "app", "app_version", "target", "state", "ending", "verdict"),
        *_whole("exit_code", "started_ns", "ended_ns"),
        *_texts("image", "image_digest", "hostname", "device", "jetpack", "power_mode"),
        sa.Column("clocks_locked", sa.Boolean),
        *_texts("job", "build_number", "build_url", "git_commit", "branch", "node"),
        *_whole("sample_count", "spacing_ns", "stored_ns"),
        *_texts("document"),
        sa.UniqueConstraint("run_id", name="run_run_id"),
    )
    op.create_index("run_app_target_started", "run", ["app", "target", "started_ns"])
    op.create_table(
        "series",
        sa.Column("id", _ID, primary_key=True),
        *_texts("digest", "name", "unit", "metric", "kind", "labels"),
        sa.UniqueConstraint("digest", name="series_digest"),
    )
    op.create_index("series_name", "series", ["name"])
    op.create_table(
        "run_series",
        sa.Column("id", _ID, primary_key=True),
        _child_of("run"),
        sa.Column("series_id", _ID, sa.ForeignKey("series.id"), nullable=False),
        *_whole("count"),
        *_numbers("mean", "sd", "min", "p50", "p90", "p95", "p99", "max", "last", nullable=True),
        sa.UniqueConstraint("series_id", "run_id", name="run_series_series_run"),
    )
    op.create_index("run_series_run", "run_series", ["run_id"])
    op.create_table(
        "sample",
        sa.Column("run_series_id", _ID, primary_key=True, autoincrement=False),
        _position(_ID),
        *_whole("time_ns"),
        *_numbers("value"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "function",
        _child_of("run", primary_key=True),
        _position(sa.Integer()),
        *_texts("metric", "name", "file"),
        *_whole("line"),
        *_texts("group_name"),
        sa.Column("calls", sa.BigInteger),
        sa.Column("samples", sa.BigInteger),
        *_numbers("exclusive_s", "inclusive_s", nullable=True),
        *_numbers("self_share"),
        *_numbers("total_share", nullable=True),
    )
    op.create_table(
        "kernel",
        _child_of("run", primary_key=True),
        _position(sa.Integer()),
        *_texts("kind", "name", "unit"),
        *_whole("calls"),
        *_numbers("total", "mean", "min", "max", "share"),
    )
