"""Verifies proposed limits: they must suffice, and 15 % less memory must not. Pure except for `try_out`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from profileapp.judge.proposal import MEMORY_MARGIN, MEMORY_MIN_BYTES, MIB, Amount, Proposal, whole_mib
from profileapp.judge.use import Use, Work, use_of
from profileapp.judge.verdict import JudgedRun

LESS = 0.15
"""Fraction of memory to remove; the app must fail then."""
TOLERANCE = 0.10
"""Performance may be worse by this fraction."""
STEPS = (1 - LESS, 0.7, 0.5)
"""Fractions of the sufficient memory to try the first, the second and any later time."""
RAISED = 1.25
RAISED_MAX = 4
ATTEMPTS_MAX = 8
_FOR_WANT_OF_MEMORY = ("oom-killed", "signalled", "failed")
"""If the kernel kills a child, its parent may fail."""
_NORMAL_ENDS = ("completed", "timeout")


class Attempt(msgspec.Struct, frozen=True):
    """A run under limits. `problem`: why the limits did not suffice; "" if they did. `is_memory`: too little memory."""

    memory_bytes: int
    cpus: float | None
    problem: str = ""
    is_memory: bool = False


class Verified(msgspec.Struct, frozen=True):
    """The proposal after the attempts. `problem`: why no sufficient limits were found; "" if they were."""

    proposal: Proposal
    attempts: tuple[Attempt, ...]
    problem: str = ""


TryOut = Callable[[int, "float | None"], Attempt]
"""Runs the app with a memory limit in bytes and a CPU limit in cores."""


def verify(proposal: Proposal, cpu_count: int, try_out: TryOut) -> Verified:
    """Raises limits until they suffice, then lowers memory until it does not. `proposal` must have a memory limit."""
    memory = proposal.limit_memory.value or MEMORY_MIN_BYTES
    cpus = None if proposal.limit_cpu.value is None else proposal.limit_cpu.value / 1000
    attempts: list[Attempt] = []
    held: Attempt | None = None
    failed: Attempt | None = None
    while len(attempts) < (ATTEMPTS_MAX if held else RAISED_MAX):
        attempt = try_out(memory, cpus)
        attempts.append(attempt)
        if not attempt.problem:
            held = attempt
        elif held:
            failed = attempt
        if held:
            memory = _next_memory(attempts, held, failed)
            if not memory:
                break
        elif attempt.is_memory:
            memory = whole_mib(memory * RAISED)
        elif cpus is not None and cpu_count and cpus < cpu_count:
            cpus = min(math.ceil(cpus * RAISED * 20) / 20, float(cpu_count))
        else:
            break
    if held is None:
        return Verified(proposal, tuple(attempts), f"no limits were found that hold: {attempts[-1].problem}")
    return Verified(_verified(proposal, held, failed), tuple(attempts))


def _next_memory(attempts: Sequence[Attempt], held: Attempt, failed: Attempt | None) -> int:
    """The memory to try next, between insufficient and sufficient; 0 if these are close enough."""
    if failed:
        if failed.memory_bytes >= whole_mib(held.memory_bytes * (1 - LESS)):
            return 0
        return whole_mib(math.sqrt(held.memory_bytes * failed.memory_bytes))
    times = sum(not each.problem for each in attempts)
    memory = whole_mib(held.memory_bytes * STEPS[min(times, len(STEPS)) - 1])
    return memory if MEMORY_MIN_BYTES <= memory < held.memory_bytes else 0


def attempt_of(judged: JudgedRun | None, use: Use, memory_bytes: int, cpus: float | None, error: str = "") -> Attempt:
    """The outcome of a run under limits. `use` is that of the profile. `judged` is None if `error` prevented it."""
    if judged is None:
        return Attempt(memory_bytes, cpus, error or "it did not run")
    run = judged.run
    bad = next((each for each in run.repeats if each.exit_reason not in _NORMAL_ENDS), None)
    if bad or run.exit_reason not in _NORMAL_ENDS:
        reason = (bad.exit_reason if bad else run.exit_reason) or "not-measured"
        work = use_of(judged).work
        early = "" if work or not use.work else "; it did no work: this is below what it needs to start"
        message = bad.message if bad and bad.message else reason
        return Attempt(
            memory_bytes, cpus, f"{message}{early}", is_memory=reason in ("oom-killed", "signalled", "failed")
        )
    killed = sum(each.totals.oom_kills or 0 for each in run.repeats if each.totals)
    if killed:
        return Attempt(memory_bytes, cpus, f"the kernel ended {killed} of its processes for memory", is_memory=True)
    return Attempt(memory_bytes, cpus, slower(use, use_of(judged)))


def slower(before: Use, now: Use) -> str:
    """How performance fell below the profile's; "" if it did not, or if the app reports none."""
    if before.work:
        return _less_work(before.work, now.work)
    if before.repeats and all(each.ended_itself for each in before.repeats):
        usual_s = max(each.duration_s for each in before.repeats)
        took_s = max((each.duration_s for each in now.repeats), default=0.0)
        if took_s > usual_s * (1 + TOLERANCE):
            return f"it took {took_s:.3g} s, and {usual_s:.3g} s without limits"
    return ""


def _less_work(before: Work, now: Work | None) -> str:
    if now is None or now.title != before.title:
        return f"it no longer reports {before.title}"
    is_less = now.mean < before.mean * (1 - TOLERANCE) if before.is_rate else now.mean > before.mean * (1 + TOLERANCE)
    return f"{before.title} is {now.mean:.4g} {now.unit}, and {before.mean:.4g} without limits" if is_less else ""


def _verified(proposal: Proposal, held: Attempt, failed: Attempt | None) -> Proposal:
    limit = held.memory_bytes
    proof = f"holds at {limit // MIB} MiB"
    if failed:
        proof += f", and not at {failed.memory_bytes // MIB} MiB ({failed.problem})"
    else:
        proof += "; no less was tried that did not"
    original = proposal.limit_memory.value or limit
    request = proposal.request_memory
    if limit != original:
        request = Amount(whole_mib(limit / (1 + MEMORY_MARGIN)), f"what was proven to be enough; {request.why}")
    cpu = proposal.limit_cpu
    if cpu.value is not None and held.cpus is not None and round(held.cpus * 1000) != cpu.value:
        cpu = Amount(round(held.cpus * 1000), "raised until the work held")
    return msgspec.structs.replace(
        proposal, limit_memory=Amount(limit, f"verified: {proof}"), request_memory=request, limit_cpu=cpu
    )


def proof_lines(attempts: Sequence[Attempt]) -> list[str]:
    """One line per attempt."""
    return [
        f"{each.memory_bytes // MIB} MiB, {'all' if each.cpus is None else f'{each.cpus:g}'} CPUs: "
        f"{each.problem or 'holds'}"
        for each in attempts
    ]
