"""Saved configurations with all their versions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Creates the tables."""
    op.create_table(
        "configuration",
        sa.Column("id", _ID, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("owner", "app", "name")),
        sa.UniqueConstraint("owner", "app", "name", name="configuration_owner_app_name"),
    )
    op.create_table(
        "configuration_version",
        sa.Column(
            "configuration_id",
            _ID,
            sa.ForeignKey("configuration.id", ondelete="CASCADE"),
            nullable=False,
            primary_key=True,
        ),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("saved_by", "saved_role")),
        sa.Column("saved_ns", sa.BigInteger, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("content", sa.Text),
    )
