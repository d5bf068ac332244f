"""The plan of a selftest: an ordinary sage.yaml with one target per load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from profileapp.config.load import load
from profileapp.model.target import Plan
from profileapp.plan.expand import make_plan
from profileapp.selftest.load import Load
from profileapp.selftest.loads.network import PEER

TIMEOUT_S = 120


def plan_of(loads: Sequence[Load], image: str, folder: Path, *, quick: bool) -> Plan:
    """Writes the sage.yaml to `folder` and expands it. `image` is "" for the process runtime."""
    path = folder / "sage.yaml"
    targets = [_target(each, image, quick=quick) for each in loads]
    path.write_text(yaml.safe_dump({"name": "selftest", "profiling": {"targets": targets}}), encoding="utf-8")
    return make_plan(load(path), image or None)


def _target(each: Load, image: str, *, quick: bool) -> dict[str, Any]:
    arguments = each.quick_args if quick and each.quick_args else each.args
    target: dict[str, Any] = {
        "name": each.name,
        "args": [each.module, *arguments],
        "metrics": list(each.metrics),
        "interval": each.interval_s,
        "timeout": TIMEOUT_S,
        "on-timeout": "fail",
    }
    if each.peer:
        target["services"] = [{"name": PEER, "image": image, "args": [each.module, "peer"]}]
    return target
