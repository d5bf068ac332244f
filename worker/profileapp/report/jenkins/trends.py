"""One CSV per headline number, which Jenkins' Plot plugin draws over builds.

The plugin reads the last row of a file for a build: the names of its lines are above, a value below each; it skips
empty cells (jenkinsci/plot-plugin, `CSVSeries.loadSeries`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from profileapp.judge.verdict import JudgedRun
from profileapp.record.files import renew_folder, write_atomic
from profileapp.report.page_data import headline_labels
from profileapp.report.tables import csv_text

TREND_FOLDER = "plot"
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_OWN_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,80}\.csv(?:\.[0-9a-f]{8})?")
_NAME_LETTERS = 60


def trend_csvs(judged: Sequence[JudgedRun]) -> dict[str, str]:
    """File names and their text: one column per target, in the base unit of summary.csv."""
    files: dict[str, str] = {}
    for label in headline_labels(judged):
        stem = _UNSAFE.sub("-", label).strip("-")[:_NAME_LETTERS] or "number"
        name = next(
            each for each in (stem, *(f"{stem}-{n}" for n in range(2, len(files) + 3))) if f"{each}.csv" not in files
        )
        values = [next((one.value for one in each.headline if one.label == label), "") for each in judged]
        files[f"{name}.csv"] = csv_text([each.run.target.name for each in judged], [values])
    return files


def write_trends(out: Path, judged: Sequence[JudgedRun]) -> None:
    """Writes them to `out/plot`, replacing an earlier report's; removes a link there. Raises OSError."""
    folder = out / TREND_FOLDER
    renew_folder(folder, lambda name: bool(_OWN_FILE.fullmatch(name)))
    for name, text in trend_csvs(judged).items():
        write_atomic(folder / name, text.encode())
