"""How a start of the app ended, from what the runtime saw and what we did ourselves."""

from __future__ import annotations

import signal

import msgspec

from profileapp.model.run import APP_FAILURES, ExitReason, Repeat
from profileapp.model.target import Target
from profileapp.run.launch import Exit


class Cause(msgspec.Struct, frozen=True):
    """Why we ended the app; nothing set where it ended by itself.

    `timeout`: its time was over; `stop_signal`: we were told to stop; `failure`: the agent could not go on measuring;
    `exceeded`: it wrote more than it may; `killed`: it ignored SIGTERM for the whole grace time.
    """

    timeout: bool = False
    stop_signal: int = 0
    failure: str = ""
    exceeded: str = ""
    killed: bool = False


def exit_reason_of(exit_: Exit, cause: Cause, target: Target) -> tuple[ExitReason, str]:
    """The ending and one line that says it to people."""
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
        return "oom-killed", "the kernel ended the app: it wanted more memory than the agent gives it"
    if cause.timeout:
        text = f"ran its {target.timeout_s:g} s{killed}"
        return (
            ("timeout", text) if target.on_timeout == "end" else ("timeout-failed", f"not done after its time: {text}")
        )
    if exit_.signal:
        return "signalled", f"ended by {signal_name(exit_.signal)}, which profileapp did not send"
    if exit_.exit_code:
        return "failed", f"ended with exit code {exit_.exit_code}"
    return "completed", "ended by itself with exit code 0"


def run_exit_reason(repeats: tuple[Repeat, ...]) -> tuple[ExitReason, str]:
    """The ending of a run: that of its first repeat that did not end well, else of its last.

    An app that fails in a traced repeat is the tool's fault, or of what it needs: the metric says so, not the run.
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
    """`SIGTERM`, or `signal 64` where it has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
