"""An app with a hostile name in all commands: run folder, report, database, history, comparison."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from xml.etree import ElementTree

import pytest

from profileapp.model.run import Build
from profileapp.model.series import series
from profileapp.model.target import App
from tests.commands.test_history import profileapp
from tests.store.runs import CPU, FPS, SECOND_NS, START_NS, a_run, record

TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Marks that turn text around."""
NAMES = {
    "ten-kilobytes": "x" * 10_240,
    "right-to-left": "app\u202egnp.exe\u2066\u200f",
    "arabic": "تطبيق",
    "script": "<script>alert(1)</script>",
    "formula": "=cmd|' /C calc'!A0",
    "escape": "\x1b]0;owned\x07\x1b[2Jx\r\nfake line",
}


@pytest.fixture(scope="module", params=NAMES.values(), ids=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six runs of such an app, passed to every command; `printed` has the output of the commands."""
    out = tmp_path_factory.mktemp("hostile")
    printed = []
    for number in range(6):
        run = a_run(
            f"r{number}",
            app=App(name, name),
            started_ns=START_NS + number * SECOND_NS,
            message=name,
            build=Build(name, str(number), "https://jenkins.example/", f"{number:07d}", "main", name),
        )
        samples = {FPS: [10.0 + number, 12.0], CPU: [50.0], series(name[:200], name[:20], "custom"): [1.0, 2.0]}
        record(out / "runs" / str(number), run, samples)
    for argv in (
        ("report", "runs/0"),
        ("report", "runs/0", "--format", "markdown"),
        ("report", "runs/0", "--format", "json"),
        ("store", *(f"runs/{number}" for number in range(6))),
        ("history", name[:100_000], "--html", "history"),
        ("compare", "r0", "r5", "--html", "comparison"),
    ):
        done = profileapp(*argv, cwd=out)
        assert done.returncode == 0, (argv[0], done.stderr[:2000])
        assert "Traceback" not in done.stderr
        if "json" not in argv:
            printed.append(done.stdout)
        else:
            assert json.loads(done.stdout)["targets"][0]["name"] == "gpu"
    (out / "printed").write_text("\0".join(printed))
    return out


def test_no_output_contains_control_characters_or_active_markup(folder: Path) -> None:
    printed = (folder / "printed").read_text()
    assert not TURNING.search(printed) and "\x1b" not in printed
    pages = list(folder.rglob("*.html"))
    assert len(pages) == 4
    for page in pages:
        text = page.read_text()
        assert not TURNING.search(text) and "<script" not in text
        assert len(text) < 200_000
    for drawn in folder.rglob("*.svg"):
        assert not TURNING.search(drawn.read_text())
        ElementTree.parse(drawn)  # noqa: S314  (made a moment ago)


def test_machine_readable_output_keeps_the_exact_name(folder: Path) -> None:
    for path in folder.rglob("*.xml"):
        ElementTree.parse(path)  # noqa: S314
    for path in (folder / "runs" / "0").rglob("*.csv"):
        cells = path.read_text().replace("\n", ",").split(",")
        assert not [cell for cell in cells if cell.strip('"').startswith(("=", "+", "@"))]


def test_six_runs_of_one_app_are_stored(folder: Path, name: str) -> None:
    with sqlite3.connect(folder / "profileapp.db") as database:
        apps = [row[0] for row in database.execute("SELECT app FROM run")]
    assert len(apps) == 6 and len(set(apps)) == 1
    assert apps[0] == name or len(apps[0]) <= 200


def test_no_file_is_named_after_the_app(folder: Path) -> None:
    for path in folder.rglob("*"):
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,120}", path.name), path
