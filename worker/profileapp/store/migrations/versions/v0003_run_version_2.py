"""The names of run.json version 2: `exit_reason`, `stddev`, and budgets that are met or violated."""

from __future__ import annotations

import json
import re
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_RENAMED = {"ending": "exit_reason", "in_turn_with": "interleaved_with", "passed_as": "env_var"}
_BUDGET_STATES = {"kept": "met", "broken": "violated"}
_ROWS_AT_ONCE = 200


def upgrade() -> None:
    """Renames the columns, and rewrites the run.json of each stored run."""
    op.alter_column("run", "ending", new_column_name="exit_reason")
    op.alter_column("run_series", "sd", new_column_name="stddev")
    connection = op.get_bind()
    run = sa.table("run", sa.column("id", sa.BigInteger), sa.column("document", sa.Text))
    last = 0
    while True:
        page = sa.select(run.c.id, run.c.document).where(run.c.id > last).order_by(run.c.id).limit(_ROWS_AT_ONCE)
        rows = connection.execute(page).all()
        if not rows:
            return
        for run_id, document in rows:
            changed = version_2(document)
            connection.execute(run.update().where(run.c.id == run_id).values(document=changed))
        last = rows[-1][0]


def version_2(document: str) -> str:
    """Converts the text of a run.json from version 1 to version 2."""
    content = json.loads(document)
    _rename(content)
    for repeat in content.get("repeats", ()):
        _rename(repeat)
    target = content.get("target", {})
    for holder in (target, *target.get("services", ())):
        for secret in holder.get("secrets", ()):
            _rename(secret)
    if "budgets" in target:
        target["budgets"] = {_renamed_key(key): condition for key, condition in target["budgets"].items()}
    for budget in content.get("budgets", ()):
        budget["key"] = _renamed_key(budget["key"])
        budget["state"] = _BUDGET_STATES.get(budget["state"], budget["state"])
    for phase in content.get("phases", ()):
        _rename_statistics(phase.get("summary", ()))
    _rename_statistics(content.get("summary", ()))
    for number in (*content.get("numbers", ()), *(content.get("baseline") or {}).get("numbers", ())):
        if number.get("statistic") == "sd":
            number["statistic"] = "stddev"
    content["version"] = 2
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _rename(content: dict[str, Any]) -> None:
    for old, new in _RENAMED.items():
        if old in content:
            content[new] = content.pop(old)


def _renamed_key(key: str) -> str:
    return re.sub(r"\.sd(?=@|$)", ".stddev", key)


def _rename_statistics(summaries: list[dict[str, Any]]) -> None:
    for summary in summaries:
        if "sd" in summary:
            summary["stddev"] = summary.pop("sd")
