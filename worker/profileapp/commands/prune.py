"""`profileapp prune`: thins and removes old samples and runs in the database."""

from __future__ import annotations

from typing import Annotated

import click
import msgspec

from profileapp.commands.database import open_store
from profileapp.commands.options import db_option, json_option, takes
from profileapp.commands.selection import SelectionOptions, moment_ns
from profileapp.errors import ConfigError
from profileapp.model.quantity import parse_duration_s

_EPILOG = """\b
Examples:
  profileapp prune --thin-after 7d --spacing 10s --drop-samples-after 90d
  profileapp prune --app objcounter --remove-after 365d --dry-run
"""


class _Options(SelectionOptions, frozen=True, kw_only=True):
    db: Annotated[str, db_option]
    thin_after: Annotated[
        str,
        click.option(
            "--thin-after", default="", metavar="AGE", help="Thin the samples of runs older than this, such as 7d."
        ),
    ]
    spacing: Annotated[
        str,
        click.option(
            "--spacing",
            default="10s",
            show_default=True,
            help="Keep the first, minimum, maximum and last sample in each such span.",
        ),
    ]
    drop_samples_after: Annotated[
        str,
        click.option(
            "--drop-samples-after", default="", metavar="AGE", help="Remove the samples of runs older than this."
        ),
    ]
    remove_after: Annotated[
        str,
        click.option(
            "--remove-after", default="", metavar="AGE", help="Remove runs older than this, with their statistics."
        ),
    ]
    dry_run: Annotated[bool, click.option("--dry-run", is_flag=True, help="Only report what would be removed.")]
    as_json: Annotated[bool, json_option]


@click.command("prune", epilog=_EPILOG)
@takes(_Options)
def command(options: _Options) -> None:
    """Thin or remove old samples, or remove old runs. The statistics of a run remain as long as the run."""
    if not (options.thin_after or options.drop_samples_after or options.remove_after):
        raise ConfigError("nothing to do: give --thin-after, --drop-samples-after or --remove-after")
    database = open_store(options.db, write=True)
    from profileapp.store.retention import Policy, prune  # noqa: PLC0415

    policy = Policy(
        thin_before_ns=moment_ns("--thin-after", options.thin_after),
        spacing_ns=_spacing_ns(options.spacing),
        drop_before_ns=moment_ns("--drop-samples-after", options.drop_samples_after),
        remove_before_ns=moment_ns("--remove-after", options.remove_after),
    )
    done = prune(database, policy, options.selection(), dry_run=options.dry_run)
    if options.as_json:
        click.echo(msgspec.json.encode({**msgspec.structs.asdict(done), "dry_run": options.dry_run, "version": 1}))
        return
    would = "would be " if options.dry_run else ""
    click.echo(
        f"{would}thinned: {done.thinned} runs; {would}without samples: {done.dropped}; "
        f"{would}removed: {done.removed}; {done.samples} samples gone"
    )


def _spacing_ns(text: str) -> int:
    try:
        seconds = parse_duration_s(text)
    except ValueError as error:
        raise ConfigError(f"--spacing: {error}; such as 500ms, 10s or 1m") from error
    if seconds <= 0:
        raise ConfigError("--spacing: must be longer than 0")
    return round(seconds * 1e9)
