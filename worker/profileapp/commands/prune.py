"""`profileapp prune`: thins and removes old samples and runs in the database."""

from __future__ import annotations

import click
import msgspec

from profileapp.commands.database import db_option, open_store
from profileapp.commands.selection import make_selection, moment_ns, selection_options
from profileapp.errors import ConfigError
from profileapp.model.quantity import parse_duration_s

_EPILOG = """\b
Examples:
  profileapp prune --thin-after 7d --spacing 10s --drop-samples-after 90d
  profileapp prune --app objcounter --remove-after 365d --dry-run
"""


@click.command("prune", epilog=_EPILOG)
@db_option
@selection_options
@click.option("--thin-after", default="", metavar="AGE", help="Thin the samples of runs older than this, such as 7d.")
@click.option(
    "--spacing",
    default="10s",
    show_default=True,
    help="Keep the first, minimum, maximum and last sample in each such span.",
)
@click.option("--drop-samples-after", default="", metavar="AGE", help="Remove the samples of runs older than this.")
@click.option("--remove-after", default="", metavar="AGE", help="Remove runs older than this, with their statistics.")
@click.option("--dry-run", is_flag=True, help="Only report what would be removed.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON instead of text.")
def command(
    db: str,
    app: str,
    target: str,
    run_id: str,
    branch: str,
    since: str,
    until: str,
    thin_after: str,
    spacing: str,
    drop_samples_after: str,
    remove_after: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Thin or remove what is old. The statistics of a run stay as long as the run."""
    if not (thin_after or drop_samples_after or remove_after):
        raise ConfigError("nothing to do: give --thin-after, --drop-samples-after or --remove-after")
    database = open_store(db, write=True)
    from profileapp.store.retention import Policy, prune  # noqa: PLC0415

    policy = Policy(
        thin_before_ns=moment_ns("--thin-after", thin_after),
        spacing_ns=_spacing_ns(spacing),
        drop_before_ns=moment_ns("--drop-samples-after", drop_samples_after),
        remove_before_ns=moment_ns("--remove-after", remove_after),
    )
    selection = make_selection(app=app, target=target, run_id=run_id, branch=branch, since=since, until=until)
    done = prune(database, policy, selection, dry_run=dry_run)
    if as_json:
        click.echo(msgspec.json.encode({**msgspec.structs.asdict(done), "dry_run": dry_run, "version": 1}))
        return
    would = "would be " if dry_run else ""
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
        raise ConfigError("--spacing: must be longer than nothing")
    return round(seconds * 1e9)
