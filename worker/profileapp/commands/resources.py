"""`profileapp resources`: requests and limits from a profile, in the format of a scheduler."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from profileapp.commands.measuring import Means, measure
from profileapp.commands.options import json_option, takes
from profileapp.commands.outcome import stop_code
from profileapp.commands.report import judge_all
from profileapp.commands.runtime import docker_runtime, image_source
from profileapp.errors import ConfigError, ExitCode, worst
from profileapp.judge.proposal import Proposal, propose
from profileapp.judge.use import Use, use_of
from profileapp.judge.verdict import JudgedRun
from profileapp.judge.verification import Attempt, Verified, attempt_of, proof_lines, verify
from profileapp.model.run import Run
from profileapp.model.target import Plan
from profileapp.model.text import printable
from profileapp.report import resource_formats as formats
from profileapp.report.format import ABSENT
from profileapp.report.terminal import PLAIN_WIDTH
from profileapp.run.launch import Limits
from profileapp.run.limits import default_memory_bytes
from profileapp.run.runtime import Runtime

_EPILOG = """\b
Examples:
  profileapp resources profile/
  profileapp resources profile/ --target use-gpu --format sage
  profileapp resources profile/ --verify --format kubernetes > resources.yaml
"""
Form = Literal["text", "sage", "profile", "kubernetes", "docker"]


class _Stopped(Exception):
    """A signal stopped the verification."""


class _Options(msgspec.Struct, frozen=True, kw_only=True):
    folder: Annotated[Path, click.argument("folder", type=click.Path(path_type=Path, file_okay=False))]
    targets: Annotated[
        tuple[str, ...],
        click.option("--target", "targets", multiple=True, metavar="NAME", help="Only this target; repeatable."),
    ]
    form: Annotated[
        Form,
        click.option(
            "--format",
            "form",
            type=click.Choice(formats.FORMATS),
            default="text",
            show_default=True,
            help="A table, or lines for Sage's pluginctl and jobs, its scheduler's profiles, Kubernetes, `docker run`.",
        ),
    ]
    is_verified: Annotated[
        bool,
        click.option(
            "--verify",
            "is_verified",
            is_flag=True,
            help="Run the app in a container under the limits: they must hold, and 15 % less memory must not.",
        ),
    ]
    config_folder: Annotated[
        Path,
        click.option(
            "--config-folder",
            type=click.Path(path_type=Path, file_okay=False, exists=True),
            default=Path(),
            help="For --verify: the folder of the sage.yaml, with its datasets. Default: the current folder.",
        ),
    ]
    image: Annotated[
        str | None,
        click.option("--image", envvar="PROFILEAPP_IMAGE", help="For --verify: the image. Default: the profile's."),
    ]
    as_json: Annotated[bool, json_option]


class _Found(msgspec.Struct, frozen=True):
    run: Run
    use: Use
    proposal: Proposal
    verified: Verified | None = None

    @property
    def exit_code(self) -> ExitCode:
        if self.verified and self.verified.problem:
            return ExitCode.BUDGET_VIOLATED
        return ExitCode.NOT_MEASURED if self.proposal.request_memory.value is None else ExitCode.OK


@click.command("resources", epilog=_EPILOG)
@takes(_Options)
def command(options: _Options) -> int:
    """Propose requests and limits of CPU and memory from the profiles in FOLDER, the --out of a run, and say why.

    Memory: the kernel's peak over all repeats; the limit has a margin. CPU: what keeps the app's rate. Exit codes: 0, 1
    if --verify finds no limits that hold, 4 if a target's memory peak is unknown, so that nothing is proposed for it.
    """
    judged = _chosen(judge_all(options.folder), options.targets)
    found = []
    for one in judged:
        use = use_of(one)
        found.append(_Found(one.run, use, propose(use)))
    if options.is_verified:
        try:
            found = [_verify(each, options) for each in found]
        except _Stopped as stopped:
            return stop_code(int(stopped.args[0]))
    if options.as_json:
        click.echo(msgspec.json.encode({"targets": [_record(each) for each in found], "version": 1}))
    elif options.form == "text":
        for each in found:
            _print_table(each)
    else:
        click.echo(_formatted(found, options.form), nl=False)
    return worst([each.exit_code for each in found])


def _chosen(judged: Sequence[JudgedRun], names: Sequence[str]) -> list[JudgedRun]:
    known = [each.run.target.name for each in judged]
    for name in names:
        if name not in known:
            shown = ", ".join(printable(each, 64) for each in known)
            raise ConfigError(f"no target is named {printable(name, 64)!r}; there are: {shown}")
    return [each for each in judged if not names or each.run.target.name in names]


def _verify(found: _Found, options: _Options) -> _Found:
    """Raises ConfigError if the profile is not of a container, _Stopped at a signal."""
    run = found.run
    if found.proposal.limit_memory.value is None:
        return found
    image = options.image or (run.image.name if run.image else "")
    if not image:
        raise ConfigError(f"{run.target.name}: is not the profile of a container, so no limits can be tried out")
    target = msgspec.structs.replace(run.target, repeat=1, budgets={}, metrics=("container",), cool_below_c=None)
    plan = Plan(app=run.app, image=image, targets=(target,))

    def runtime(means: Means) -> Runtime:
        source = image_source(image, True, None, None, options.folder, means.login, means.stop, "default")
        return docker_runtime(source, means.state, means.login, means.stop)

    def try_out(memory_bytes: int, cpus: float | None) -> Attempt:
        # A limit above the agent's memory would have no effect.
        limits = Limits(min(memory_bytes, default_memory_bytes()), cpus=cpus)
        with tempfile.TemporaryDirectory(prefix="profileapp-verify-") as out:
            measured = measure(plan, options.config_folder.resolve(), Path(out), limits, runtime)
            if measured.stop_signal:
                raise _Stopped(measured.stop_signal)
            for error in measured.failures.values():
                raise error
            return attempt_of(next(iter(measured.judged), None), found.use, memory_bytes, cpus)

    verified = verify(found.proposal, found.use.cpu_count, try_out)
    return msgspec.structs.replace(found, proposal=verified.proposal, verified=verified)


def _formatted(found: Sequence[_Found], form: Form) -> str:
    if form == "profile":
        return formats.profiles([(each.run, each.proposal) for each in found])
    write = {"sage": formats.sage, "kubernetes": formats.kubernetes, "docker": formats.docker}[form]
    separator = "---\n" if form == "kubernetes" else "\n"
    return separator.join(write(each.run, each.proposal) for each in found)


def _record(found: _Found) -> dict[str, Any]:
    proposal, verified = found.proposal, found.verified
    return {
        "name": found.run.target.name,
        "image": found.run.image.name if found.run.image else None,
        "resources": formats.resources(proposal),
        "proposal": msgspec.to_builtins(proposal),
        "attempts": msgspec.to_builtins(verified.attempts) if verified else [],
        "problem": verified.problem if verified else "",
    }


def _print_table(found: _Found) -> None:
    console = Console()
    console = console if console.is_terminal else Console(width=PLAIN_WIDTH, color_system=None)
    table = Table(title=Text(printable(found.run.target.name, 64)), title_justify="left", box=None, pad_edge=False)
    for heading in ("", "value", "why"):
        table.add_column(heading, overflow="fold")
    for row in formats.rows(found.proposal):
        table.add_row(row.key, row.value or ABSENT, Text(printable(row.why, 300)))
    console.print(table)
    lines = [*found.proposal.warnings]
    if found.verified:
        lines += [f"tried {line}" for line in proof_lines(found.verified.attempts)]
        lines += [found.verified.problem] if found.verified.problem else []
    for line in lines:
        console.print(Text(f"  {printable(line, 400)}"))
