"""Writes reports beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from profileapp.errors import AgentError
from profileapp.judge.verdict import JudgedRun
from profileapp.record.files import write_atomic
from profileapp.report.junit import junit_xml
from profileapp.report.tables import series_csv, summary_csv

INDEX_FILE = "index.html"


def write_data(judged: Sequence[JudgedRun]) -> None:
    """`junit.xml` and `series.csv` into each target's folder. Needs no extra. Raises AgentError."""
    for each in judged:
        _write(each.folder / "junit.xml", junit_xml([each]))
        _write(each.folder / "series.csv", series_csv(each))


def write_overview(out: Path, judged: Sequence[JudgedRun]) -> None:
    """`junit.xml` and `summary.csv` over all targets. Needs no extra. Raises AgentError."""
    _write(out / "junit.xml", junit_xml(judged))
    _write(out / "summary.csv", summary_csv(judged))


def write_pages(out: Path, judged: Sequence[JudgedRun]) -> Path:
    """The pages with their plots; the path of the first of them. Raises AgentError without the report extra."""
    if not report_extra_is_installed():
        raise AgentError("pages and plots need the report extra: pip install 'profileapp[report]'")
    from profileapp.report.pages import write_all_pages  # noqa: PLC0415  (jinja2 and matplotlib are in an extra)

    return write_all_pages(out, judged)


def report_extra_is_installed() -> bool:
    """Whether jinja2 and matplotlib can be imported here."""
    return find_spec("jinja2") is not None and find_spec("matplotlib") is not None


def _write(path: Path, text: str) -> None:
    try:
        write_atomic(path, text.encode())
    except OSError as error:
        raise AgentError(f"{path}: cannot be written ({error.strerror}); what was measured is kept") from error
