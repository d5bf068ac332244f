"""Opening a database: URLs, tables of every version, and one-line errors."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import inspect, select, text

from profileapp.errors import ConfigError, StoreError
from profileapp.model.run import Run
from profileapp.store import migrate, schema
from profileapp.store.database import Database, open_database
from profileapp.store.ingest import store_folder
from profileapp.store.text import KEY_LIMIT, stored_key
from profileapp.store.url import parse_url, shown
from tests.helpers.private_postgres import PrivatePostgres
from tests.store.old_forms import an_old_run, store_in_form
from tests.store.runs import a_run, record


@pytest.mark.parametrize(
    ("given", "driver", "expected"),
    [
        ("profiles.db", "sqlite+pysqlite", "profiles.db"),
        ("sqlite:////srv/a b.db", "sqlite+pysqlite", "/srv/a b.db"),
        ("postgresql://ann:secret@db/p", "postgresql+psycopg", "postgresql://ann:***@db/p"),
        ("postgres://ann@db/p?password=secret", "postgresql+psycopg", "postgresql://ann@db/p"),
        ("postgresql+psycopg://db/p", "postgresql+psycopg", "postgresql://db/p"),
    ],
)
def test_urls(given: str, driver: str, expected: str) -> None:
    url = parse_url(given)
    assert url.drivername == driver and shown(url) == expected


@pytest.mark.parametrize(
    "given",
    ["mysql://u:secret@h/x", "", "://secret", "sqlite://", "sqlite:///:memory:", "postgresql+pg8000://secret@h/x"],
)
def test_bad_urls_are_refused_without_repeating_a_password(given: str) -> None:
    with pytest.raises(ConfigError, match=r"^--db: ") as caught:
        parse_url(given)
    assert "secret" not in str(caught.value)


def test_long_keys_that_differ_at_the_end_stay_distinct() -> None:
    first, second = (stored_key("x" * 5000 + end) for end in "ab")
    assert first != second and len(first) == len(second) == KEY_LIMIT


def test_migrations_create_the_tables_of_the_code(db: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    database = open_database(db, write=True)
    with database.transaction() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []


def test_head_is_the_last_migration() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "profileapp.store:migrations")
    script = ScriptDirectory.from_config(config)
    steps = [each.revision for each in script.walk_revisions()]
    assert script.get_current_head() == migrate.HEAD and sorted(steps) == list(migrate.KNOWN)


def kept_runs(database: Database) -> list[Run]:
    with database.transaction() as connection:
        return [
            msgspec.json.decode(document, type=Run)
            for document in connection.execute(select(schema.run.c.document)).scalars()
        ]


@pytest.mark.parametrize("step", migrate.KNOWN)
def test_every_older_database_is_migrated_with_its_data(db: str, tmp_path: Path, step: str) -> None:
    url = parse_url(db)
    from profileapp.store.database import _engine

    old = Database(_engine(url, write=True), "old")
    with old.transaction() as connection:
        migrate.upgrade(connection, "old", to=step)
    folder = record(tmp_path / "out", an_old_run())
    store_in_form(step, old, folder)
    if step != migrate.HEAD:
        with pytest.raises(StoreError, match="has the tables of an older profileapp"):
            open_database(db, write=False)
    database = open_database(db, write=True)
    assert store_folder(database, folder).outcome == "already stored"
    new = open_database(f"sqlite:///{tmp_path}/new.db", write=True)
    store_folder(new, folder)
    assert kept_runs(database) == kept_runs(new)
    with database.transaction() as connection:
        assert connection.execute(select(schema.run_series.c.stddev)).scalars().all()
    with database.transaction() as connection:
        assert set(schema.metadata.tables) <= set(inspect(connection).get_table_names())
        assert migrate.revision_of(connection) == migrate.HEAD


def test_a_newer_database_is_unchanged(db: str) -> None:
    database = open_database(db, write=True)
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for write in (True, False):
        with pytest.raises(StoreError, match=r"created by a newer profileapp .*'9999'"):
            open_database(db, write=write)


def test_concurrent_migrations(db: str) -> None:
    failures: list[Exception] = []
    barrier = threading.Barrier(4)

    def migrate_one() -> None:
        barrier.wait()
        try:
            open_database(db, write=True)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=migrate_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    open_database(db, write=False)


@pytest.mark.parametrize("step", migrate.KNOWN[:-1])
def test_concurrent_programs_migrate_an_older_database_and_store_into_it(db: str, tmp_path: Path, step: str) -> None:
    from profileapp.store.database import _engine

    old = Database(_engine(parse_url(db), write=True), "old")
    with old.transaction() as connection:
        migrate.upgrade(connection, "old", to=step)
    store_in_form(step, old, record(tmp_path / "first", a_run("first")))
    folders = [record(tmp_path / name, a_run(name)) for name in ("a", "b", "c")]
    argv = [sys.executable, "-m", "profileapp", "store", "--db", db]
    programs = [
        subprocess.Popen([*argv, str(folder.parent)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for folder in folders
    ]
    output = [program.communicate(timeout=120) for program in programs]
    assert [program.returncode for program in programs] == [0, 0, 0], output
    with open_database(db, write=False).transaction() as connection:
        assert migrate.revision_of(connection) == migrate.HEAD
        runs = connection.execute(text("SELECT run_id FROM run ORDER BY run_id")).scalars().all()
    assert runs == ["a", "b", "c", "first"]


def test_an_invalid_database_is_an_error(tmp_path: Path) -> None:
    for path, expected in (
        (tmp_path, "is a folder"),
        (tmp_path / "none.db", "no such database"),
        (tmp_path / "text.db", "is not a database"),
    ):
        (tmp_path / "text.db").write_text("hello " * 500)
        with pytest.raises(StoreError, match=expected):
            open_database(str(path), write=False)
    with pytest.raises(StoreError, match=r"the folder .* does not exist"):
        open_database(str(tmp_path / "no" / "profiles.db"), write=True)
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreError, match="has no tables of profileapp"):
        open_database(str(tmp_path / "empty.db"), write=False)


def test_an_unreachable_server_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        open_database(f"postgresql://ann:secret@/x?host={tmp_path}", write=True)
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_read_only_role_can_read(postgres: PrivatePostgres, tmp_path: Path) -> None:
    url = postgres.new_database()
    store_folder(open_database(url, write=True), record(tmp_path / "out", a_run()))
    name = url.split("/")[3].split("?")[0]
    postgres.sql(f"CREATE ROLE reader{name} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader{name}", name)
    reader = postgres.url(name, f"reader{name}")
    with open_database(reader, write=False).transaction() as connection:
        assert connection.execute(text("SELECT count(*) FROM run")).scalar_one() == 1
    with pytest.raises(StoreError, match="permission denied"):
        store_folder(open_database(reader, write=True), record(tmp_path / "b", a_run("r2")))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may read; pytest's own is private."""
    with tempfile.TemporaryDirectory(prefix="pa-db-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


OPEN = """
import os, sys
from profileapp.errors import StoreError
from profileapp.store.database import Database, open_database
import alembic.command, sqlalchemy.dialects.sqlite.pysqlite
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
open_database(sys.argv[1], write=False)
try:
    open_database(sys.argv[1], write=True)
except StoreError as error:
    print(error)
"""


def test_a_read_only_file_is_readable_and_unchanged(open_folder: Path, tmp_path: Path) -> None:
    path = open_folder / "profiles.db"
    store_folder(open_database(str(path), write=True), record(tmp_path / "out", a_run()))
    path.chmod(0o444)
    done = subprocess.run([sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{path}: it is read-only; nothing was changed\n"
