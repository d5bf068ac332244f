"""Recording by `profileapp live --record`: its plan, and the verdict at its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from profileapp.collect.catalogue import catalogue
from profileapp.commands.outcome import finish, stop_code
from profileapp.commands.outcome_file import OutcomeFile
from profileapp.commands.pages import make_report
from profileapp.commands.report import write_target
from profileapp.config.load import load
from profileapp.errors import AgentError, ConfigError, ProfileappError, worst
from profileapp.judge.outcome import Cause, outcome_of
from profileapp.judge.verdict import judge_folder
from profileapp.live.recorder import Recorder, Recording
from profileapp.live.ring import Ring
from profileapp.live.rules import Rule, load_rules
from profileapp.live.sources import LAUNCH_METRICS, METRICS
from profileapp.live.trigger_recorder import TriggerRecorder
from profileapp.live.watch import Setup, Watch
from profileapp.model.outcome import Effect, Policy
from profileapp.model.quantity import parse_quantity
from profileapp.model.target import App, Plan, Target
from profileapp.plan.expand import make_plan, select
from profileapp.plan.names import OUTCOME_FILE
from profileapp.run.agent.facts import agent_facts, build_facts
from profileapp.run.stop import Stop

SMALLEST_BYTES = 1_000_000
# Recorded if the agent can measure them; otherwise not reported as missing.
_OPTIONAL = frozenset(METRICS) - {"system", "container"}


class Triggers(msgspec.Struct, frozen=True):
    """Rules, with at most `keep_bytes` of samples in memory and `disk_bytes` of hits on disk."""

    rules: tuple[Rule, ...]
    keep_bytes: int
    disk_bytes: int


class LiveRecord:
    """A recording, from its options to its exit code. Raises ConfigError for an invalid configuration."""

    def __init__(
        self,
        out: Path,
        config: Path | None,
        target_name: str,
        metrics: tuple[str, ...],
        on_budget: Effect,
        on_app_failure: Effect,
        triggers: Triggers | None = None,
    ) -> None:
        self._triggers = triggers
        self._trigger_recorder: TriggerRecorder | None = None
        self.outcome_file = OutcomeFile(out / OUTCOME_FILE, Policy(on_budget, on_app_failure))
        self._out = out
        self._app: App | None = None
        target = Target("live", metrics=metrics)
        self._optional = frozenset() if metrics else _OPTIONAL
        if config:
            plan = make_plan(load(config), None)
            self._app = plan.app
            planned = _target_of(plan, target_name, config)
            # "custom" is always on in a run.
            asked = tuple(metric for metric in planned.metrics if metric != "custom")
            target = Target("live", metrics=metrics or asked, budgets=planned.budgets, interval_s=planned.interval_s)
            self._optional = frozenset() if target.metrics else _OPTIONAL
        elif target_name:
            raise ConfigError("--target names a target of a sage.yaml: give it with --config")
        if not target.metrics:
            target = msgspec.structs.replace(target, metrics=METRICS)
        self._target = target
        self._folder = (config or Path("x")).resolve().parent
        self._recorder: Recorder | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics to measure."""
        return tuple(metric for metric in self._target.metrics if metric not in LAUNCH_METRICS)

    @property
    def interval_s(self) -> float:
        """The default sampling interval."""
        return self._target.interval_s

    def begin(self, watch: Watch, setup: Setup, stop: Stop, note: Callable[[str], None]) -> None:
        """Records the targets of `watch`; `note` reports hits of rules."""
        recording = Recording(
            self._out,
            msgspec.structs.replace(self._target, interval_s=setup.interval_s, timeout_s=setup.limit_s),
            self._app,
            agent_facts("none: attached while it ran"),
            build_facts(os.environ, self._folder),
            self._optional,
        )
        if self._triggers:
            ring = Ring(self._triggers.keep_bytes)
            self._trigger_recorder = TriggerRecorder(
                recording, self._triggers.rules, watch.device, ring, self._triggers.disk_bytes, note
            )
            watch.observers = (*watch.observers, self._trigger_recorder)
            return
        self._recorder = Recorder(recording, watch.device, lambda: early_stop(stop.signal, setup.limit_s))
        watch.observers = (*watch.observers, self._recorder)

    def finish(self, stop_signal: int) -> int:
        """Judges the recordings and writes the pages. Returns the exit code."""
        if self._trigger_recorder:
            return self._finish_hits(self._trigger_recorder, stop_signal)
        recorder = self._recorder
        folders = recorder.folders if recorder else {}
        failures: dict[str, ProfileappError] = dict(recorder.failures) if recorder else {}
        for error in failures.values():
            click.echo(f"profileapp: {error}", err=True)
        if not folders and not failures and not stop_signal:
            raise AgentError("nothing was recorded: no container that matches ran meanwhile")
        judged = [write_target(judge_folder(folder.path), failures) for folder in folders.values()]
        index = make_report(self._out) if judged and not stop_signal else None
        causes = {name: Cause(error.exit_code, str(error)) for name, error in failures.items()}
        runs = [each.run for each in judged]
        outcome = outcome_of(runs, causes, self.outcome_file.policy, tuple(folders), stop_code(stop_signal))
        self.outcome_file.write(outcome)
        return finish(judged, list(failures.values()), stop_signal, index, as_json=False)

    def _finish_hits(self, recorder: TriggerRecorder, stop_signal: int) -> int:
        kept = [path for path in recorder.kept if path.is_dir()]
        failures: dict[str, ProfileappError] = {}
        for path in kept:
            write_target(judge_folder(path), failures)
        hits = "1 hit was" if len(kept) == 1 else f"{len(kept)} hits were"
        click.echo(f"{hits} kept" if kept else "no rule held")
        index = make_report(self._out) if kept and not stop_signal else None
        if index:
            click.echo(f"report: {index}")
        return worst([stop_code(stop_signal), *(error.exit_code for error in failures.values())])


def load_triggers(rules: Path, keep: str, disk: str) -> Triggers:
    """Rules from a file, and limits. Raises ConfigError."""
    names = {entry.series.name: entry for entries in catalogue().values() for entry in entries}
    return Triggers(load_rules(rules, names), _size_bytes("--keep", keep), _size_bytes("--disk", disk))


def _size_bytes(option: str, text: str) -> int:
    try:
        number, unit = parse_quantity(text)
    except ValueError as error:
        raise ConfigError(f"{option} {text!r}: {error}") from error
    if unit not in ("bytes", "") or number < SMALLEST_BYTES:
        raise ConfigError(f"{option} {text!r}: must be a size of at least 1MB, such as 64MB")
    return int(number)


def early_stop(stop_signal: int, limit_s: float) -> int:
    """The signal that ended `live` early; 0 if there is none, or for Ctrl-C without a time limit."""
    return 0 if stop_signal == signal.SIGINT and not limit_s else stop_signal


def _target_of(plan: Plan, name: str, config: Path) -> Target:
    targets = select(plan, (name,)).targets if name else plan.targets
    if len(targets) != 1:
        names = ", ".join(target.name for target in targets)
        raise ConfigError(f"{config}: has several targets ({names}): choose whose budgets apply with --target")
    return targets[0]
