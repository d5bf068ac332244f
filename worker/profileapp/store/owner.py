"""Which runs a Jenkins build may store: its own runs of its own app.

A database is shared by many jobs, and what it holds is what their baselines are compared with. So the runs in a folder
are checked against what Jenkins says of the build that stores them, and not against what the folder says.
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
    """The build that stores: `app` is that of its plan; `branch` is "" but in a multibranch job.

    `claims_app`: the Jenkinsfile names the app, so that no other job's runs of it stand in the way.
    """

    app: str
    job: str
    number: str
    branch: str = ""
    claims_app: bool = False


def check_own(run: Run, build: StoringBuild) -> None:
    """Raises AgentError for a run that this build did not make of its own app."""
    facts = (
        ("app", run.app.name, build.app),
        ("job", run.build.job, build.job),
        ("build", run.build.number, build.number),
    )
    for title, found, own in facts:
        if found != own:
            raise AgentError(
                f"not stored: run '{printable(run.id)}': its {title} is '{printable(found)}', and a build "
                f"stores runs of its own {title} '{printable(own)}' alone"
            )


@retried
def check_owner(database: Database, build: StoringBuild) -> None:
    """Raises AgentError where the database has the app's runs from another job, the first of which owns the app."""
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
    """The project of a job: that of a multibranch job is its path without the branch, which Jenkins percent-encodes."""
    return job.removesuffix(f"/{quote(branch, safe='')}") if branch else job
