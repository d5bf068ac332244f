"""Configurations are stored with every version and its author."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from profileapp.errors import ConfigError, StoreError
from profileapp.store.configurations import listing, load_saved, remove, save, versions
from profileapp.store.database import open_database
from tests.helpers.private_postgres import PrivatePostgres

NAME = "alice/objcounter/night"


def content(timeout_s: int) -> str:
    return f"profiling:\n  defaults: {{timeout: {timeout_s}}}\n"


def test_versions_are_added_and_never_replaced(db: str) -> None:
    database = open_database(db, write=True)
    first, is_new = save(database, NAME, content(1), "alice", "a start")
    assert is_new and first.version == 1 and first.saved_role == ("tester" if database.is_postgresql else "")
    assert save(database, NAME, content(1), "bob") == (first, False)
    save(database, NAME, content(2), "bob\0", "longer")
    save(database, "alice/other/day", content(3), "alice")
    assert load_saved(database, NAME).content == content(2)
    assert load_saved(database, NAME, 1).comment == "a start"
    assert [each.saved_by for each in versions(database, NAME)] == ["alice", "bob�"]
    assert [(each.name, each.version) for each in listing(database)] == [(NAME, 2), ("alice/other/day", 1)]
    assert [each.name for each in listing(database, "alice/other")] == ["alice/other/day"]
    assert listing(database, "bob") == []
    assert remove(database, NAME, "carol", "not used").content is None
    assert [each.name for each in listing(database)] == ["alice/other/day"]
    with pytest.raises(ConfigError, match="was removed by carol"):
        load_saved(database, NAME)
    assert load_saved(database, NAME, 2).saved_by == "bob�"
    assert save(database, NAME, content(4), "alice")[0].version == 4


def test_missing_configurations_and_invalid_names(db: str) -> None:
    database = open_database(db, write=True)
    for name in ("alice", "a/b", "a/b/c/d", "../b/c", "a/b/'; DROP TABLE run; --", "a/b/" + "c" * 64, "a/b/c\n"):
        with pytest.raises(ConfigError, match="must be OWNER/APP/NAME"):
            save(database, name, content(1), "alice")
    with pytest.raises(ConfigError, match="no such configuration"):
        load_saved(database, NAME)
    with pytest.raises(ConfigError, match="no such configuration"):
        remove(database, NAME, "alice")
    with pytest.raises(ConfigError, match="has no key 'profiling'"):
        save(database, NAME, "{}", "alice")
    save(database, NAME, content(1), "alice")
    with pytest.raises(ConfigError, match="has no version 7; it has 1 to 1"):
        load_saved(database, NAME, 7)


def test_concurrent_saves(db: str) -> None:
    open_database(db, write=True)
    numbers: list[int] = []
    barrier = threading.Barrier(4)

    def save_one(timeout_s: int) -> None:
        barrier.wait()
        numbers.append(save(open_database(db, write=True), NAME, content(timeout_s), "alice")[0].version)

    threads = [threading.Thread(target=save_one, args=(each,)) for each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(numbers) == [1, 2, 3, 4]


def test_documented_roles_have_the_documented_rights(postgres: PrivatePostgres) -> None:
    url = postgres.new_database()
    save(open_database(url, write=True), NAME, content(1), "alice")
    name = url.split("/")[3].split("?")[0]
    text = (Path(__file__).parents[2] / "docs/database.md").read_text(encoding="utf-8")
    sql = text.split("```sql\n")[1].split("```")[0]
    postgres.sql(sql, name)
    postgres.sql("CREATE ROLE bob LOGIN IN ROLE profile_reader; CREATE ROLE alice LOGIN IN ROLE profile_writer", name)
    try:
        assert listing(open_database(postgres.url(name, "bob"), write=False))[0].name == NAME
        with pytest.raises(StoreError, match="permission denied"):
            save(open_database(postgres.url(name, "bob"), write=True), NAME, content(2), "bob")
        saved, _ = save(open_database(postgres.url(name, "alice"), write=True), NAME, content(2), "alice")
        assert (saved.version, saved.saved_role) == (2, "alice")
        with pytest.raises(StoreError, match="row-level security"):
            save(open_database(postgres.url(name, "alice"), write=True), "carol/app/x", content(2), "alice")
        save(open_database(url, write=True), "carol/app/x", content(3), "carol")
        with pytest.raises(StoreError, match="row-level security"):
            save(open_database(postgres.url(name, "alice"), write=True), "carol/app/x", content(4), "alice")
    finally:
        postgres.sql(
            "DROP OWNED BY profile_reader, profile_writer; DROP ROLE alice, bob, profile_reader, profile_writer", name
        )
