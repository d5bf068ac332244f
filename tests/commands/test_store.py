"""End-to-end tests of `profileapp store`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.store.runs import a_run, record


def profileapp(*args: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "profileapp", *args]
    return subprocess.run(
        argv, cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **env}, timeout=60
    )


def test_store_as_text_and_as_json(tmp_path: Path) -> None:
    record(tmp_path / "profile", a_run("r1", target="gpu"))
    record(tmp_path / "profile", a_run("r2", target="cpu"))
    done = profileapp("store", "profile", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "stored: cpu, 6 samples\nstored: gpu, 6 samples\n2 runs in profileapp.db\n"
    again = profileapp("store", "profile/gpu", "profile", "--json", cwd=tmp_path, PROFILEAPP_DB="profileapp.db")
    output = json.loads(again.stdout)
    assert again.returncode == 0 and output["database"] == "profileapp.db"
    assert [(run["run_id"], run["outcome"]) for run in output["runs"]] == [
        ("r1", "already stored"),
        ("r2", "already stored"),
        ("r1", "already stored"),
    ]


def test_a_bad_folder_does_not_block_the_others(tmp_path: Path) -> None:
    record(tmp_path / "profile", a_run("r1", target="gpu"))
    (record(tmp_path / "profile", a_run("r2", target="cpu")) / "run.json").write_text("{")
    done = profileapp("store", "profile", cwd=tmp_path)
    assert done.returncode == 4 and "stored: gpu" in done.stdout
    assert done.stderr.startswith("profileapp: profile/cpu: not stored:") and "Traceback" not in done.stderr


def test_errors_are_one_line(tmp_path: Path) -> None:
    for argv, code, message in (
        (("nowhere",), 3, "nowhere: no such folder"),
        ((".",), 3, "contains no run.json of a target"),
        (("--db", "mysql://u:secret@h/x"), 3, "'mysql' is not supported"),
        (("--db", "postgresql://u:secret@/x?host=/nonexistent"), 4, "postgresql://u:***@/x"),
    ):
        done = profileapp("store", *argv, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        *attempts, error = done.stderr.splitlines()
        assert message in error and "secret" not in done.stderr
        # A database that may come back is retried, and that is reported; the error itself is one line.
        assert all("trying again in" in line for line in attempts) and (code == 4 or not attempts), done.stderr


def test_export_and_prune(tmp_path: Path) -> None:
    record(tmp_path / "profile", a_run("r1", target="gpu"))
    profileapp("store", "profile", cwd=tmp_path)
    piped = profileapp("export", "--series", "fps", cwd=tmp_path)
    assert piped.returncode == 0 and len(piped.stdout.splitlines()) == 4, piped.stderr
    output = profileapp("export", "--out", "all.ndjson", "--json", cwd=tmp_path)
    assert json.loads(output.stdout) == {"file": "all.ndjson", "format": "sage", "samples": 6, "version": 1}
    pruned = profileapp("prune", "--remove-after", "2027-01-01", "--json", cwd=tmp_path)
    assert json.loads(pruned.stdout)["removed"] == 1
    assert profileapp("export", cwd=tmp_path).stdout.count("\n") == 1
    for argv, message in (
        (("export", "--since", "soon"), "--since 'soon': must be an age"),
        (("export", "--format", "parquet"), "need --out"),
        (("prune",), "nothing to do"),
        (("prune", "--thin-after", "1d", "--spacing", "0s"), "longer than 0"),
    ):
        done = profileapp(*argv, cwd=tmp_path)
        assert done.returncode == 3 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr
