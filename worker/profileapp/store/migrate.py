"""Upgrades the tables of a database to this version."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

from profileapp.errors import StoreError

HEAD = "0003"
"""The newest step in `migrations/versions`."""
KNOWN = ("0001", "0002", "0003")

# The advisory lock of migrations: an arbitrary number that no other program uses.
_LOCK = 0x70726F66696C65


def revision_of(connection: Connection) -> str | None:
    """The revision of the tables; None if profileapp has no tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return str(found) if found is not None else None


def check_revision(revision: str | None, name: str) -> None:
    """Raises StoreError if the tables are from a newer profileapp. `name` is the database's."""
    if revision is not None and revision not in KNOWN:
        raise StoreError(
            f"{name}: was created by a newer profileapp (its tables are at step '{revision[:40]}', "
            f"this one knows up to {HEAD}); update profileapp"
        )


def upgrade(connection: Connection, name: str, to: str = HEAD) -> None:
    """Creates the tables, or applies the missing migrations, all in the transaction of `connection`.

    A concurrent caller waits, and then finds nothing to do. Raises StoreError if the tables are newer.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    revision = revision_of(connection)
    check_revision(revision, name)
    if revision == to:
        return
    # Importing it takes longer than most commands.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "profileapp.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, to)
