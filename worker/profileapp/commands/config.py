"""`profileapp config`: configurations that users save in the database."""

from __future__ import annotations

import difflib
import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from profileapp.commands.database import open_store, saved_overlay
from profileapp.commands.options import db_option, json_option
from profileapp.config.load import merged_text
from profileapp.config.source import read_text
from profileapp.errors import ConfigError
from profileapp.model.clock import format_utc
from profileapp.model.text import printable

if TYPE_CHECKING:
    from profileapp.store.configurations import Saved

_EPILOG = """\b
Examples:
  profileapp config save alice/objcounter/night night.yaml --comment "longer warm-up"
  profileapp config list alice
  profileapp config show alice/objcounter/night
  profileapp config diff alice/objcounter/night
  profileapp plan sage.yaml --config alice/objcounter/night
"""


@click.group("config", epilog=_EPILOG)
def command() -> None:
    """Keep configurations in the database: a profiling: section, complete or partial, to merge into a sage.yaml."""


@command.command("save")
@click.argument("name", metavar="OWNER/APP/NAME")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--comment", default="", help="Why.")
@db_option
@json_option
def _save(name: str, file: Path, comment: str, db: str, as_json: bool) -> None:
    """Save FILE, YAML with a profiling: section, as a new version, unless it equals the latest one."""
    try:
        content = read_text(file).decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not valid UTF-8") from error
    database = open_store(db, write=True)
    from profileapp.store.configurations import save  # noqa: PLC0415

    saved, is_new = save(database, name, content, _user(), comment)
    if as_json:
        _print_json({**msgspec.structs.asdict(saved), "new": is_new})
    else:
        click.echo(f"{saved.name}: version {saved.version}{'' if is_new else ', unchanged'}")


@command.command("list")
@click.argument("prefix", metavar="[OWNER[/APP]]", default="")
@db_option
@json_option
def _list(prefix: str, db: str, as_json: bool) -> None:
    """List the saved configurations, with the latest version of each."""
    database = open_store(db, write=False)
    from profileapp.store.configurations import listing  # noqa: PLC0415

    _print_all(listing(database, prefix), as_json)


@command.command("show")
@click.argument("name", metavar="OWNER/APP/NAME")
@click.option("--version", type=click.IntRange(1), help="Default: the latest.")
@click.option("--versions", "all_versions", is_flag=True, help="List all versions, with who saved them and when.")
@db_option
@json_option
def _show(name: str, version: int | None, all_versions: bool, db: str, as_json: bool) -> None:
    """Print a saved configuration."""
    database = open_store(db, write=False)
    from profileapp.store.configurations import load_saved, versions  # noqa: PLC0415

    if all_versions:
        _print_all(versions(database, name), as_json)
        return
    saved = load_saved(database, name, version or 0)
    if as_json:
        _print_json(msgspec.structs.asdict(saved))
    else:
        click.echo(saved.content, nl=False)


@command.command("diff")
@click.argument("name", metavar="OWNER/APP/NAME")
@click.option("--from", "first", type=click.IntRange(1), help="A version. Default: the one before the latest.")
@click.option("--to", "second", type=click.IntRange(1), help="A version. Default: the latest.")
@db_option
@json_option
def _diff(name: str, first: int | None, second: int | None, db: str, as_json: bool) -> None:
    """Show the changes between two versions."""
    database = open_store(db, write=False)
    from profileapp.store.configurations import versions  # noqa: PLC0415

    found = {each.version: each for each in versions(database, name)}
    newer = second or max(found)
    older = first or max(newer - 1, 1)
    for wanted in (older, newer):
        if wanted not in found:
            raise ConfigError(f"{name}: has no version {wanted}; it has 1 to {max(found)}")
    lines = list(_changes(found[older], found[newer]))
    if as_json:
        _print_json({"name": name, "from": older, "to": newer, "diff": "".join(lines)})
    else:
        click.echo("".join(lines), nl=False)


@command.command("rm")
@click.argument("name", metavar="OWNER/APP/NAME")
@click.option("--comment", default="", help="Why.")
@db_option
@json_option
def _rm(name: str, comment: str, db: str, as_json: bool) -> None:
    """Remove a configuration. Its versions remain available to `show` and `diff`."""
    database = open_store(db, write=True)
    from profileapp.store.configurations import remove  # noqa: PLC0415

    saved = remove(database, name, _user(), comment)
    if as_json:
        _print_json(msgspec.structs.asdict(saved))
    else:
        click.echo(f"{saved.name}: removed by version {saved.version}")


@command.command("merge")
@click.argument("name", metavar="OWNER/APP/NAME")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@db_option
def _merge(name: str, file: Path, db: str) -> None:
    """Print FILE, a sage.yaml, merged with a configuration, as `plan --config` and `run --config` use it."""
    overlay = saved_overlay(name, db)
    if overlay is None:
        raise ConfigError("no configuration is named; give OWNER/APP/NAME")
    click.echo(merged_text(file, overlay), nl=False)


def _changes(older: Saved, newer: Saved) -> list[str]:
    """A unified diff; a removed version is empty."""
    # Every line ends with a newline; otherwise the last one would run into the next.
    before, after = ([f"{line}\n" for line in (each.content or "").splitlines()] for each in (older, newer))
    names = [f"{each.name} version {each.version}" for each in (older, newer)]
    return list(difflib.unified_diff(before, after, names[0], names[1]))


def _print_all(found: Sequence[Saved], as_json: bool) -> None:
    if as_json:
        rows = [{**msgspec.structs.asdict(each), "removed": each.content is None} for each in found]
        _print_json({"configurations": [{key: row[key] for key in row if key != "content"} for row in rows]})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("name", "version", "saved", "by", "comment"):
        table.add_column(heading, overflow="fold")
    for each in found:
        who = f"{each.saved_by} ({each.saved_role})" if each.saved_role else each.saved_by
        comment = printable(each.comment, 100) if each.content is not None else f"removed {printable(each.comment, 90)}"
        moment = format_utc(each.saved_ns)[:19].replace("T", " ")
        table.add_row(each.name, str(each.version), moment, Text(printable(who, 60)), Text(comment))
    console = Console()
    (console if console.is_terminal else Console(width=160, color_system=None)).print(table)


def _print_json(record: dict[str, Any]) -> None:
    click.echo(msgspec.json.encode({**record, "format": 1}))


def _user() -> str:
    """This process's user name; "" if unknown."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
