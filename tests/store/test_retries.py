"""Every transaction is retried if its connection breaks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlalchemy import Connection

from profileapp.retry import Patience
from profileapp.store.configurations import listing, load_saved, save
from profileapp.store.database import Database, LostConnection, open_database
from profileapp.store.earlier import earlier_runs
from profileapp.store.history import measured, trends
from profileapp.store.ingest import store_folder
from profileapp.store.owner import StoringBuild, check_owner
from profileapp.store.retention import Policy, prune
from profileapp.store.select import Selection
from tests.store.runs import START_NS, a_run, record

APP = Selection(app="objcounter")
CONTENT = "profiling: {}\n"


@pytest.mark.parametrize(
    "work",
    [
        lambda database: earlier_runs(database, APP, ("passed",)),
        lambda database: trends(database, APP),
        lambda database: measured(database, "run-1"),
        lambda database: check_owner(database, StoringBuild("other", "job", "1")),
        lambda database: save(database, "ann/app/new", CONTENT, "ann"),
        lambda database: load_saved(database, "ann/app/night"),
        listing,
        lambda database: prune(database, Policy(remove_before_ns=START_NS + 10**18), APP),
    ],
    ids=["earlier", "trends", "measured", "owner", "save", "load", "listing", "prune"],
)
def test_work_on_a_broken_connection_is_retried(
    work: Callable[[Database], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/profiles.db"
    pauses: list[float] = []
    notes: list[str] = []
    database = open_database(url, write=True, patience=Patience(60, pause=pauses.append), note=notes.append)
    store_folder(database, record(tmp_path / "out", a_run("run-1")))
    save(database, "ann/app/night", CONTENT, "ann")
    whole = Database.transaction
    begun: list[int] = []

    def breaks_at_first(opened: Database) -> AbstractContextManager[Connection]:
        begun.append(1)
        if len(begun) == 1:
            raise LostConnection("the server is gone")
        return whole(opened)

    monkeypatch.setattr(Database, "transaction", breaks_at_first)
    work(database)
    assert len(pauses) == 1 and "the server is gone; trying again in" in notes[0]
    monkeypatch.setattr(Database, "transaction", _always_lost)
    with pytest.raises(LostConnection):
        work(open_database(url, write=True, patience=Patience(0)))


def _always_lost(_: Database) -> AbstractContextManager[Connection]:
    raise LostConnection("the server is gone")
