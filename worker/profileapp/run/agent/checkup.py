"""Checks what this agent can measure: opens every source of every metric as for a run, and closes it again."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import msgspec

from profileapp.collect.api import Collector, Helpers, RunContext
from profileapp.errors import AgentError, MissingExtra, Unavailable
from profileapp.model.clock import Clock
from profileapp.model.run import Agent, Network
from profileapp.model.series import Series
from profileapp.model.target import Target
from profileapp.run.sources import Find

ENOUGH_DATAGRAMS = 512
"""The number that queue up while a busy agent is blocked for some ten milliseconds."""
SourceState = Literal["used", "fallback", "unavailable"]


class SourceCheck(msgspec.Struct, frozen=True):
    """One source of a metric, or of a part of it. `min_interval_s` is the shortest sensible sampling interval.

    `reason`: what is missing, and what to install or allow; "" if nothing is. `extra`: the extra of the worker that
    is missing, "" if none is. `traces`: the source needs one more repeat of the app.
    """

    metric: str
    part: str
    source: str
    state: SourceState
    min_interval_s: float
    reason: str = ""
    traces: bool = False
    extra: str = ""


class MetricCheck(msgspec.Struct, frozen=True):
    """A metric, or a part of it, with all of its sources, the preferred one first."""

    metric: str
    part: str
    available: bool
    sources: tuple[SourceCheck, ...]

    @property
    def title(self) -> str:
        """`gpu-summary`, `gpu-summary kernels`."""
        return f"{self.metric} {self.part}".rstrip()

    @property
    def reason(self) -> str:
        """Why the metric is unavailable, in one line; "" if it is available."""
        if self.available:
            return ""
        return "; ".join(f"{each.source}: {each.reason}" for each in self.sources) or "no source is installed"


class PrerequisiteCheck(msgspec.Struct, frozen=True):
    """Another required or optional part of an agent: a daemon, free disk space, an extra."""

    name: str
    available: bool
    text: str


class Checkup(msgspec.Struct, frozen=True):
    """Everything that was found on an agent."""

    agent: Agent
    prerequisites: tuple[PrerequisiteCheck, ...]
    metrics: tuple[MetricCheck, ...]
    version: int = 1


def check_metrics(
    metrics: Sequence[str], find: Find, on_check: Callable[[str], None], helpers: Helpers | None = None
) -> tuple[MetricCheck, ...]:
    """Opens every source of `metrics` as for a container, one by one; calls `on_check` with the name of each."""
    checks: list[MetricCheck] = []
    with _context(helpers) as context:
        for metric in metrics:
            parts: dict[str, list[SourceCheck]] = {}
            for collector in find(metric, lambda _: None):
                on_check(f"{metric}: {collector.source}")
                known = parts.setdefault(collector.part, [])
                known.append(_check(collector, context, any(each.state == "used" for each in known)))
            for part, sources in (parts or {"": []}).items():
                available = any(each.state == "used" for each in sources)
                checks.append(MetricCheck(metric, part, available, tuple(sources)))
    return tuple(checks)


def check_prerequisites(
    runtime_version: Callable[[], str],
    has_pages: bool,
    queue_datagrams: Callable[[], int],
    network: Callable[[], Network],
    runs_folder: Callable[[], Path],
    helper: Callable[[], str],
) -> tuple[PrerequisiteCheck, ...]:
    """Checks Docker, networks, helper containers, the report extra, Python, disk space and the queue for samples.

    `network` creates a network as a run does, and returns what can be reached from it. `runs_folder` is where
    runs keep what they record; both may raise AgentError. `helper` starts a helper container, or raises Unavailable.
    """
    docker = _docker(runtime_version)
    return (
        docker,
        *((_network(network), _helper(helper)) if docker.available else ()),
        PrerequisiteCheck("python", True, ".".join(map(str, sys.version_info[:3]))),
        PrerequisiteCheck(
            "pages", has_pages, "" if has_pages else "pip install 'profileapp[report]'; any agent can generate them"
        ),
        _disk(runs_folder),
        _queue(queue_datagrams()),
    )


def _disk(runs_folder: Callable[[], Path]) -> PrerequisiteCheck:
    try:
        folder = runs_folder()
        free_bytes = shutil.disk_usage(folder).free
    except AgentError as error:
        return PrerequisiteCheck("disk", False, str(error))
    except OSError as error:
        return PrerequisiteCheck("disk", False, f"{folder}: {error.strerror}")
    return PrerequisiteCheck("disk", free_bytes > 1024**3, f"{free_bytes / 1024**3:.1f} GiB free in {folder}")


def _docker(runtime_version: Callable[[], str]) -> PrerequisiteCheck:
    try:
        return PrerequisiteCheck("docker", True, runtime_version())
    except AgentError as error:
        return PrerequisiteCheck("docker", False, str(error))


def _helper(helper: Callable[[], str]) -> PrerequisiteCheck:
    try:
        return PrerequisiteCheck("helper container", True, helper())
    except Unavailable as error:
        return PrerequisiteCheck("helper container", False, str(error))


def _network(network: Callable[[], Network]) -> PrerequisiteCheck:
    try:
        agent = network().agent
    except AgentError as error:
        return PrerequisiteCheck("network", False, str(error))
    texts = {
        False: "apps can reach neither this agent nor other containers",
        True: "apps can reach what listens on all of this agent's addresses (0.0.0.0): its daemon isolates no network",
        None: "unknown whether apps can reach this agent: its daemon's networks are not visible from here",
    }
    return PrerequisiteCheck("network", agent is False, texts[agent])


def _queue(datagrams: int) -> PrerequisiteCheck:
    if datagrams >= ENOUGH_DATAGRAMS:
        return PrerequisiteCheck("datagrams", True, f"queues up to {datagrams} from an app")
    return PrerequisiteCheck(
        "datagrams",
        False,
        f"queues only {datagrams}: an app that sends many may lose some; as root, "
        f"or with sysctl net.unix.max_dgram_qlen={ENOUGH_DATAGRAMS}, the queue is longer",
    )


def _check(collector: Collector, context: RunContext, another_is_used: bool) -> SourceCheck:
    state: SourceState = "fallback" if another_is_used else "used"
    reason, traces, extra = "", False, ""
    try:
        traces = collector.open(context, _nobody).trace is not None
    except Unavailable as error:
        state, reason = "unavailable", str(error)
        extra = error.extra if isinstance(error, MissingExtra) else ""
    except Exception as error:
        state, reason = "unavailable", f"failed ({type(error).__name__}: {error})"
    finally:
        with suppress(Exception):
            collector.close()
    return SourceCheck(
        collector.metric, collector.part, collector.source, state, collector.min_interval_s, reason, traces, extra
    )


@contextmanager
def _context(helpers: Helpers | None) -> Iterator[RunContext]:
    """A context for a run that never starts an app. Its path is short because sockets are created in it."""
    with tempfile.TemporaryDirectory(prefix="profileapp-", dir="/tmp") as folder:
        yield RunContext(
            run_id="doctor",
            target=Target("doctor", interval_s=0.1),
            clock=Clock.now(),
            scratch=Path(folder),
            artifacts=Path(folder),
            contained=True,
            warn=lambda _: None,
            helpers=helpers,
        )


def _nobody(series: Series, value: float, at_ns: int) -> None:
    """No app runs, so nothing is measured."""
