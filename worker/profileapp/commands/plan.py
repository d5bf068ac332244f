"""`profileapp plan`: what a sage.yaml would run."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from profileapp.config.load import load
from profileapp.model.target import Plan
from profileapp.plan.expand import make_plan, select
from profileapp.plan.table import plan_table


@click.command(
    "plan",
    epilog="\b\nExamples:\n  profileapp plan sage.yaml\n  profileapp plan sage.yaml --target gpu --json",
)
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--image", help="The app's image. Left out: NAMESPACE/NAME:VERSION of the sage.yaml.")
@click.option("--target", "targets", multiple=True, metavar="NAME", help="Only this target; may be given again.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(config: Path, image: str | None, targets: tuple[str, ...], as_json: bool) -> None:
    """Validate CONFIG, a sage.yaml with a profiling: section, and show the plan; runs nothing."""
    plan = load_plan(config, image, targets)
    if as_json:
        click.echo(msgspec.json.encode(plan))
    else:
        click.echo(plan_table(plan), nl=False)


def load_plan(config: Path, image: str | None, targets: tuple[str, ...]) -> Plan:
    """The plan of a file, with only the targets named. Raises ConfigError."""
    return select(make_plan(load(config), image), targets)
