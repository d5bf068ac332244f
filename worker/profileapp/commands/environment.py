"""Sets every option from an environment variable: the Jenkins step passes values without a shell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click


class LinesOption(click.Option):
    """A repeatable option; each line of its variable is one value."""

    def value_from_envvar(self, ctx: click.Context) -> Any:
        text = self.resolve_envvar_value(ctx)
        return None if text is None else [line for line in text.splitlines() if line] or None


def name_variables(command: click.Command, prefix: str) -> click.Command:
    """Gives every option and argument of a command, and of its subcommands, the variable `prefix_NAME`.

    It has precedence over a variable that several commands share. Repeatable arguments have none.
    """
    if isinstance(command, click.Group):
        for name, one in command.commands.items():
            name_variables(one, f"{prefix}_{_variable(name)}")
        return command
    named = [param for param in command.params if isinstance(param, click.Option) or param.nargs == 1]
    for param in named:
        own = f"{prefix}_{_variable(_name_of(param))}"
        shared = [param.envvar] if isinstance(param.envvar, str) else list(param.envvar or ())
        param.envvar = [own, *(each for each in shared if each != own)]
    example = next((param for param in named if isinstance(param, click.Option) and not param.is_flag), named[-1])
    text = f"Options from the environment: {_title_of(example)} is {_own_variable(example)}"
    if any(isinstance(param, LinesOption) for param in named):
        text += "; the variable of a repeatable option holds one value per line"
    command.epilog = f"{command.epilog or ''}\n\n{text}."
    return command


def _name_of(param: click.Parameter) -> str:
    """`memory-limit`. `--config` next to an argument CONFIG is named after its value, `saved`."""
    long_name = max(param.opts, key=len).lstrip("-")
    return (param.name or long_name) if long_name == "config" else long_name


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


def _title_of(param: click.Parameter) -> str:
    return param.opts[-1] if isinstance(param, click.Option) else param.human_readable_name


def _own_variable(param: click.Parameter) -> str:
    variables: str | Sequence[str] = param.envvar or ""
    return variables if isinstance(variables, str) else variables[0]
