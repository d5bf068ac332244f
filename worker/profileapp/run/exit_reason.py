"""Derives an exit reason from what the runtime observed and what this worker did."""

from __future__ import annotations

import signal

import msgspec

from profileapp.model.run import APP_FAILURES, ExitReason, Repeat
from profileapp.model.target import Target
from profileapp.run.launch import Exit


class Cause(msgspec.Struct, frozen=True):
    """Why this worker ended the app; nothing is set if it exited on its own.

    `timeout`: it ran for its whole timeout; `stop_signal`: this worker was asked to stop; `failure`: the agent could
    not go on measuring; `exceeded`: it wrote more than its limit; `killed`: it ignored SIGTERM for the grace period.
    """

    timeout: bool = False
    stop_signal: int = 0
    failure: str = ""
    exceeded: str = ""
    killed: bool = False


def exit_reason_of(exit_: Exit, cause: Cause, target: Target, memory_limit_bytes: int) -> tuple[ExitReason, str]:
    """The exit reason, and one line that explains it."""
    killed = f"; it ignored SIGTERM for {target.grace_s:g} s and was killed" if cause.killed else ""
    if cause.stop_signal:
        return "aborted", f"stopped by {signal_name(cause.stop_signal)}{killed}"
    if cause.failure:
        return "not-measured", cause.failure
    if cause.exceeded:
        return "disk-limit", f"{cause.exceeded}{killed}"
    if exit_.lost:
        return "not-measured", exit_.lost
    if exit_.refused:
        return "not-started", exit_.refused
    if exit_.oom_killed:
        return "oom-killed", f"the kernel ended the app: {memory_limit_text(memory_limit_bytes)}"
    if cause.timeout:
        text = f"ran for its {target.timeout_s:g} s{killed}"
        return (
            ("timeout", text) if target.on_timeout == "end" else ("timeout-failed", f"did not finish in time: {text}")
        )
    if exit_.signal:
        return "signalled", f"ended by {signal_name(exit_.signal)}, which profileapp did not send"
    if exit_.exit_code:
        return "failed", f"exited with code {exit_.exit_code}"
    return "completed", "exited with code 0"


def memory_limit_text(limit_bytes: int) -> str:
    """`it exceeded its memory limit of 1.50 GiB (--memory-limit)`, of an app or of a service."""
    size = limit_bytes / 1024**2
    limit = f"{size / 1024:.2f} GiB" if size >= 1024 else f"{size:.0f} MiB"
    return f"it exceeded its memory limit of {limit} (--memory-limit)"


def run_exit_reason(repeats: tuple[Repeat, ...]) -> tuple[ExitReason, str]:
    """The exit reason of a run: that of its first repeat that failed, else of its last.

    A traced repeat that fails is blamed on the tool or its requirements: the metric reports it, not the run.
    """
    repeats = tuple(each for each in repeats if not (each.traced and each.exit_reason in APP_FAILURES)) or repeats
    for repeat in repeats:
        if repeat.exit_reason in APP_FAILURES or repeat.exit_reason in ("not-measured", "aborted"):
            where = f"repeat {repeat.index}: " if len(repeats) > 1 else ""
            return repeat.exit_reason, where + repeat.message
    if not repeats or repeats[-1].exit_reason is None:
        return "not-measured", "the app was never started"
    return repeats[-1].exit_reason, repeats[-1].message


def signal_name(number: int) -> str:
    """`SIGTERM`, or `signal 64` if it has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
