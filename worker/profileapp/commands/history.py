"""`profileapp history`: shows an app's numbers over its runs, and where they changed."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from profileapp.commands.database import open_store
from profileapp.commands.options import db_option, json_option
from profileapp.commands.selection import moment_ns
from profileapp.commands.written_folder import WrittenFolder
from profileapp.judge.changes import with_changes
from profileapp.model.history import Trend
from profileapp.model.text import printable
from profileapp.report.format import moment, quantity
from profileapp.report.sparkline import marks, sparkline

_EPILOG = """\b
Examples:
  profileapp history objcounter
  profileapp history objcounter --metric fps.p50 --branch main --since 30d
  profileapp history objcounter --html history/
"""


@click.command("history", epilog=_EPILOG)
@click.argument("app")
@click.option("--metric", default="", help="A series, with a statistic or the mean: fps, system.temperature.max.")
@click.option("--target", default="", help="Only this target.")
@click.option("--branch", default="", help="Only runs of this branch.")
@click.option("--since", default="", metavar="WHEN", help="Only runs since then: 30d, 12h, 2026-11-01.")
@click.option(
    "--last", type=click.IntRange(1, 20_000), default=20_000, show_default=True, help="At most this many runs."
)
@click.option("--no-changes", is_flag=True, help="Do not detect level shifts.")
@click.option("--html", type=WrittenFolder(), metavar="DIR", help="Write a page into DIR.")
@db_option
@json_option
def command(
    app: str,
    metric: str,
    target: str,
    branch: str,
    since: str,
    last: int,
    no_changes: bool,
    html: Path | None,
    db: str,
    as_json: bool,
) -> None:
    """Show how the numbers of APP developed over its runs: one line per target, kind of device and metric."""
    database = open_store(db, write=False)
    from profileapp.store.history import trends  # noqa: PLC0415
    from profileapp.store.select import Selection  # noqa: PLC0415

    selection = Selection(app=app, target=target, branch=branch, since_ns=moment_ns("--since", since))
    found = trends(database, selection, metric, last)
    if not no_changes:
        found = [with_changes(trend) for trend in found]
    if html:
        from profileapp.report.page.history import write_history  # noqa: PLC0415

        page = write_history(html, found)
    if as_json:
        click.echo(msgspec.json.encode({"trends": found, "page": str(page) if html else None, "version": 1}))
        return
    for trend in found:
        click.echo("\n".join(_lines(trend)))
    if html:
        click.echo(f"page: {page}")


def _lines(trend: Trend) -> list[str]:
    values = [point.value for point in trend.points]
    head = f"{trend.target} · {trend.title} {trend.statistic} · {trend.device}"
    span = f"{quantity(min(values), trend.unit)} … {quantity(max(values), trend.unit)}"
    lines = [
        printable(head, 150),
        f"  {sparkline(values)}  {printable(quantity(values[-1], trend.unit), 40)} last, {printable(span, 60)} "
        f"in {len(values)} runs",
    ]
    below = marks((change.index for change in trend.changes), len(values))
    if below:
        lines.append(f"  {below}")
    for change in trend.changes:
        ratio = "" if change.ratio is None else f" ({100 * change.ratio:+.3g} %)"
        commit = change.commit[:12] or change.run_id
        since = f" after {change.commit_before[:12]}" if change.commit_before else ""
        levels = f"{quantity(change.before, trend.unit)} → {quantity(change.after, trend.unit)}"
        lines.append("  " + printable(f"{moment(change.started_ns)}: {levels}{ratio} with {commit}{since}", 200))
    if trend.note:
        lines.append(f"  {trend.note}")
    return lines
