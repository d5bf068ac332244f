"""Trends and comparisons in the database's format, created without a database: for tests, and to view the pages."""

from __future__ import annotations

import random

from profileapp.judge.compare import Difference, Side
from profileapp.model.history import Change, Point, Trend

START_NS = 1_795_000_000_000_000_000
DAY_NS = 86_400 * 1_000_000_000
HOSTILE = "\"'><script>alert(1)</script>{{ 7*7 }}"


def trend(title: str, unit: str, level: float, app: str = "object-counter") -> Trend:
    """Forty daily runs; the value rises by a quarter at the twenty-fifth."""
    chance = random.Random(title)  # noqa: S311
    points = tuple(
        Point(
            f"r{day}", START_NS + day * DAY_NS, level * (1.25 if day >= 24 else 1) * chance.gauss(1, 0.02), f"{day:07x}"
        )
        for day in range(40)
    )
    change = Change(24, level, 1.25 * level, 1e-9, "r24", START_NS + 24 * DAY_NS, "0000018", "0000017")
    return Trend(app, "use-gpu", "AGX Orin 64GB (p3701-0005) MODE_30W (2)", title, "mean", unit, points, (change,))


TRENDS = (
    trend("fps", "frames/s", 21.0),
    trend("container.memory.used", "bytes", 4.2e8),
    trend(HOSTILE, HOSTILE, 3.0, HOSTILE),
)
_DEVICE = "NVIDIA Jetson Xavier NX Developer Kit"
DIFFERENCES = (
    Difference("use-gpu", _DEVICE, "fps", "mean", "frames/s", Side(21.0, 0.4, 5), Side(26.2, 0.5, 5)),
    Difference("use-gpu", _DEVICE, "container.memory.used", "max", "bytes", Side(4.2e8, 0.0, 1), Side(3.9e8, 0.0, 1)),
    Difference("use-cpu", _DEVICE, "container.cpu.util", "mean", "%", Side(388.0, 2.0, 5), None),
    Difference(HOSTILE, HOSTILE, HOSTILE, "mean", HOSTILE, None, Side(1.0, 0.0, 1)),
)
