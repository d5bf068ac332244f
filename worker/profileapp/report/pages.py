"""The pages: one over all targets, one for each. They need no script and work under Jenkins' artifact policy.

That policy is `sandbox; default-src 'none'; img-src 'self'; style-src 'self'` (Jenkins documentation, "Configuring
Content Security Policy"): no script, no inline style, nothing from another site.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import msgspec

from profileapp.errors import AgentError
from profileapp.judge.verdict import JudgedRun
from profileapp.record.files import write_atomic
from profileapp.report import page_data
from profileapp.report.clean import clean
from profileapp.report.format import ABSENT, duration, moment, number, quantity
from profileapp.report.one_line import summary_line
from profileapp.report.plots import Plot, plot_families

TEXT_LIMIT = 2000
_UNSAFE_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


class PlotFile(msgspec.Struct, frozen=True):
    """A plot in a target's report folder, by its name there."""

    name: str
    alt: str
    file: str


class TargetPage(msgspec.Struct, frozen=True):
    """A target with what its page and its row in the overview show."""

    judged: JudgedRun
    plots: tuple[PlotFile, ...]


def write_all_pages(out: Path, judged: Sequence[JudgedRun]) -> Path:
    """Writes every page with its plots below `out`; the path of the overview. Raises AgentError."""
    templates = _environment()
    try:
        _make_folder(out / "report")
        write_atomic(out / "report" / "style.css", files("profileapp.report").joinpath("static/style.css").read_bytes())
        pages = [_write_target(templates, each) for each in judged]
        index = out / "index.html"
        html = templates.get_template("index.html").render(
            pages=pages, summary=summary_line(judged), labels=page_data.headline_labels(judged)
        )
        write_atomic(index, html.encode())
    except OSError as error:
        raise AgentError(f"{out}: the report cannot be written ({error.strerror})") from error
    return index


def _write_target(templates: jinja2.Environment, judged: JudgedRun) -> TargetPage:
    folder = judged.folder / "report"
    _make_folder(folder)
    started_ns = judged.run.started_ns or min((data.times_ns[0] for data in judged.series.values()), default=0)
    plots = plot_families(judged.series, judged.run.repeats, started_ns)
    page = TargetPage(judged, tuple(_write_plot(folder, index, plot) for index, plot in enumerate(plots, start=1)))
    html = templates.get_template("target.html").render(page=page, judged=judged, run=judged.run)
    write_atomic(folder / "index.html", html.encode())
    return page


def _write_plot(folder: Path, index: int, plot: Plot) -> PlotFile:
    file = f"{index:02d}-{_UNSAFE_IN_FILE_NAMES.sub('-', plot.name)[:60]}.svg"
    write_atomic(folder / file, plot.svg)
    return PlotFile(plot.name, plot.alt, file)


def _make_folder(path: Path) -> None:
    """A folder that holds nothing yet, in place of what an earlier report left. A link is removed, not followed."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
    path.mkdir()


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("profileapp.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {"quantity": quantity, "number": number, "duration": duration, "moment": moment}
    environment.globals |= {
        "ABSENT": ABSENT,
        "SYMBOLS": page_data.SYMBOLS,
        "budget_text": page_data.budget_text,
        "duration_s": page_data.duration_s,
        "facts": page_data.facts,
    }
    return environment


def _shown(value: Any) -> Any:
    """Whatever text reaches a page is cleaned; what is longer than a page bears is cut."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        cleaned = clean(value)
        return cleaned if len(cleaned) <= TEXT_LIMIT * 10 else f"{cleaned[: TEXT_LIMIT * 10]}…"
    return value
