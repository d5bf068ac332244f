"""Data about a build on a Jenkins, as far as the checks need it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Stage:
    """A stage as the Pipeline: Stage View plugin names it; its status is SUCCESS, UNSTABLE, FAILED, …"""

    name: str
    status: str


@dataclass(frozen=True)
class Counts:
    """Number of test cases of each kind."""

    passed: int
    failed: int
    skipped: int

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass(frozen=True)
class Served:
    """An artifact as served by Jenkins. `policy` is its Content-Security-Policy, "" without one."""

    content_type: str
    policy: str
    body: bytes
    elsewhere: bool = False  # from the resource root URL, a separate site that needs no policy

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


@dataclass(frozen=True)
class Build:
    """A finished build. `served` has each fetched artifact by path."""

    url: str
    result: str
    description: str
    stages: tuple[Stage, ...]
    counts: Counts | None  # None: no test results were published
    artifacts: frozenset[str]
    served: dict[str, Served] = field(default_factory=dict)
