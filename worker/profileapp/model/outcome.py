"""What a run means for the build that asked for it: `outcome.json`."""

from __future__ import annotations

from typing import Literal

import msgspec

OUTCOME_VERSION = 1

BuildResult = Literal["SUCCESS", "UNSTABLE", "FAILURE"]
"""As Jenkins calls a build's result."""
Effect = Literal["unstable", "fail", "ignore"]
"""What a user wants something to make of a build."""


class Policy(msgspec.Struct, frozen=True):
    """What a violated budget (or a number worse than its baseline), and an app that failed, make of the build."""

    on_budget: Effect = "unstable"
    on_app_failure: Effect = "fail"


class TargetOutcome(msgspec.Struct, frozen=True):
    """One target. `message` is one line, "" where all is well; `exit_code` that of the worker for this target alone."""

    result: BuildResult
    exit_code: int
    message: str


class Outcome(msgspec.Struct, frozen=True):
    """All targets by name, the worst of their results, and one line with the reason, "" where all passed.

    `exit_code` is that of the worker, whatever the policy is. Without this file nothing is known of a run, whatever the
    exit code of the process was.
    """

    result: BuildResult
    message: str
    exit_code: int
    targets: dict[str, TargetOutcome] = {}
    version: int = OUTCOME_VERSION
