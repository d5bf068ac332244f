"""Records whose fields are options."""

from __future__ import annotations

from typing import Annotated

import click
import msgspec
from click.testing import CliRunner

from profileapp.commands.options import json_option, takes


class _Shared(msgspec.Struct, frozen=True, kw_only=True):
    size: Annotated[int, click.option("--size", default=3)]


class _Options(_Shared, frozen=True, kw_only=True):
    names: Annotated[tuple[str, ...], click.option("--name", "names", multiple=True)]
    as_json: Annotated[bool, json_option]


@click.command()
@takes(_Options)
def _command(options: _Options) -> None:
    """What it does."""
    click.echo(repr(options))


def test_a_command_gets_its_options_as_one_record() -> None:
    done = CliRunner().invoke(_command, ["--name", "a", "--name", "b", "--json"])
    assert done.output == f"{_Options(size=3, names=('a', 'b'), as_json=True)!r}\n"


def test_help_lists_shared_options_first_then_those_of_the_command() -> None:
    text = CliRunner().invoke(_command, ["--help"]).output
    assert "What it does." in text
    assert text.index("--size") < text.index("--name") < text.index("--json")


def test_a_wrong_value_is_an_error_of_usage() -> None:
    done = CliRunner().invoke(_command, ["--size", "much"])
    assert done.exit_code == 2
    assert "'--size'" in done.output
