"""The pages: one for all targets, one for each. They need no script and work under Jenkins' artifact policy.

That policy is `sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self'` since 2.417, `sandbox`
alone before (Jenkins documentation, "Configuring Content Security Policy"): no script, no inline style, nothing from
another site.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import msgspec
from markupsafe import Markup, escape

from profileapp.errors import AgentError
from profileapp.judge.verdict import JudgedRun, without_judgement
from profileapp.model.stacks import read_folded
from profileapp.record.artifacts import (
    APP_LOG_FILE,
    COMPRESSED_METRICS_FILE,
    FUNCTIONS_FILE,
    JUNIT_FILE,
    KERNELS_FILE,
    METRICS_FILE,
    REPORT_FOLDER,
    RUN_FILE,
    SERIES_FILE,
    STACKS_FILE,
)
from profileapp.record.files import open_regular, renew_folder, write_atomic
from profileapp.report import baseline_text, devices, page_data
from profileapp.report.clean import clean, one_line
from profileapp.report.format import ABSENT, duration, moment, quantity
from profileapp.report.one_line import summary_line
from profileapp.report.page.flame_graph import flame_graph_svg
from profileapp.report.page.profile_tables import Table, function_tables, kernel_tables
from profileapp.report.page.resource_table import resource_tables
from profileapp.report.page.speedscope import speedscope_json
from profileapp.report.plot import families
from profileapp.report.plot.annotations import Annotations
from profileapp.report.plot.distributions import distributions
from profileapp.report.plot.series import Plot, plot_target
from profileapp.report.plot.targets import target_plots

TEXT_LIMIT = 20_000
SERIES_LIMIT = 500
"""Limit of rows in the table of statistics; series.csv has all."""
THUMBNAILS = ("custom", "container.cpu", "container.memory", "system.cpu", "system.memory")
"""Plots of each target in the overview, at most three, in this order."""

FLAME_GRAPH_FILE = "flame-graph.svg"
SPEEDSCOPE_FILE = "speedscope.json"

_UNSAFE_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
_OWN_FILE = re.compile(
    r"\.?(?:index\.html|style\.css|flame-graph\.svg|speedscope\.json|\d\d-[A-Za-z0-9._-]*\.svg)(?:\.[0-9a-f]{8})?"
)
_LINKED = (
    RUN_FILE,
    METRICS_FILE,
    COMPRESSED_METRICS_FILE,
    SERIES_FILE,
    FUNCTIONS_FILE,
    KERNELS_FILE,
    STACKS_FILE,
    JUNIT_FILE,
    APP_LOG_FILE,
)


class PlotFile(msgspec.Struct, frozen=True):
    """A plot in a target's report folder, with the names of its light and dark files."""

    plot: Plot
    light: str
    dark: str


class TargetPage(msgspec.Struct, frozen=True):
    """A target with the content of its page and of its row in the overview. `address` is its folder's quoted URL."""

    judged: JudgedRun
    placed: devices.Placed
    address: str
    plots: tuple[PlotFile, ...]
    plots_omitted: int
    distributions: tuple[PlotFile, ...]
    thumbnails: tuple[PlotFile, ...]
    tables: tuple[Table, ...]
    flame_graph: str
    linked: tuple[str, ...]


def write_all_pages(out: Path, judged: Sequence[JudgedRun]) -> Path:
    """Writes every page with its plots below `out`. Returns the path of the overview. Raises AgentError."""
    templates = page_templates()
    index = out / "index.html"
    try:
        renew_folder(out / REPORT_FOLDER, _is_own_file)
        style = files("profileapp.report.page").joinpath("static/style.css").read_bytes()
        write_atomic(out / REPORT_FOLDER / "style.css", style)
        runs = devices.placed(judged)
        pages = [_write_target_or_why(templates, each) for each in runs]
        plots = [write_plot(out / REPORT_FOLDER, index, plot) for index, plot in enumerate(target_plots(runs), start=1)]
        html = templates.get_template("index.html").render(
            pages=pages,
            judged=judged,
            runs=runs,
            boards=devices.device_boards(runs),
            summary=summary_line(judged),
            labels=page_data.headline_labels(judged),
            plots=plots,
        )
        write_atomic(index, html.encode())
    except OSError as error:
        raise AgentError(f"{out}: the report cannot be written ({error.strerror})") from error
    return index


def _write_target_or_why(templates: jinja2.Environment, placed: devices.Placed) -> TargetPage:
    """A target's page; if its numbers cannot be shown, one that says so: it must not break the other pages."""
    try:
        return _write_target(templates, placed)
    except (OSError, AgentError):
        raise
    except Exception as error:
        unjudged = without_judgement(placed.judged, error)
        return _write_target(templates, msgspec.structs.replace(placed, judged=unjudged))


