"""What an app can write into the database that supplies other apps' baselines: only its own runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from profileapp.model.run import Build
from profileapp.model.target import App
from profileapp.store.database import open_database
from profileapp.store.ingest import store_folder
from profileapp.store.owner import project_of
from tests.helpers.private_postgres import PrivatePostgres
from tests.store.runs import a_run, record


def store(
    cwd: Path, *arguments: str, job: str, number: str = "7", branch: str = ""
) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-I", "-m", "profileapp", "store", "profile", "--db", "sqlite:///runs.db", *arguments]
    jenkins = {"JOB_NAME": job, "BUILD_NUMBER": number, "BRANCH_NAME": branch}
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **jenkins})


def of(job: str, number: str = "7", branch: str = "main") -> Build:
    return Build(job=job, number=number, branch=branch)


@pytest.mark.parametrize(
    ("forged", "title"),
    [
        (a_run("forged", app=App("victim"), build=of("attacker")), "app"),
        (a_run("forged", app=App("attacker"), build=of("victim")), "job"),
        (a_run("forged", app=App("attacker"), build=of("attacker", "6")), "build"),
    ],
)
def test_refused_a_forged_run_of_another_app_job_or_build(tmp_path: Path, forged: object, title: str) -> None:
    """Refused: a run.json written by the app beside its own would poison another app's baseline."""
    record(tmp_path / "profile", a_run("own", target="own", app=App("attacker"), build=of("attacker")))
    record(tmp_path / "profile", forged)  # type: ignore[arg-type]
    done = store(tmp_path, "--own-app", "attacker", job="attacker")
    assert done.returncode == 4, done
    assert "stored: own" in done.stdout and "stored: gpu" not in done.stdout
    assert f"its {title} is '" in done.stderr and "'forged'" in done.stderr


def test_refused_a_sage_yaml_that_takes_another_apps_name(tmp_path: Path) -> None:
    """Refused: the first job that stored an app owns it; a pull request may change the name in its sage.yaml."""
    record(tmp_path / "profile", a_run("first", app=App("victim"), build=of("victim/main")))
    assert store(tmp_path, "--own-app", "victim", job="victim/main", branch="main").returncode == 0
    record(tmp_path / "profile", a_run("again", app=App("victim"), build=of("victim/feature%2Fx", branch="feature/x")))
    done = store(tmp_path, "--own-app", "victim", job="victim/feature%2Fx", branch="feature/x")
    assert done.returncode == 0, done.stderr
    record(tmp_path / "profile", a_run("poison", app=App("victim"), build=of("attacker/main")))
    done = store(tmp_path, "--own-app", "victim", job="attacker/main", branch="main")
    assert (done.returncode, done.stdout) == (4, ""), done
    assert "from the job 'victim', and this is 'attacker'" in done.stderr
    done = store(tmp_path, "--own-app", "victim", "--claim-app", job="attacker/main", branch="main")
    assert done.returncode == 0, "the Jenkinsfile, which the job's owner trusts, allows it"


def test_refused_outside_of_jenkins(tmp_path: Path) -> None:
    record(tmp_path / "profile", a_run())
    assert store(tmp_path, "--own-app", "objcounter", job="", number="").returncode == 3
    assert store(tmp_path, "--claim-app", job="x").returncode == 3


@pytest.mark.parametrize(
    ("job", "branch", "project"),
    [
        ("app/main", "main", "app"),
        ("team/app/feature%2Fx", "feature/x", "team/app"),
        ("app", "main", "app"),
        ("main", "main", "main"),
        ("team/app", "", "team/app"),
    ],
)
def test_held_a_multibranch_job_is_one_project(job: str, branch: str, project: str) -> None:
    assert project_of(job, branch) == project


def test_a_schema_with_precedence_over_ours_is_held(postgres: PrivatePostgres, tmp_path: Path) -> None:
    """A role that may create a schema with the writer's name could otherwise read, or forge, stored data."""
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


def test_a_search_path_in_the_url_is_used(postgres: PrivatePostgres, tmp_path: Path) -> None:
    """Users who keep the tables in another schema put it in the URL."""
    url = postgres.new_database()
    name = make_url(url).database or ""
    postgres.sql("CREATE SCHEMA team", name)
    own = f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3Dteam"
    database = open_database(own, write=True)
    store_folder(database, record(tmp_path, a_run("ours")))
    with database.transaction() as connection:
        assert connection.execute(text("SELECT count(*) FROM team.run")).scalar() == 1
