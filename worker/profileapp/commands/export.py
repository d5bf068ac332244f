"""`profileapp export`: exports samples from the database."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, get_args

import click
import msgspec

from profileapp.commands.database import open_store
from profileapp.commands.options import db_option, takes
from profileapp.commands.selection import SelectionOptions
from profileapp.errors import ConfigError
from profileapp.store.export_format import BY_EXTENSION, Format

_EPILOG = """\b
Examples:
  profileapp export --app objcounter --since 30d --out samples.csv
  profileapp export --run 20261123T101500-1a2b3c4d --format sage --out samples.ndjson
  profileapp export --series system. --format parquet --out system.parquet
"""


class _Options(SelectionOptions, frozen=True, kw_only=True):
    db: Annotated[str, db_option]
    series: Annotated[
        str,
        click.option(
            "--series",
            default="",
            metavar="NAME",
            help="Only this series; NAME. (with a dot) selects all that start with it.",
        ),
    ]
    form: Annotated[
        Format | None,
        click.option(
            "--format", "form", type=click.Choice(get_args(Format)), help="Default: from the file's extension."
        ),
    ]
    out: Annotated[
        Path | None,
        click.option(
            "--out",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="The file. Default: standard output.",
        ),
    ]
    as_json: Annotated[
        bool,
        click.option("--json", "as_json", is_flag=True, help="End with a line of JSON instead of text; needs --out."),
    ]


@click.command("export", epilog=_EPILOG)
@takes(_Options)
def command(options: _Options) -> None:
    """Write samples as CSV, as JSON lines in the format of the Sage data API, or as Parquet."""
    out = options.out
    form: Format = options.form or (BY_EXTENSION.get(out.suffix, "csv") if out else "csv")
    if out is None and (form == "parquet" or options.as_json):
        raise ConfigError("--format parquet and --json need --out, the file to write")
    database = open_store(options.db, write=False)
    from profileapp.store.export import export, export_to_file  # noqa: PLC0415

    selection = options.selection(options.series)
    if out is None:
        export(database, selection, form, sys.stdout.buffer)
        return
    count = export_to_file(database, selection, form, out)
    if options.as_json:
        click.echo(msgspec.json.encode({"file": str(out), "format": form, "samples": count, "version": 1}))
    else:
        click.echo(f"{count} samples in {out}")