def _write_target(templates: jinja2.Environment, placed: devices.Placed) -> TargetPage:
    judged = placed.judged
    folder = judged.folder / REPORT_FOLDER
    renew_folder(folder, _is_own_file)
    plots, omitted = plot_target(
        judged.series,
        page_data.measured_repeats(judged.run),
        judged.run.budgets,
        Annotations(judged.run.phases, judged.run.marks, judged.run.events),
    )
    written = tuple(write_plot(folder, index, plot) for index, plot in enumerate(plots, start=1))
    histograms = distributions(judged.series, judged.run.repeats, judged.distributions)
    written_distributions = tuple(
        write_plot(folder, index, plot) for index, plot in enumerate(histograms, start=len(written) + 1)
    )
    flame_graph = _write_stacks(folder, judged)
    page = TargetPage(
        judged=judged,
        placed=placed,
        address=_address(judged.folder.name),
        plots=written,
        plots_omitted=omitted,
        distributions=written_distributions,
        thumbnails=_thumbnails(written),
        tables=(
            *function_tables(judged.functions, judged.run, FUNCTIONS_FILE),
            *kernel_tables(judged.kernels, judged.run, KERNELS_FILE),
            *resource_tables(judged),
        ),
        flame_graph=flame_graph,
        linked=tuple(name for name in _LINKED if (judged.folder / name).is_file() or name in judged.left_out),
    )
    html = templates.get_template("target.html").render(page=page, judged=judged, run=judged.run)
    write_atomic(folder / "index.html", html.encode())
    return page


def _write_stacks(folder: Path, judged: JudgedRun) -> str:
    """Writes the flame graph and a speedscope file. Returns the graph's name, "" if there are no stacks."""
    try:
        with open_regular(judged.folder / STACKS_FILE) as stream:
            stacks = read_folded(stream)
    except (OSError, AgentError):
        return ""
    if not stacks.samples:
        return ""
    title = f"{judged.run.app.name} {judged.run.target.name}".strip()
    write_atomic(folder / FLAME_GRAPH_FILE, flame_graph_svg(stacks, title).encode())
    write_atomic(folder / SPEEDSCOPE_FILE, speedscope_json(stacks, title))
    return FLAME_GRAPH_FILE


def write_plot(folder: Path, index: int, plot: Plot) -> PlotFile:
    """Writes a plot for light and dark pages. Raises OSError."""
    stem = f"{index:02d}-{_UNSAFE_IN_FILE_NAMES.sub('-', plot.key)[:60]}"
    written = PlotFile(plot, f"{stem}.svg", f"{stem}.dark.svg")
    write_atomic(folder / written.light, plot.light)
    write_atomic(folder / written.dark, plot.dark)
    return written


def _thumbnails(plots: Sequence[PlotFile]) -> tuple[PlotFile, ...]:
    """The first plot of each kind of THUMBNAILS; the device's only if the app's own is unavailable."""
    found: dict[str, PlotFile] = {}
    for kind in THUMBNAILS:
        subject = kind.rpartition(".")[2]
        match = next((each for each in plots if kind in (each.plot.metric, each.plot.key)), None)
        if match and subject not in found:
            found[subject] = match
    return tuple(found.values())


def _is_own_file(name: str) -> bool:
    return bool(_OWN_FILE.fullmatch(name))


def _address(name: str) -> str:
    """A file's name as part of a relative link, whatever bytes it contains."""
    return quote(os.fsencode(name), safe="")


def page_templates() -> jinja2.Environment:
    """The templates, which escape and clean all untrusted text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("profileapp.report.page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {
        "quantity": quantity,
        "duration": duration,
        "moment": moment,
        "short": one_line,
        "dotted": _dotted,
        "condition": families.condition_text,
    }
    environment.globals |= {
        "ABSENT": ABSENT,
        "SERIES_LIMIT": SERIES_LIMIT,
        "of": page_data,
        "beside": devices,
        "earlier": baseline_text,
    }
    return environment


def _dotted(name: str) -> Markup:
    """A dotted name that a narrow column can break after its dots."""
    return Markup(escape(one_line(name, 120)).replace(".", Markup(".<wbr>")))  # noqa: S704  (escaped just here)


def _shown(value: Any) -> Any:
    """Cleans any text on a page, and truncates what is too long."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        cleaned = clean(value)
        return cleaned if len(cleaned) <= TEXT_LIMIT else f"{cleaned[:TEXT_LIMIT]}…"
    return value
