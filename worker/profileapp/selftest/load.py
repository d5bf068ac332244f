"""A known load: its program, and its numbers to compare with measured ones. Standard library only."""

from __future__ import annotations

from typing import Literal, NamedTuple

MIB = 1024 * 1024

Kind = Literal["statistic", "total", "moved", "growth", "peak growth", "rise"]
"""How a number is read from a run; compare.py has a function for each kind."""


class Quantity(NamedTuple):
    """One number of a load. `truth` is its key in the load's account; `series` has the measured number.

    For the kind "statistic", `statistic` is that of the summary; for "total", `series` is a field of the repeat's
    totals. Besides 1 % of the truth, an error of `resolution` is allowed, for what the kernel or the end of a
    process leaves uncounted.
    """

    what: str
    unit: str
    truth: str
    kind: Kind
    series: str
    statistic: str = "mean"
    resolution: float = 0.0


class Load(NamedTuple):
    """One load: a target of a plan. `module` is its program in `profileapp.selftest.loads`, run with `args`.

    `quick_args` are those of `--quick`, `None` if it skips the load. `peer`: a service that echoes datagrams
    runs beside it. `contained`: why it needs a container, "" if it does not.
    """

    name: str
    about: str
    module: str
    args: tuple[str, ...]
    quick_args: tuple[str, ...] | None
    quantities: tuple[Quantity, ...]
    metrics: tuple[str, ...] = ("container",)
    interval_s: float = 0.1
    peer: bool = False
    contained: str = ""


class Account(NamedTuple):
    """A load's own account of its run.

    `values` are numbers by name, `spans` phases by name (from and to, UTC nanoseconds since 1970). `disturbed` is
    why it could not follow its schedule (a busy agent), `skipped` why it could not run here; "" otherwise.
    """

    values: dict[str, float]
    spans: dict[str, tuple[int, int]] = {}  # noqa: RUF012  (never changed)
    disturbed: str = ""
    skipped: str = ""


class CannotRun(Exception):
    """The load cannot run here; the text is the reason."""
