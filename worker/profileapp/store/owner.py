"""Checks that a Jenkins build stores only its own runs of its own app.

Many jobs share a database, and their baselines depend on its content. So the runs in a folder are compared with what
Jenkins reports of the build that stores them; the folder itself is not trusted.
"""

from __future__ import annotations

from urllib.parse import quote

import msgspec
from sqlalchemy import select

from profileapp.errors import AgentError
from profileapp.model.run import Run
from profileapp.model.text import printable
from profileapp.store import schema
from profileapp.store.database import Database, retried
from profileapp.store.text import stored_key


class StoringBuild(msgspec.Struct, frozen=True):
    """The storing build: `app` comes from its plan; `branch` is "" except in a multibranch job.

    `claims_app`: the Jenkinsfile names the app, so stored runs of other jobs do not prevent storing.
    """

    app: str
    job: str
    number: str
    branch: str = ""
    claims_app: bool = False


def check_own(run: Run, build: StoringBuild) -> None:
    """Raises AgentError unless this build made the run, of its own app."""
    facts = (
        ("app", run.app.name, build.app),
        ("job", run.build.job, build.job),
        ("build", run.build.number, build.number),
    )
    for title, found, own in facts:
        if found != own:
            raise AgentError(
                f"not stored: run '{printable(run.id)}': its {title} is '{printable(found)}', but this build "
                f"stores only runs of its own {title} '{printable(own)}'"
            )


@retried
def check_owner(database: Database, build: StoringBuild) -> None:
    """Raises AgentError if another job owns the app: the one of the app's first stored run."""
    if build.claims_app:
        return
    run = schema.run
    with database.transaction() as connection:
        first = connection.execute(
            select(run.c.job, run.c.branch)
            .where(run.c.app == stored_key(build.app), run.c.job != "")
            .order_by(run.c.id)
            .limit(1)
        ).one_or_none()
    own = project_of(stored_key(build.job), build.branch)
    owner = project_of(first.job, first.branch) if first else own
    if owner != own:
        raise AgentError(
            f"not stored: the database has runs of the app '{printable(build.app)}' from the job "
            f"'{printable(owner)}', and this is '{printable(own)}'; if both profile the same app, name it in the "
            "Jenkinsfile: profileApp(app: …)"
        )


def project_of(job: str, branch: str) -> str:
    """The project of a job: for a multibranch job, its path without the branch, which Jenkins percent-encodes."""
    return job.removesuffix(f"/{quote(branch, safe='')}") if branch else job
