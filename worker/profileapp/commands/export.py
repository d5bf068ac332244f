"""`profileapp export`: exports samples from the database."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from profileapp.commands.database import db_option, open_store
from profileapp.commands.selection import make_selection, selection_options
from profileapp.errors import ConfigError

if TYPE_CHECKING:
    from profileapp.store.export import Format

_EPILOG = """\b
Examples:
  profileapp export --app objcounter --since 30d --out samples.csv
  profileapp export --run 20261123T101500-1a2b3c4d --format sage --out samples.ndjson
  profileapp export --series system. --format parquet --out system.parquet
"""
_FORMATS: dict[str, Format] = {".csv": "csv", ".ndjson": "sage", ".json": "sage", ".parquet": "parquet"}


@click.command("export", epilog=_EPILOG)
@db_option
@selection_options
@click.option(
    "--series", default="", metavar="NAME", help="Only this series; NAME. (with a dot) selects all that start with it."
)
@click.option(
    "--format", "form", type=click.Choice(["csv", "sage", "parquet"]), help="Default: from the file's extension."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The file. Default: standard output.",
)
@click.option("--json", "as_json", is_flag=True, help="End with a line of JSON instead of text; needs --out.")
def command(
    db: str,
    app: str,
    target: str,
    run_id: str,
    branch: str,
    since: str,
    until: str,
    series: str,
    form: Format | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Write samples as CSV, in the shape of the Sage data API (a line of JSON each), or as Parquet."""
    chosen: Format = form or (_FORMATS.get(out.suffix, "csv") if out else "csv")
    if out is None and (chosen == "parquet" or as_json):
        raise ConfigError("--format parquet and --json need --out, the file to write")
    database = open_store(db, write=False)
    from profileapp.store.export import export, export_to_file  # noqa: PLC0415

    selection = make_selection(
        app=app, target=target, run_id=run_id, branch=branch, since=since, until=until, series=series
    )
    if out is None:
        export(database, selection, chosen, sys.stdout.buffer)
        return
    count = export_to_file(database, selection, chosen, out)
    if as_json:
        click.echo(msgspec.json.encode({"file": str(out), "format": chosen, "samples": count, "version": 1}))
    else:
        click.echo(f"{count} samples in {out}")
