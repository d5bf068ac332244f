"""A run without a sage.yaml: `profileapp run IMAGE -- ARGS…`, or a command as a process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import click

from profileapp.commands.options import PlanOptions
from profileapp.config.validate import show
from profileapp.errors import ConfigError
from profileapp.model.quantity import parse_duration_s
from profileapp.model.target import App, Plan, Target
from profileapp.plan.names import derived_name, slug

METRICS = ("system", "container")
INTERVAL_S = 0.2
"""Shorter than the default of a target, as a first look is short."""
_AFTER_DASHES = "profileapp.after_dashes"
_YAML = (".yaml", ".yml")


class DashesCommand(click.Command):
    """A command that passes the arguments after `--` to another program."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Hides arguments after the first `--` from click, which would parse them as arguments of this command."""
        if "--" in args:
            at = args.index("--")
            args, ctx.meta[_AFTER_DASHES] = args[:at], tuple(args[at + 1 :])
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The usage line, with the arguments after `--`."""
        return [*super().collect_usage_pieces(ctx)[:-1], "[CONFIG | IMAGE]", "[-- ARGS...]"]


class FirstLookOptions(PlanOptions, frozen=True, kw_only=True):
    """Options for what a target of a sage.yaml has keys for."""

    timeout: Annotated[
        str,
        click.option("--timeout", default="", metavar="DURATION", help="With IMAGE: end the app then. Default: never."),
    ]
    repeat: Annotated[
        int | None,
        click.option("--repeat", type=click.IntRange(1, 1000), help="With IMAGE: how often to run it. Default: once."),
    ]

    def first_plan(self, argv: Sequence[str]) -> Plan:
        """The plan of one target: of `image`, or of `argv` as a process. Raises ConfigError for a bad timeout."""
        try:
            timeout_s = parse_duration_s(self.timeout) if self.timeout else 0.0
        except ValueError as error:
            raise ConfigError(f"--timeout {self.timeout!r}: must be a duration such as 30s or 5m") from error
        is_process = self.runtime == "process"
        program = [Path(argv[0]).name] if is_process else []
        path = (self.image or "").partition("@")[0].rpartition("/")[2].partition(":")[0]
        target = Target(
            name=derived_name([*program, *argv[1:]] if is_process else argv),
            args=() if is_process else tuple(argv),
            timeout_s=timeout_s,
            repeat=self.repeat or 1,
            interval_s=INTERVAL_S,
            metrics=METRICS,
        )
        app = slug(path) or slug(" ".join(program)) or "app"
        return Plan(app=App(app), image=self.image, targets=(target,))


class Asked(NamedTuple):
    """What the command line requests.

    `argv` is what follows `--`; None without `--`. `first` is the first argument; "" without one.
    """

    first: str
    argv: tuple[str, ...] | None
    runtime: Literal["docker", "process"]
    has_image: bool
    """Whether an option names the image."""

    @property
    def is_first_look(self) -> bool:
        """Whether no sage.yaml is involved. Raises ConfigError if this is ambiguous or impossible."""
        if self.argv is None:
            return bool(self.first) and not names_a_file(self.first)
        if self.runtime == "process":
            return self._has_command()
        if self.first and Path(self.first).suffix in _YAML:
            raise ConfigError(
                f"{self.first}: its targets have arguments of their own; write them as `args`, or name an image"
            )
        if bool(self.first) == self.has_image:
            raise ConfigError(
                "name one image before --: profileapp run IMAGE -- ARGS…, or --image, --image-archive or --build; "
                "a command without an image needs --runtime process"
            )
        return True

    def _has_command(self) -> bool:
        if not self.argv:
            raise ConfigError("no command follows --; such as: profileapp run --runtime process -- python3 app.py")
        if self.first and not names_a_file(self.first):
            raise ConfigError(f"{show(self.first)} is before --, but --runtime process has no image")
        return not self.first


def asked(ctx: click.Context, config: Path, runtime: Literal["docker", "process"], *, has_image: bool) -> Asked:
    """What the command line of a context requests; `config` is the value of its first argument."""
    is_given = ctx.get_parameter_source("config") is not click.core.ParameterSource.DEFAULT
    return Asked(str(config) if is_given else "", ctx.meta.get(_AFTER_DASHES), runtime, has_image)


def names_a_file(word: str) -> bool:
    """Whether the first argument is a configuration file, not an image."""
    path = Path(word)
    return path.suffix in _YAML or word.startswith((".", "/")) or path.is_file()


def refuse_target_options(timeout: str, repeat: int | None) -> None:
    """Raises ConfigError for options of a first look if a sage.yaml has the targets."""
    for option, value in (("--timeout", timeout), ("--repeat", repeat)):
        if value:
            raise ConfigError(f"{option} goes with IMAGE -- ARGS; a target of a sage.yaml has a key for it")
