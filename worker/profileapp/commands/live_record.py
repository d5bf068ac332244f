"""What `profileapp live --record` does besides watching: the plan of the record, and the judgement at its end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import click
import msgspec

from profileapp.commands.outcome import finish, stop_code
from profileapp.commands.outcome_file import OutcomeFile
from profileapp.commands.pages import make_report
from profileapp.commands.report import write_target
from profileapp.config.load import load
from profileapp.errors import AgentError, ConfigError, ProfileappError
from profileapp.judge.outcome import Cause, outcome_of
from profileapp.judge.verdict import judge_folder
from profileapp.live.recorder import Recorder, Recording
from profileapp.live.sources import LAUNCH_METRICS, METRICS
from profileapp.live.watch import Setup, Watch
from profileapp.model.outcome import Effect, Policy
from profileapp.model.target import App, Plan, Target
from profileapp.plan.expand import make_plan, select
from profileapp.plan.names import OUTCOME_FILE
from profileapp.run.agent.facts import agent_facts, build_facts
from profileapp.run.stop import Stop

# What is recorded where the agent can measure it, and not missed where it cannot.
_OPTIONAL = frozenset(METRICS) - {"system", "container"}


class LiveRecord:
    """A recording, from its options to its exit code. Raises ConfigError for what is wrong with the configuration."""

    def __init__(
        self,
        out: Path,
        config: Path | None,
        target_name: str,
        metrics: tuple[str, ...],
        on_budget: Effect,
        on_app_failure: Effect,
    ) -> None:
        self.outcome_file = OutcomeFile(out / OUTCOME_FILE, Policy(on_budget, on_app_failure))
        self._out = out
        self._app: App | None = None
        target = Target("live", metrics=metrics)
        self._optional = frozenset() if metrics else _OPTIONAL
        if config:
            plan = make_plan(load(config), None)
            self._app = plan.app
            planned = _target_of(plan, target_name, config)
            # "custom" is always on in a run, and never asked for.
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
        """What is measured."""
        return tuple(metric for metric in self._target.metrics if metric not in LAUNCH_METRICS)

    @property
    def interval_s(self) -> float:
        """Time between two samples, unless the user says otherwise."""
        return self._target.interval_s

    def begin(self, watch: Watch, setup: Setup, stop: Stop) -> None:
        """Records what `watch` watches."""
        recording = Recording(
            self._out,
            msgspec.structs.replace(self._target, interval_s=setup.interval_s, timeout_s=setup.limit_s),
            self._app,
            agent_facts("none: attached while it ran"),
            build_facts(os.environ, self._folder),
            self._optional,
        )
        self._recorder = Recorder(recording, watch.device, lambda: early_stop(stop.signal, setup.limit_s))
        watch.observers = (*watch.observers, self._recorder)

    def finish(self, stop_signal: int) -> int:
        """Judges what was recorded and makes the pages. Returns the exit code."""
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


def early_stop(stop_signal: int, limit_s: float) -> int:
    """The signal, if any, that ended `live` before its time: without a limit, Ctrl-C is how it ends."""
    return 0 if stop_signal == signal.SIGINT and not limit_s else stop_signal


def _target_of(plan: Plan, name: str, config: Path) -> Target:
    targets = select(plan, (name,)).targets if name else plan.targets
    if len(targets) != 1:
        names = ", ".join(target.name for target in targets)
        raise ConfigError(f"{config}: has several targets ({names}): choose whose budgets apply with --target")
    return targets[0]
