"""End-to-end tests of `profileapp history` and `profileapp compare`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from profileapp.model.run import Build
from profileapp.model.target import App
from profileapp.store.database import open_database
from profileapp.store.ingest import store_folder
from tests.store.runs import CPU, FPS, SECOND_NS, START_NS, a_run, record

HOSTILE = "<script>alert(1)</script>"


def profileapp(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "profileapp", *args]
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False, env=dict(os.environ), timeout=60)


def fill(folder: Path, app: str = "objcounter") -> None:
    database = open_database(str(folder / "profileapp.db"), write=True)
    for number in range(24):
        run = a_run(
            f"r{number}",
            app=App(app),
            started_ns=START_NS + number * SECOND_NS,
            build=Build(commit=f"{number:07d}ab", branch="main"),
        )
        fps = (10.0 if number < 12 else 13.0) + 0.1 * (number % 3)
        store_folder(database, record(folder / "runs" / str(number), run, {FPS: [fps], CPU: [50.0]}))


def test_history(tmp_path: Path) -> None:
    fill(tmp_path)
    done = profileapp("history", "objcounter", "--metric", "fps", "--html", "page", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "gpu · fps mean" in done.stdout and "▲" in done.stdout and "in 24 runs" in done.stdout
    assert "with 0000012ab after 0000011ab" in done.stdout
    assert "0000012ab" in (tmp_path / "page/index.html").read_text()
    assert len(list((tmp_path / "page/report").glob("*.svg"))) == 2
    output = json.loads(profileapp("history", "objcounter", "--json", "--no-changes", cwd=tmp_path).stdout)
    assert [trend["title"] for trend in output["trends"]] == ["container.cpu.util", "fps", "container.cold-start"]
    none = profileapp("history", "other", cwd=tmp_path)
    assert none.returncode == 3 and "contains no finished run of 'other'" in none.stderr


def test_compare(tmp_path: Path) -> None:
    fill(tmp_path)
    done = profileapp("compare", "0000000", "main", "--html", "page", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "+32 %" in done.stdout and "█" in done.stdout
    assert "+32 %" in (tmp_path / "page/index.html").read_text()
    output = json.loads(profileapp("compare", "runs/0", "r12", "--metric", "fps.max", "--json", cwd=tmp_path).stdout)
    (difference,) = output["differences"]
    assert (difference["first"]["mean"], difference["second"]["mean"]) == (10.0, 13.0)
    lost = profileapp("compare", "runs/0", "nothing", cwd=tmp_path)
    assert lost.returncode == 3 and lost.stderr.count("\n") == 1


def test_hostile_names_are_escaped_on_the_pages(tmp_path: Path) -> None:
    fill(tmp_path, HOSTILE)
    for argv in (("history", HOSTILE), ("compare", "r0", "r1")):
        done = profileapp(*argv, "--html", "page", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        page = (tmp_path / "page/index.html").read_text()
        assert "<script" not in page
    for svg in (tmp_path / "page/report").glob("*.svg"):
        ElementTree.parse(svg)  # noqa: S314  (made a moment ago)
