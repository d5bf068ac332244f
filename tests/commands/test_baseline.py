"""End-to-end tests of `profileapp baseline`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from profileapp.judge.verdict import judge_folder
from profileapp.model.run import Agent, Build, Repeat
from profileapp.record.folder import RunFolder
from profileapp.record.reader import read_run
from profileapp.store.database import open_database
from profileapp.store.ingest import store_folder
from tests.store.runs import CPU, FPS, SECOND_NS, START_NS, a_run, record

BUILDS = 12
REPEATS = 5


def baseline(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "profileapp", "baseline", *args]
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False, env=dict(os.environ), timeout=60)


def a_build(out: Path, run_id: str, build: int, fps: float, **changes: object) -> Path:
    """A run of several repeats of one second with one sample each; FPS varies slightly around `fps`."""
    started_ns = START_NS + build * 1000 * SECOND_NS
    starts = [started_ns + number * SECOND_NS for number in range(REPEATS)]
    repeats = tuple(
        Repeat(number, start, start, start + SECOND_NS - 1, "timeout") for number, start in enumerate(starts, start=1)
    )
    fields = {"build": Build(job="objcounter/main", number=str(build), branch="main")} | changes
    run = a_run(run_id, started_ns=started_ns, seconds=REPEATS, repeats=repeats, **fields)
    values = [fps * (1 + 0.004 * ((number * 7 + build * 3) % 5 - 2)) for number in range(REPEATS)]
    return record(out, run, {FPS: values, CPU: [50.0 + (number + build) % 3 for number in range(REPEATS)]})


def _cases(folder: Path) -> list[ElementTree.Element]:
    written = ElementTree.parse(folder / "profile/baseline.xml")  # noqa: S314 (our own)
    return list(written.iter("testcase"))


@pytest.fixture
def builds(tmp_path: Path) -> Path:
    """Twelve builds at about 10 frames/s, one on another board, and one whose app failed."""
    for number in range(BUILDS):
        a_build(tmp_path / "builds" / str(number) / "profile", f"r{number}", number, 10.0)
    a_build(tmp_path / "builds/nano/profile", "nano", 3, 2.0, agent=Agent(hostname="n", board="Nano"))
    a_build(tmp_path / "builds/bad/profile", "bad", 4, 1.0, exit_reason="failed", message="exit code 1")
    return tmp_path


@pytest.fixture(params=["folders", "database"])
def earlier(request: pytest.FixtureRequest, builds: Path) -> list[str]:
    """Arguments that select the earlier runs."""
    if request.param == "folders":
        return ["--against", "builds"]
    database = open_database(str(builds / "profileapp.db"), write=True)
    for folder in sorted(builds.glob("builds/*/profile/gpu")):
        store_folder(database, folder)
    return []


def test_worse_and_the_same(builds: Path, earlier: list[str]) -> None:
    a_build(builds / "profile", "now", 50, 8.5)
    done = baseline("profile", "--branch", "main", *earlier, cwd=builds)
    assert done.returncode == 1, done.stderr
    assert "worse" in done.stdout and "1 run excluded: device was 'Nano', is 'Jetson AGX Orin'" in done.stdout
    cases = {each.get("name"): each for each in _cases(builds)}
    compared = ("container.cpu.util", "fps", "container.cold-start")
    assert set(cases) == {f"baseline {title} mean" for title in compared}
    failure = cases["baseline fps mean"].find("failure")
    assert failure is not None and (failure.get("message") or "").startswith("worse: 8.5 frames/s, before 10 frames/s")
    assert cases["baseline container.cpu.util mean"].find("failure") is None

    a_build(builds / "profile", "now", 50, 10.1)
    output = json.loads(baseline("profile", "--json", *earlier, cwd=builds).stdout)
    assert output["exit_code"] == 0
    numbers = output["targets"]["gpu"]["numbers"]
    assert [(one["title"], one["state"], one["runs"]) for one in numbers] == [
        ("container.cpu.util", "same", BUILDS),
        ("fps", "same", BUILDS),
        ("container.cold-start", "same", BUILDS),
    ]
    assert output["targets"]["gpu"]["build"] == "objcounter/main#11"


def test_compares_the_values_of_the_judged_run_and_reads_no_samples(
    builds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_build(builds / "profile", "now", 50, 8.5)
    for folder in (*builds.glob("builds/*/profile/gpu"), builds / "profile/gpu"):
        judged = judge_folder(folder)
        RunFolder(folder).write_run(judged.run)
    expected = baseline("profile", "--against", "builds", "--json", cwd=builds)
    for metrics in builds.glob("**/metrics.ndjson"):
        metrics.write_text("not to be read")
    found = baseline("profile", "--against", "builds", "--json", cwd=builds)
    assert found.stdout == expected.stdout and found.returncode == 1


def test_a_recorded_run_without_judgement_is_judged_now(builds: Path) -> None:
    """As after the worker was killed between the two; all samples are on disk."""
    a_build(builds / "profile", "now", 50, 8.5)
    assert not read_run(builds / "profile/gpu").summary
    assert baseline("profile", "--against", "builds", cwd=builds).returncode == 1


@pytest.mark.parametrize("what", ["no file", "an empty file"])
def test_the_first_build_without_earlier_runs_is_no_error(builds: Path, what: str) -> None:
    if what == "an empty file":
        (builds / "first.db").touch()
    a_build(builds / "profile", "now", 50, 8.5)
    done = baseline("profile", "--branch", "main", "--db", "first.db", cwd=builds)
    assert done.returncode == 0, done.stderr
    assert "nothing to compare with yet: first.db: " in done.stderr
    outcome = json.loads((builds / "profile/baseline-outcome.json").read_text())
    assert (outcome["result"], outcome["message"]) == ("SUCCESS", "")
    assert all(each.find("skipped") is not None for each in _cases(builds))


def test_a_database_in_a_missing_folder_is_an_error(builds: Path) -> None:
    a_build(builds / "profile", "now", 50, 8.5)
    assert baseline("profile", "--db", "no/such/first.db", cwd=builds).returncode == 4


def test_too_few_earlier_runs_are_reported_as_such(builds: Path, earlier: list[str]) -> None:
    a_build(builds / "profile", "now", 50, 8.5)
    done = baseline("profile", "--branch", "other", *earlier, cwd=builds)
    assert done.returncode == 0 and "not enough data" in done.stdout
    cases = _cases(builds)
    assert len(cases) == 3 and all(each.find("skipped") is not None for each in cases)


def test_the_report_shows_the_comparison_and_its_exit_code(builds: Path) -> None:
    a_build(builds / "profile", "now", 50, 8.5)
    baseline("profile", "--against", "builds", cwd=builds)
    argv = [sys.executable, "-m", "profileapp", "report", "profile"]
    done = subprocess.run(argv, cwd=builds, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1 and "1 target: 1 worse" in done.stdout, done.stderr
    page = (builds / "profile/gpu/report/index.html").read_text()
    assert "Compared with earlier runs" in page and "objcounter/main#11" in page
    assert "baseline fps mean" in (builds / "profile/gpu/junit.xml").read_text()


def test_a_stored_run_is_not_compared_with_itself_and_a_worse_one_is_no_baseline(builds: Path) -> None:
    database = open_database(str(builds / "profileapp.db"), write=True)
    for folder in sorted(builds.glob("builds/*/profile/gpu")):
        store_folder(database, folder)
    folder = a_build(builds / "profile", "now", 50, 8.5)
    baseline("profile", cwd=builds)
    store_folder(database, folder)
    output = json.loads(baseline("profile", "--json", cwd=builds).stdout)
    assert output["exit_code"] == 1 and output["targets"]["gpu"]["numbers"][1]["runs"] == BUILDS
    a_build(builds / "next", "next", 51, 8.5)
    output = json.loads(baseline("next", "--json", cwd=builds).stdout)
    assert output["targets"]["gpu"]["numbers"][1]["runs"] == BUILDS


def test_baselines_start_after_an_accepted_change(builds: Path) -> None:
    a_build(builds / "profile", "now", 50, 8.5)
    done = baseline("profile", "--against", "builds", cwd=builds)
    assert done.returncode == 1
    since = "2026-11-19T01:00:00Z"
    assert f"if this change is intended, exclude earlier runs with --since {since}" in done.stdout
    done = baseline("profile", "--against", "builds", "--since", since, cwd=builds)
    assert done.returncode == 0 and "not enough data" in done.stdout
    assert f"earlier runs count from {since} on" in done.stdout

    database = open_database(str(builds / "profileapp.db"), write=True)
    for number in range(8):
        a_build(builds / "builds" / f"slower{number}" / "profile", f"slower{number}", 50 + number, 8.5)
    for folder in sorted(builds.glob("builds/*/profile/gpu")):
        store_folder(database, folder)
    for fps, code, state in ((8.52, 0, "same"), (7.0, 1, "worse")):
        a_build(builds / "profile", "later", 60, fps)
        for earlier in (["--against", "builds"], []):
            done = baseline("profile", "--json", "--since", since, *earlier, cwd=builds)
            output = json.loads(done.stdout)
            assert (done.returncode, output["targets"]["gpu"]["numbers"][1]["state"]) == (code, state)
            assert output["targets"]["gpu"]["numbers"][1]["runs"] == 8


def test_an_invalid_date_is_an_error(builds: Path) -> None:
    a_build(builds / "profile", "now", 50, 8.5)
    done = baseline("profile", "--against", "builds", "--since", "yesterday", cwd=builds)
    assert done.returncode == 3 and "--since 'yesterday'" in done.stderr


def test_a_failed_run_is_not_compared(builds: Path) -> None:
    a_build(builds / "profile", "now", 50, 1.0, exit_reason="failed", message="exit code 1")
    done = baseline("profile", "--against", "builds", cwd=builds)
    assert done.returncode == 0 and "its numbers are not compared" in done.stdout


def test_a_missing_folder_is_an_error(builds: Path) -> None:
    a_build(builds / "profile", "now", 50, 8.5)
    done = baseline("profile", "--against", "nowhere", cwd=builds)
    assert done.returncode == 3 and "nowhere: no such folder" in done.stderr
    assert "Traceback" not in done.stderr
