"""`profileapp completion`: completes commands and options in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from profileapp.errors import ConfigError


@click.command(
    "completion",
    epilog='\b\nExamples:\n  eval "$(profileapp completion bash)"\n  profileapp completion fish > '
    "~/.config/fish/completions/profileapp.fish",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the script that completes profileapp's commands and options in SHELL."""
    completion = get_completion_class(shell)
    if completion is None:
        raise ConfigError(f"no completion for {shell}")
    click.echo(completion(context.find_root().command, {}, "profileapp", "_PROFILEAPP_COMPLETE").source())
