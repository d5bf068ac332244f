"""Formats numbers for readers: `121 MiB`, `93 %`, `12.5 frames/s`."""

from __future__ import annotations

import math
from datetime import datetime, timezone

_IEC = ("", "Ki", "Mi", "Gi", "Ti", "Pi")
_SI = ("", "k", "M", "G", "T", "P")
_SMALL = (("", 1.0), ("m", 1e-3), ("µ", 1e-6), ("n", 1e-9))
ABSENT = "–"


def quantity(value: float | None, unit: str) -> str:
    """A number with its unit, scaled if the unit has prefixes; a dash for None."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if unit in ("bytes", "bytes/s"):
        return _scaled(value, _IEC, 1024.0, f"B{unit.removeprefix('bytes')}")
    if unit in ("Hz", "W", "J"):
        return _scaled(value, _SI, 1000.0, unit)
    if unit == "s":
        return _seconds(value)
    return f"{number(value)} {unit}".rstrip()


def number(value: float) -> str:
    """At least three significant digits; integer digits are never rounded."""
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude >= 15 or magnitude < -4:
        return f"{value:.2e}"
    text = f"{value:.{max(0, 2 - magnitude)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(seconds: float) -> str:
    """`0.4 s`, `75 s`, `12 min 5 s`, `3 h 20 min`."""
    if seconds < 119.5:
        return f"{number(seconds)} s"
    minutes, rest_s = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest_s} s" if rest_s else f"{minutes} min"
    if minutes >= 60_000:
        return f"{number(seconds / 3600)} h"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def moment(wall_ns: int) -> str:
    """`2026-11-23 12:27:25 UTC`; a dash if unknown."""
    if wall_ns <= 0:
        return ABSENT
    try:
        return f"{datetime.fromtimestamp(wall_ns // 1_000_000_000, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return ABSENT


def scale_of(unit: str, largest: float) -> tuple[float, str]:
    """For an axis: the divisor, and the resulting unit."""
    if unit in ("bytes", "bytes/s"):
        power = _power(largest, 1024.0, _IEC)
        return 1024.0**power, f"{_IEC[power]}B{unit.removeprefix('bytes')}"
    if unit in ("Hz", "W", "J"):
        power = _power(largest, 1000.0, _SI)
        return 1000.0**power, f"{_SI[power]}{unit}"
    if unit == "s" and 0 < largest < 1:
        prefix, factor = next((each for each in _SMALL if largest >= each[1]), _SMALL[-1])
        return factor, f"{prefix}s"
    return 1.0, unit


def _scaled(value: float, prefixes: tuple[str, ...], base: float, unit: str) -> str:
    power = _power(value, base, prefixes)
    return f"{number(value / base**power)} {prefixes[power]}{unit}"


def _power(value: float, base: float, prefixes: tuple[str, ...]) -> int:
    power = 0
    # Shows 1 MiB rather than 1024 KiB.
    while round(abs(value)) >= base and power < len(prefixes) - 1:
        value /= base
        power += 1
    return power


def _seconds(value: float) -> str:
    if value == 0 or abs(value) >= 0.9995:
        return duration(value) if value >= 0 else f"-{duration(-value)}"
    prefix, factor = next((each for each in _SMALL if abs(value) >= 0.9995 * each[1]), _SMALL[-1])
    return f"{number(value / factor)} {prefix}s"
