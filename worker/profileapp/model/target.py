"""What is to be run: the plan's records, as `profileapp plan --json` prints them."""

from __future__ import annotations

from typing import Literal

import msgspec

OnTimeout = Literal["end", "fail"]


class App(msgspec.Struct, frozen=True):
    """Whose profile it is."""

    name: str
    version: str = ""


class Target(msgspec.Struct, frozen=True):
    """One configuration of the app on one kind of agent, with every default filled in.

    `name` matches `[a-z0-9][a-z0-9._-]{0,62}`. `agent` is a Jenkins label expression, "" for any. `timeout_s` 0: the
    app ends by itself. `dataset` is a path relative to the folder of the configuration file. `budgets` maps a
    statistic of a series to a condition, in the text of the YAML.
    """

    name: str
    args: tuple[str, ...] = ()
    agent: str = ""
    env: dict[str, str] = {}
    dataset: str | None = None
    timeout_s: float = 0.0
    on_timeout: OnTimeout = "end"
    grace_s: float = 10.0
    warmup_s: float = 0.0
    repeat: int = 1
    interval_s: float = 1.0
    metrics: tuple[str, ...] = ()
    budgets: dict[str, str] = {}


class Plan(msgspec.Struct, frozen=True):
    """All that is to be run. `files` are Ant patterns, relative to the configuration's folder, an agent needs.

    `warnings` say what this agent cannot measure of the targets that would run on it, where it was asked to look.
    """

    app: App
    image: str | None
    targets: tuple[Target, ...]
    files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    version: int = 1
