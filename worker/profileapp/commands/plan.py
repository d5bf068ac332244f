"""`profileapp plan`: shows what a sage.yaml would run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import click
import msgspec

from profileapp.commands.database import saved_overlay
from profileapp.commands.options import PlanOptions, json_option, takes
from profileapp.config.load import SageYaml
from profileapp.config.load import load as load_config
from profileapp.config.section import PROFILING_FILE, TOP_LEVEL
from profileapp.errors import ConfigError
from profileapp.model.target import Plan, Target
from profileapp.model.text import printable
from profileapp.plan.drawing import plan_drawing
from profileapp.plan.expand import make_plan, select
from profileapp.plan.groups import METRIC_EXTRAS, group_targets
from profileapp.plan.table import plan_table
from profileapp.plan.workspace import check_carried
from profileapp.retry import timeout_s_of


class _Options(PlanOptions, frozen=True, kw_only=True):
    check: Annotated[
        bool,
        click.option(
            "--check",
            is_flag=True,
            help="Check that this agent can run its targets' images and supports their metrics. An app's image that "
            "each agent loads or builds itself is not checked.",
        ),
    ]
    workspace: Annotated[
        Path | None,
        click.option(
            "--workspace",
            envvar="PROFILEAPP_WORKSPACE",
            type=click.Path(path_type=Path, file_okay=False),
            metavar="FOLDER",
            help="A Jenkins workspace: reject paths that would send files from outside it to other agents.",
        ),
    ]
    agent: Annotated[
        str,
        click.option("--agent", default="", metavar="LABEL", help="Label of the agent for targets that name none."),
    ]
    group_by_agent: Annotated[
        bool,
        click.option(
            "--group-by-agent",
            is_flag=True,
            help="In the JSON's groups: targets with the same label share an agent. Default: one agent per target.",
        ),
    ]
    as_json: Annotated[bool, json_option]


@click.command(
    "plan",
    epilog="\b\nExamples:\n  profileapp plan sage.yaml\n  profileapp plan sage.yaml --target gpu --json",
)
@takes(_Options)
def command(options: _Options) -> None:
    """Validate CONFIG, a sage.yaml with a profiling: section, and show the plan; runs nothing.

    Default: the sage.yaml of the current folder. The section may be in profiling.yaml beside it.
    """
    refuse_both(options)
    sources = options.config.parent if options.runtime == "process" else None
    if options.workspace:
        _check_carried(options, options.workspace, sources)
    plan = load_plan(options, named=bool(options.workspace))
    plan = msgspec.structs.replace(
        plan, groups=group_targets(plan.targets, options.agent, together=options.group_by_agent)
    )
    if options.workspace and sources:
        # The process runtime runs the app's sources.
        plan = msgspec.structs.replace(plan, files=("**",))
    if options.check:
        here = _targets_here(plan, os.environ)
        is_pulled = options.runtime == "docker" and not options.image_archive and not options.build
        is_jenkins = bool(options.workspace)
        warnings = (
            *plan.warnings,
            *_image_warnings(plan, here, is_pulled),
            *_metric_warnings(here, is_jenkins=is_jenkins),
        )
        plan = msgspec.structs.replace(plan, warnings=warnings)
    for warning in plan.warnings:
        click.echo(f"profileapp: warning: {warning}", err=True)
    if options.as_json:
        click.echo(msgspec.json.encode(plan))
    else:
        click.echo(f"{plan_table(plan)}\n{plan_drawing(plan)}", nl=False)


def _check_carried(options: PlanOptions, workspace: Path, sources: Path | None) -> None:
    files = {"CONFIG": options.config}
    if options.image_archive:
        files["--image-archive"] = options.image_archive
    folders = {key: path for key, path in {"--build": options.build, "the sources in": sources}.items() if path}
    check_carried(workspace, files, folders)


def _targets_here(plan: Plan, environ: Mapping[str, str]) -> list[Target]:
    """The targets that name no agent, or a label of this Jenkins node (NODE_LABELS)."""
    labels = environ.get("NODE_LABELS", "").split()
    return [target for target in plan.targets if not target.agent or target.agent in labels]


def _image_warnings(plan: Plan, here: list[Target], is_pulled: bool) -> tuple[str, ...]:
    """Warnings for the services' images, and for the app's if `is_pulled`: a local build may shadow another image."""
    names = [plan.image] if plan.image and is_pulled and here else []
    names += [service.image for target in here for service in target.services if service.image]
    if not names:
        return ()
    # docker takes longer to import than everything else together.
    from profileapp.run.docker.image_check import check_images  # noqa: PLC0415
    from profileapp.run.docker.registry_login import take_login  # noqa: PLC0415

    return check_images(
        names,
        take_login(os.environ),
        timeout_s_of(os.environ),
        lambda text: click.echo(f"profileapp: {text}", err=True),
    )


def _metric_warnings(here: list[Target], *, is_jenkins: bool) -> tuple[str, ...]:
    """Warnings for metrics that are unavailable here. In Jenkins a run installs the extras that its targets need."""
    # Opening sources imports their dependencies, which a plan alone does not need.
    from profileapp.collect.registry import sources  # noqa: PLC0415
    from profileapp.commands.runtime import agent_helpers  # noqa: PLC0415
    from profileapp.run.agent.checkup import check_metrics  # noqa: PLC0415

    wanted = tuple(dict.fromkeys(metric for target in here for metric in target.metrics))
    installed_later = set(METRIC_EXTRAS.values()) if is_jenkins else set()
    missing = [
        each
        for each in check_metrics(wanted, sources, lambda _: None, agent_helpers())
        if not each.available and not any(source.extra in installed_later for source in each.sources)
    ]
    return tuple(
        f"{each.title}: unavailable on this agent, but {names} "
        f"{'requests' if ',' not in names else 'request'} it: {printable(each.reason, 400)}"
        for each in missing
        for names in [", ".join(target.name for target in here if each.metric in target.metrics)]
    )


def refuse_both(options: PlanOptions) -> None:
    """Raises ConfigError if two sources of the image are given."""
    if options.image_archive and options.build:
        raise ConfigError("--image-archive and --build exclude one another")


def load_plan(options: PlanOptions, *, named: bool = False) -> Plan:
    """The plan of a file merged with a saved configuration, reduced to the named targets. `named`: it needs a name.

    Raises ConfigError.
    """
    sage = load_config(options.config, saved_overlay(options.saved, options.db))
    if named and not sage.has_name:
        raise ConfigError(
            f"{sage.path}: has no name, and the name of its folder, used instead, differs between "
            "agents; add one, such as `name: my-app`"
        )
    plan = select(make_plan(sage, options.image), options.targets)
    return msgspec.structs.replace(plan, warnings=app_store_warnings(sage))


def app_store_warnings(sage: SageYaml) -> tuple[str, ...]:
    """A warning if Sage's app store would refuse the file: it allows no `profiling:` at the top.

    Source: waggle-sensor/sage-ecr, config.py, valid_fields.
    """
    section = sage.section
    if not (sage.is_for_app_store and section.at == TOP_LEVEL and section.path == sage.path):
        return ()
    return (
        f"{section.place}: Sage's app store refuses this key at the top of the file; "
        f"`profileapp init {sage.path}` moves it to {PROFILING_FILE}",
    )
