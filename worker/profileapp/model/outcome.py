"""The effect of a run on the build that started it: `outcome.json`."""

from __future__ import annotations

from typing import Literal

import msgspec

OUTCOME_VERSION = 1

BuildResult = Literal["SUCCESS", "UNSTABLE", "FAILURE"]
"""A build's result, as in Jenkins."""
Effect = Literal["unstable", "fail", "ignore"]
"""The effect on a build that a user configures."""


class Policy(msgspec.Struct, frozen=True):
    """The effects of a violated budget (or a number worse than its baseline) and of a failed app on the build."""

    on_budget: Effect = "unstable"
    on_app_failure: Effect = "fail"


class TargetOutcome(msgspec.Struct, frozen=True):
    """One target. `message` is one line, "" on success; `exit_code` is the worker's for this target alone."""

    result: BuildResult
    exit_code: int
    message: str


class Outcome(msgspec.Struct, frozen=True):
    """All targets by name, the worst of their results, and one line with the reason, "" if all passed.

    `exit_code` is the worker's, regardless of the policy. Without this file a run counts as not measured, whatever the
    exit code of the process.
    """

    result: BuildResult
    message: str
    exit_code: int
    targets: dict[str, TargetOutcome] = {}
    version: int = OUTCOME_VERSION
