"""Parses numbers with units in a sage.yaml: `2m`, `2 GiB`, `>= 10`."""

from __future__ import annotations

import math
import re

DURATION_PATTERN = r"^\s*\d+(\.\d+)?\s*(ms|s|m|h)\s*$"
"""The syntax of a duration; a number without a unit is in seconds."""

TEMPERATURE_PATTERN = r"^\s*\d+(\.\d+)?\s*(°C|C)\s*$"
"""The syntax of a temperature; a number without a unit is in °C."""

_DURATION_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

# The factor to the unit that series are recorded in, and that unit. SI and IEC prefixes as in IEC 80000-13.
_UNITS: dict[str, tuple[float, str]] = {
    "%": (1.0, "%"),
    "B": (1.0, "bytes"),
    "bytes": (1.0, "bytes"),
    **{f"{prefix}iB": (1024.0**power, "bytes") for power, prefix in enumerate("KMGT", start=1)},
    **{f"{prefix}B": (1000.0**power, "bytes") for power, prefix in enumerate("kMGT", start=1)},
    "ns": (1e-9, "s"),
    "us": (1e-6, "s"),
    "µs": (1e-6, "s"),
    "ms": (1e-3, "s"),
    "s": (1.0, "s"),
    "min": (60.0, "s"),
    "h": (3600.0, "s"),
    "mW": (1e-3, "W"),
    "W": (1.0, "W"),
    "mJ": (1e-3, "J"),
    "J": (1.0, "J"),
    "kJ": (1e3, "J"),
    "Hz": (1.0, "Hz"),
    "kHz": (1e3, "Hz"),
    "MHz": (1e6, "Hz"),
    "GHz": (1e9, "Hz"),
    "°C": (1.0, "°C"),
    "C": (1.0, "°C"),
}

_QUANTITY = re.compile(r"\s*(?P<number>[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?)\s*(?P<unit>\S.{0,30})?\s*")


def parse_duration_s(value: float | str) -> float:
    """Seconds of a number (seconds) or of text such as `500ms`, `90s`, `2m`, `1.5h`.

    Raises ValueError for anything else.
    """
    if isinstance(value, int | float):
        return float(value)
    if not re.match(DURATION_PATTERN, value):
        raise ValueError(f"not a duration: {value[:40]!r}")
    text = value.strip()
    unit = "ms" if text.endswith("ms") else text[-1]
    return float(text.removesuffix(unit)) * _DURATION_UNITS_S[unit]


def parse_temperature_c(value: float | str) -> float:
    """°C of a number (°C) or of text such as `45 °C`. Raises ValueError for anything else."""
    if isinstance(value, int | float):
        return float(value)
    if not re.match(TEMPERATURE_PATTERN, value):
        raise ValueError(f"not a temperature: {value[:40]!r}")
    return float(value.strip().removesuffix("C").removesuffix("°"))


def parse_quantity(text: str) -> tuple[float, str]:
    """A number, converted to the unit that series are recorded in: `2 GiB` is (2147483648.0, "bytes"), `10` (10.0, "").

    An unknown unit is returned unchanged (`12.5 frames/s`); `/s` after a known unit is preserved. Raises ValueError if
    there is no finite number.
    """
    match = _QUANTITY.fullmatch(text)
    if not match:
        raise ValueError(f"not a number with a unit: {text[:40]!r}")
    number, unit = float(match["number"]), (match["unit"] or "").strip()
    base, slash, per = unit.partition("/")
    factor, recorded = _UNITS.get(base, (1.0, base))
    if not math.isfinite(number * factor):
        raise ValueError(f"not a finite number: {text[:40]!r}")
    return number * factor, f"{recorded}{slash}{per}"
