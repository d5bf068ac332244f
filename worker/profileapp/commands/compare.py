"""`profileapp compare`: two runs, folders, builds or commits side by side."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from profileapp.commands.database import open_store
from profileapp.commands.options import db_option, json_option
from profileapp.commands.store import run_folders
from profileapp.commands.written_folder import WrittenFolder
from profileapp.errors import ConfigError
from profileapp.judge.compare import Difference, Measured, Side, compare
from profileapp.judge.device import device_of
from profileapp.judge.verdict import judge_folder
from profileapp.model.text import printable
from profileapp.record.files import is_folder
from profileapp.report.format import ABSENT, quantity

_EPILOG = """\b
Examples:
  profileapp compare before/ after/
  profileapp compare main my-branch --app objcounter
  profileapp compare 7c1f0be team/objcounter#214 --metric fps.p50
"""
_BAR = 12
_BAR_FULL = 0.5
"""The change that fills a bar: plus or minus half."""


@click.command("compare", epilog=_EPILOG)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--metric", default="", help="A series, with a statistic (default: mean). Default: the headline numbers.")
@click.option("--app", default="", help="Only runs of this app.")
@click.option("--html", type=WrittenFolder(), metavar="DIR", help="Write a page into DIR.")
@db_option
@json_option
def command(first: str, second: str, metric: str, app: str, html: Path | None, db: str, as_json: bool) -> None:
    """Compare A with B. Each is a folder of runs, or in the database a run's id, JOB#NUMBER, a commit or a branch.

    For several runs of a target on one kind of device, shows the mean and the standard deviation.
    """
    found = compare(_measured(first, app, db), _measured(second, app, db), metric)
    if not found:
        raise ConfigError(f"neither has measured '{printable(metric)}'")
    page = None
    if html:
        from profileapp.report.page.history import write_comparison  # noqa: PLC0415

        page = write_comparison(html, first, second, found)
    if as_json:
        rows = [{**msgspec.structs.asdict(each), "change": each.ratio} for each in found]
        document = {"a": first, "b": second, "differences": rows, "page": str(page) if page else None, "version": 1}
        click.echo(msgspec.json.encode(document))
        return
    _print(first, second, found)
    if page:
        click.echo(f"page: {page}")


def _measured(reference: str, app: str, db: str) -> list[Measured]:
    folder = Path(reference)
    if is_folder(folder):
        judged = [judge_folder(each) for each in run_folders(folder)]
        for each in judged:
            if each.judge_error:
                click.echo(f"profileapp: {each.folder}: {each.judge_error}", err=True)
        meant = [each.run for each in judged if not app or each.run.app.name == app]
        return [Measured(run.target.name, device_of(run), run.summary) for run in meant]
    database = open_store(db, write=False)
    from profileapp.store.history import measured  # noqa: PLC0415

    return measured(database, reference, app)


def _print(first: str, second: str, found: list[Difference]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("target", "device", "metric", printable(first, 30), printable(second, 30), "change", ""):
        table.add_column(Text(title), overflow="fold")
    for each in found:
        table.add_row(
            Text(printable(each.target, 64)),
            Text(printable(each.device, 60)),
            Text(printable(f"{each.title} {each.statistic}", 60)),
            _shown(each.first, each.unit),
            _shown(each.second, each.unit),
            ABSENT if each.ratio is None else f"{100 * each.ratio:+.3g} %",
            _bar(each.ratio),
        )
    console = Console()
    (console if console.is_terminal else Console(width=160, color_system=None)).print(table)


def _shown(side: Side | None, unit: str) -> Text:
    if side is None:
        return Text(ABSENT)
    spread = f" ± {quantity(side.stddev, unit)} ({side.runs} runs)" if side.runs > 1 else ""
    return Text(printable(f"{quantity(side.mean, unit)}{spread}", 60))


def _bar(ratio: float | None) -> str:
    """A bar to the left of the middle for a decrease, to the right for an increase."""
    if ratio is None:
        return ""
    length = min(_BAR, round(abs(ratio) / _BAR_FULL * _BAR))
    return ("█" * length).rjust(_BAR) + "│" if ratio < 0 else " " * _BAR + "│" + "█" * length
