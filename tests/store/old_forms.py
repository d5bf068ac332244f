"""Databases of older versions: the tables of an earlier migration, filled in the format of that time."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
from sqlalchemy import MetaData, Table, func, select

from profileapp.model.run import BudgetResult, HeadlineValue, Run
from profileapp.model.target import Secret, Target
from profileapp.store import schema
from profileapp.store.database import Database, open_database
from profileapp.store.ingest import store_folder
from tests.store.runs import a_run

_COLUMNS = {"exit_reason": "ending", "stddev": "sd"}
_BUDGET_STATES = {"met": "kept", "violated": "broken"}


def an_old_run() -> Run:
    """A run with all fields whose names have changed since."""
    secret = Secret("API_KEY", "weather", "PROFILEAPP_SECRET_weather")
    target = Target("gpu", secrets=(secret,), budgets={"fps.stddev": "< 1", "fps.mean": "> 1"})
    return msgspec.structs.replace(
        a_run(),
        target=target,
        interleaved_with=("cpu",),
        budgets=(
            BudgetResult("fps.stddev", "< 1", "violated", 2.0, 1.0, -1.0),
            BudgetResult("fps.mean", "> 1", "met", 2.0, 1.0, 1.0),
        ),
        numbers=(HeadlineValue("fps", "stddev", "frames/s", 2.0),),
    )


def store_in_form(step: str, database: Database, folder: Path) -> None:
    """Stores a run into `database`, whose tables are at `step`, with the column names and the run.json of that step."""
    if step >= "0003":
        store_folder(database, folder)
        return
    new = open_database(f"sqlite:///{folder}/new.db", write=True)
    store_folder(new, folder)
    with new.transaction() as source, database.transaction() as connection:
        for table in schema.metadata.sorted_tables:
            if table.name.startswith("configuration"):
                continue
            old = Table(table.name, MetaData(), autoload_with=connection)
            for row in source.execute(select(table)).mappings():
                values = {_COLUMNS.get(name, name): value for name, value in row.items()}
                if "document" in values:
                    values["document"] = version_1(values["document"])
                connection.execute(old.insert().values(values))
            if connection.dialect.name == "postgresql" and table.autoincrement_column is not None:
                last = select(func.coalesce(func.max(old.c.id), 1)).scalar_subquery()
                connection.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "id"), last)))
    (folder / "new.db").unlink()


def version_1(document: str) -> str:
    """Converts a current run.json to version 1."""
    content = json.loads(document)
    for holder in (content, *content["repeats"]):
        holder["ending"] = holder.pop("exit_reason")
    content["in_turn_with"] = content.pop("interleaved_with")
    target = content["target"]
    for secret in target["secrets"]:
        secret["passed_as"] = secret.pop("env_var")
    target["budgets"] = {key.replace("stddev", "sd"): condition for key, condition in target["budgets"].items()}
    for budget in content["budgets"]:
        budget["key"] = budget["key"].replace("stddev", "sd")
        budget["state"] = _BUDGET_STATES[budget["state"]]
    for number in content["numbers"]:
        number["statistic"] = number["statistic"].replace("stddev", "sd")
    content["version"] = 1
    return json.dumps(content)
