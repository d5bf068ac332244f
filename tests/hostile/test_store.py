"""What may lie in a shared database before we come, and what it must not change."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import make_url

from helpers.private_postgres import PrivatePostgres
from profileapp.store.database import open_database
from profileapp.store.ingest import store_folder
from store.runs import a_run, record


def test_a_schema_that_stands_before_ours_is_held(postgres: PrivatePostgres, tmp_path: Path) -> None:
    """A role that may make a schema of the writer's name would else get, or forge, what others store."""
    url = postgres.new_database()
    name = make_url(url).database or ""
    open_database(url, write=True)
    postgres.sql(
        "CREATE SCHEMA tester; CREATE TABLE tester.run (LIKE public.run INCLUDING ALL);"
        "CREATE TABLE tester.alembic_version (version_num text); INSERT INTO tester.alembic_version VALUES ('9999')",
        name,
    )
    database = open_database(url, write=True)
    store_folder(database, record(tmp_path, a_run("mine")))
    with database.transaction() as connection:
        ours = connection.execute(text("SELECT count(*) FROM public.run")).scalar()
        theirs = connection.execute(text("SELECT count(*) FROM tester.run")).scalar()
    assert (ours, theirs) == (1, 0)


def test_a_search_path_of_the_url_itself_is_taken(postgres: PrivatePostgres, tmp_path: Path) -> None:
    """Whoever keeps the tables in a schema of their own says so in the URL."""
    url = postgres.new_database()
    name = make_url(url).database or ""
    postgres.sql("CREATE SCHEMA team", name)
    own = f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3Dteam"
    database = open_database(own, write=True)
    store_folder(database, record(tmp_path, a_run("ours")))
    with database.transaction() as connection:
        assert connection.execute(text("SELECT count(*) FROM team.run")).scalar() == 1
