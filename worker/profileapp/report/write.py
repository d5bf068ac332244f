"""Writes reports next to the recorded data."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from profileapp.errors import AgentError
from profileapp.judge.verdict import JudgedRun, without_judgement
from profileapp.record.artifacts import JUNIT_FILE, SERIES_FILE, artifact
from profileapp.record.files import write_atomic
from profileapp.report.jenkins.badge import badge_svg
from profileapp.report.jenkins.junit import attachments_xml, junit_xml
from profileapp.report.jenkins.trends import TREND_FOLDER, write_trends
from profileapp.report.tables import series_csv, summary_csv


def write_data(judged: JudgedRun) -> JudgedRun:
    """Writes `series.csv` and `junit.xml`, which names it, to a target's folder. Needs no extra. Raises AgentError.

    Returns the run, without a judgement if its numbers cannot be written: it must not break the other targets' reports.
    """
    try:
        _write_data(judged)
    except AgentError:
        raise
    except Exception as error:
        # Like `judge_folder`: one app's text must not break the report of the other targets.
        judged = without_judgement(judged, error)
        _write_data(judged)
    return judged


def write_overview(out: Path, judged: Sequence[JudgedRun]) -> None:
    """Writes `junit.xml`, `summary.csv`, `badge.svg` and `plot/` for all targets. Needs no extra. Raises AgentError."""
    _write(out / JUNIT_FILE, junit_xml(judged))
    _write(out / "summary.csv", summary_csv(judged))
    _write(out / "badge.svg", badge_svg(judged))
    try:
        write_trends(out, judged)
    except OSError as error:
        raise AgentError(f"{out / TREND_FOLDER}: cannot be written ({error.strerror})") from error


def write_pages(out: Path, judged: Sequence[JudgedRun]) -> Path:
    """Writes the pages with their plots. Returns the path of the first. Raises AgentError without the report extra."""
    if not report_extra_is_installed():
        raise AgentError("pages and plots need the report extra: pip install 'profileapp[report]'")
    from profileapp.report.page.pages import write_all_pages  # noqa: PLC0415  (jinja2 and matplotlib are in an extra)

    index = write_all_pages(out, judged)
    _write(out / "attachments.xml", attachments_xml(judged))
    return index


def report_extra_is_installed() -> bool:
    """Whether jinja2 and matplotlib can be imported here."""
    return find_spec("jinja2") is not None and find_spec("matplotlib") is not None


def _write_data(judged: JudgedRun) -> None:
    _write(artifact(judged.folder, SERIES_FILE), series_csv(judged))
    _write(artifact(judged.folder, JUNIT_FILE), junit_xml([judged]))


def _write(path: Path, text: str) -> None:
    try:
        write_atomic(path, text.encode())
    except OSError as error:
        raise AgentError(f"{path}: cannot be written ({error.strerror}); earlier measurements are kept") from error
