"""Proposes requests and limits from an app's resource use, with reasons. Pure."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from profileapp.judge.use import Use

MEMORY_MARGIN = 0.10
"""Above the highest peak. Smaller than the 15 % that `--verify` removes: an app that survives that had too much."""
CPU_MARGIN = 0.10
SPREAD_WARNED = 0.10
MIB = 1024**2
MEMORY_MIN_BYTES = 8 * MIB
"""Starting a container takes 4 to 5 MB, and Docker allows no less than 6 MiB."""
MILLICORES_MIN = 10
Schedule = Literal["cron", "continuous"]


class Amount(msgspec.Struct, frozen=True):
    """A proposed value, in millicores or in bytes, with the reason; None if it is unknown."""

    value: int | None
    why: str


class Proposal(msgspec.Struct, frozen=True):
    """Resources to request from a scheduler. CPU in millicores, memory in bytes (whole MiB), the window in seconds.

    `window_s` is the shortest useful run: the cold start and one unit of work; None if unknown.
    """

    request_cpu: Amount
    limit_cpu: Amount
    request_memory: Amount
    limit_memory: Amount
    gpu_memory: Amount
    window_s: float | None
    window_why: str
    schedule: Schedule | None
    schedule_why: str
    warnings: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be proposed."""
        return self.request_memory.value is None and self.request_cpu.value is None


def propose(use: Use) -> Proposal:
    """The proposal for an app. Never raises; unknown amounts are None, with a reason."""
    gpu = _gpu_memory(use)
    request_memory, limit_memory = _memory(use)
    request_cpu, limit_cpu = _cpu(use)
    window_s, window_why = _window(use)
    schedule, schedule_why = _schedule(use)
    return Proposal(
        request_cpu=request_cpu,
        limit_cpu=limit_cpu,
        request_memory=request_memory,
        limit_memory=limit_memory,
        gpu_memory=gpu,
        window_s=window_s,
        window_why=window_why,
        schedule=schedule,
        schedule_why=schedule_why,
        warnings=_warnings(use),
    )


def _peaks(use: Use) -> list[int]:
    return [each.memory_peak_bytes for each in use.repeats if each.memory_peak_bytes]


def _memory(use: Use) -> tuple[Amount, Amount]:
    peaks = _peaks(use)
    if not peaks:
        nothing = Amount(None, f"the kernel's peak is unknown: {use.missing.get('memory', 'no repeat has one')}")
        return nothing, nothing
    peak = max(*peaks, int(MEMORY_MIN_BYTES / (1 + MEMORY_MARGIN)))
    times = f"of {len(peaks)} repeats" if len(peaks) > 1 else "of one repeat"
    shared = use.gpu_memory_bytes or 0 if use.shares_memory else 0
    more = f", and {_mib(shared)} of the GPU, which this device takes from the same memory" if shared else ""
    request = Amount(whole_mib(peak + shared), f"the kernel's peak, the highest {times}{more}")
    limit = Amount(
        whole_mib(peak * (1 + MEMORY_MARGIN) + shared), f"the peak and a margin of {MEMORY_MARGIN * 100:.0f} %{more}"
    )
    return request, limit


def _cpu(use: Use) -> tuple[Amount, Amount]:
    if use.cpu_mean is None or use.cpu_high is None:
        nothing = Amount(None, use.missing.get("cpu", "its CPU use is unknown"))
        return nothing, nothing
    request = max(MILLICORES_MIN, math.ceil(use.cpu_mean * 1000))
    high = math.ceil(max(use.cpu_high * (1 + CPU_MARGIN), use.cpu_mean) * 1000 / 50) * 50
    limit = max(high, request, 50)
    why = f"the highest sample and {CPU_MARGIN * 100:.0f} %"
    if use.cpu_count and limit > use.cpu_count * 1000:
        limit, why = max(use.cpu_count * 1000, request), f"all {use.cpu_count} cores: it used them all at times"
    kept = f", so that {use.work.title} keeps {use.work.mean:.4g} {use.work.unit}".rstrip() if use.work else ""
    return Amount(request, "the mean over the measured time"), Amount(limit, f"{why}{kept}")


def _gpu_memory(use: Use) -> Amount:
    if use.gpu_memory_bytes:
        return Amount(whole_mib(use.gpu_memory_bytes), "the most that the app had of it, of all samples")
    return Amount(None, use.missing.get("gpu_memory") or "the app had none")


def _window(use: Use) -> tuple[float | None, str]:
    """The cold start and one unit of work."""
    if not use.repeats:
        return None, "no repeat has ended"
    if all(each.ended_itself for each in use.repeats):
        return max(each.duration_s for each in use.repeats), "the longest repeat: the app ends by itself"
    starts = [each.cold_start_s for each in use.repeats]
    known = [each for each in starts if each is not None]
    unit_s = use.work.unit_s if use.work else None
    if not known or unit_s is None or use.work is None:
        return None, "the app reports no work, so its start cannot be told from it"
    why = f"{max(known):.3g} s until its first work, and {unit_s:.3g} s for one unit of work ({use.work.title})"
    return max(known) + unit_s, why


def _schedule(use: Use) -> tuple[Schedule | None, str]:
    if not use.repeats:
        return None, "no repeat has ended"
    if all(each.ended_itself for each in use.repeats):
        return "cron", "the app ends by itself"
    if use.growth_bytes_per_s is not None:
        return "cron", "its memory grows, and each start frees it"
    starts = [each.cold_start_s for each in use.repeats if each.cold_start_s is not None]
    unit_s = use.work.unit_s if use.work else None
    if starts and unit_s:
        return "continuous", f"each start costs the time of {max(starts) / unit_s:.0f} units of work"
    return "continuous", "the app runs until it is stopped"


def _warnings(use: Use) -> tuple[str, ...]:
    lines = []
    peaks = _peaks(use)
    if use.growth_bytes_per_s is not None and peaks:
        left_s = max(peaks) * MEMORY_MARGIN / use.growth_bytes_per_s
        lines.append(
            f"memory still grew by {use.growth_bytes_per_s * 60 / MIB:.3g} MiB a minute when the profile ended: the "
            f"margin lasts for {_duration(left_s)} more than the profile; find the leak, or restart the app before that"
        )
    if len(peaks) > 1 and (max(peaks) - min(peaks)) / max(peaks) > SPREAD_WARNED:
        spread = (max(peaks) - min(peaks)) / max(peaks)
        lines.append(f"memory peaks differ by {spread * 100:.0f} % between repeats; run more of them")
    if len(peaks) == 1:
        lines.append("one repeat shows nothing of how much the peak varies; `repeat: 3` does")
    if peaks and use.cache_bytes > MEMORY_MARGIN * max(peaks):
        lines.append(
            f"the peak has up to {_mib(use.cache_bytes)} of file cache in it, which the kernel can take back: less may "
            "do; --verify finds out"
        )
    return tuple(lines)


def whole_mib(value: float) -> int:
    """Bytes, rounded up to whole MiB."""
    # Rounding errors, such as of 1.1 * 100 MiB, must not add a MiB.
    return math.ceil(round(value / MIB, 6)) * MIB


def _mib(value: float) -> str:
    return f"{value / MIB:.3g} MiB"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
