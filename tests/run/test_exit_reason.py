"""Maps an app's exit, and what we did to it, to an exit reason."""

from __future__ import annotations

import pytest

from profileapp.model.run import Repeat
from profileapp.model.target import Target
from profileapp.run.exit_reason import Cause, exit_reason_of, run_exit_reason, signal_name
from profileapp.run.launch import Exit
from profileapp.run.repeat_runner import lateness_ns

TARGET = Target("t", timeout_s=5, grace_s=2)


STRICT = Target("t", timeout_s=5, on_timeout="fail")


@pytest.mark.parametrize(
    ("exit_", "cause", "target", "exit_reason", "reported"),
    [
        (Exit(0), Cause(), TARGET, "completed", "exited with code 0"),
        (Exit(7), Cause(), TARGET, "failed", "exited with code 7"),
        (Exit(139, 11), Cause(), TARGET, "signalled", "SIGSEGV"),
        (Exit(137, 9, oom_killed=True), Cause(), TARGET, "oom-killed", "exceeded its memory limit of 1.50 GiB"),
        (Exit(143, 15), Cause(timeout=True), TARGET, "timeout", "ran for its 5 s"),
        (Exit(137, 9), Cause(timeout=True, killed=True), TARGET, "timeout", "ignored SIGTERM for 2 s and was killed"),
        (Exit(143, 15), Cause(timeout=True), STRICT, "timeout-failed", "did not finish in time"),
        (Exit(143, 15), Cause(exceeded="the app wrote 5 GiB"), TARGET, "disk-limit", "wrote 5 GiB"),
        (
            Exit(137, 9, oom_killed=True),
            Cause(timeout=True),
            TARGET,
            "oom-killed",
            "exceeded its memory limit of 1.50 GiB",
        ),
        (Exit(143, 15), Cause(stop_signal=2), TARGET, "aborted", "SIGINT"),
        (Exit(), Cause(failure="disk full"), TARGET, "not-measured", "disk full"),
        (Exit(lost="daemon gone"), Cause(), TARGET, "not-measured", "daemon gone"),
        (Exit(127, refused="no such program"), Cause(), TARGET, "not-started", "no such program"),
    ],
)
def test_exit_reasons(exit_: Exit, cause: Cause, target: Target, exit_reason: str, reported: str) -> None:
    result, message = exit_reason_of(exit_, cause, target, memory_limit_bytes=3 * 1024**3 // 2)
    assert result == exit_reason and reported in message


def test_a_run_has_the_exit_reason_of_its_first_failed_repeat() -> None:
    good, bad = Repeat(1, 0, 0, 1, "completed"), Repeat(2, 0, 0, 1, "failed", message="exit code 3")
    assert run_exit_reason((good, bad)) == ("failed", "repeat 2: exit code 3")
    assert run_exit_reason((bad,)) == ("failed", "exit code 3")
    assert run_exit_reason((good,))[0] == "completed"
    assert run_exit_reason(())[0] == "not-measured"
    assert signal_name(64) in ("SIGRTMAX", "signal 64") and signal_name(200) == "signal 200"


@pytest.mark.parametrize(
    ("exit_", "late_ns"),
    [(None, 0), (Exit(0), 0), (Exit(0, ended_ns=700), 300), (Exit(0, ended_ns=1001), 0), (Exit(0, ended_ns=1000), 0)],
)
def test_a_run_ends_when_the_app_did_not_when_we_heard_of_it(exit_: Exit | None, late_ns: int) -> None:
    assert lateness_ns(exit_, 1000) == late_ns
    assert lateness_ns(exit_, 1000 + 10**12) == 0
