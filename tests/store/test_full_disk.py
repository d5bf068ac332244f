"""PostgreSQL on a full disk: no partial data, a one-line error, and stored data is intact."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from profileapp.errors import StoreError
from profileapp.store import schema
from profileapp.store.configurations import load_saved, save
from profileapp.store.database import Database, open_database
from profileapp.store.ingest import store_folder
from tests.helpers.private_postgres import PrivatePostgres
from tests.helpers.small_disk import NoSmallDisk, SmallDisk, small_disk
from tests.store.runs import CPU, a_run, record

MIB = 1024**2


@pytest.fixture
def disk(postgres: PrivatePostgres) -> Iterator[SmallDisk]:
    """The disk of the tablespace `small`."""
    path = postgres.folder / "small"
    path.mkdir()
    try:
        with small_disk(path, "48m", postgres.user) as found:
            postgres.sql(f"CREATE TABLESPACE small LOCATION '{path}'", "postgres")
            try:
                yield found
            finally:
                postgres.sql("DROP DATABASE IF EXISTS on_small WITH (FORCE)", "postgres")
                postgres.sql("DROP TABLESPACE small", "postgres")
    except NoSmallDisk as error:
        pytest.skip(f"no small disk can be mounted: {error}")
    finally:
        path.rmdir()


@pytest.fixture
def url(disk: SmallDisk, postgres: PrivatePostgres) -> str:
    """A database on that disk."""
    postgres.sql("CREATE DATABASE on_small TABLESPACE small", "postgres")
    return postgres.url("on_small")


def runs_and_samples(database: Database) -> tuple[int, int]:
    with database.transaction() as connection:
        runs, samples = (
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (schema.run, schema.sample)
        )
    return runs, samples


def test_a_run_without_disk_space_is_not_stored_and_can_be_stored_later(
    disk: SmallDisk, url: str, tmp_path: Path
) -> None:
    database = open_database(url, write=True)
    store_folder(database, record(tmp_path / "small", a_run("small")))
    before = runs_and_samples(database)
    large = record(tmp_path / "large", a_run("large"), {CPU: [float(number) for number in range(40_000)]})
    disk.fill(leave_bytes=MIB // 2)
    with pytest.raises(StoreError, match="the disk is full; nothing was changed") as caught:
        store_folder(database, large)
    assert "\n" not in str(caught.value)
    assert runs_and_samples(database) == before
    assert (large / "metrics.ndjson").stat().st_size > MIB, "the artifacts are as they were"
    disk.make_room()
    assert store_folder(database, large).outcome == "stored"
    assert runs_and_samples(database) == (2, before[1] + 40_000)


def test_tables_without_disk_space_are_not_created_in_part(disk: SmallDisk, url: str) -> None:
    disk.fill(leave_bytes=0)
    with pytest.raises(StoreError, match="the server cannot write to its disk, which may be full"):
        open_database(url, write=True)
    disk.make_room()
    disk.fill(leave_bytes=MIB // 4)
    with pytest.raises(StoreError, match="the disk is full; nothing was changed"):
        open_database(url, write=True)
    with pytest.raises(StoreError, match="has no tables of profileapp"):
        open_database(url, write=False)
    disk.make_room()
    assert runs_and_samples(open_database(url, write=True)) == (0, 0)


def test_a_configuration_without_disk_space_keeps_the_last_version(disk: SmallDisk, url: str) -> None:
    database = open_database(url, write=True)
    save(database, "ann/app/night", "profiling: {}\n", "ann")
    disk.fill(leave_bytes=0)
    with pytest.raises(StoreError, match="the disk is full; nothing was changed"):
        for number in range(2000):
            save(database, "ann/app/night", f"profiling: {{}}\n# {number} {'x' * 2000}\n", "ann")
    disk.make_room()
    last = load_saved(database, "ann/app/night")
    assert last.version >= 1 and last.content and last.content.startswith("profiling: {}\n")


def test_a_server_with_a_full_disk_stores_nothing_and_recovers(tmp_path: Path) -> None:
    """The whole server, not only a tablespace: without room for its log it shuts down; stored data is intact."""
    try:
        server = PrivatePostgres(size="160m")
    except NoSmallDisk as error:
        pytest.skip(f"no small disk can be mounted: {error}")
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no PostgreSQL server can be started: {error}")
    try:
        database = open_database(server.new_database(), write=True)
        store_folder(database, record(tmp_path / "small", a_run("small")))
        assert server.disk
        server.disk.fill(leave_bytes=MIB)
        folder = record(tmp_path / "large", a_run("large"), {CPU: [float(number) for number in range(200_000)]})
        with pytest.raises(StoreError) as caught:
            store_folder(database, folder)
        assert "\n" not in str(caught.value)
        server.disk.make_room()
        server.stop()
        server.start()
        assert runs_and_samples(database) == (1, 6)
        assert store_folder(database, folder).outcome == "stored"
    finally:
        server.remove()
