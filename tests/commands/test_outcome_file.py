"""`outcome.json`: what Jenkins makes of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.store.runs import a_run, record

from profileapp.commands.outcome_file import Rules, outcome_file, outcome_of
from profileapp.errors import AgentError, ConfigError, ExitCode
from profileapp.judge.verdict import judge_folder
from profileapp.model.run import Baseline, BaselineComparison
from profileapp.model.target import Target

WORSE = BaselineComparison("fps", "mean", "frames/s", "worse", 1.0, 9)


def of(folder: Path, rules: Rules, **changes: object) -> Any:
    return outcome_of([judge_folder(record(folder, a_run(**changes)))], (), None, rules)  # type: ignore[arg-type]


@pytest.mark.parametrize(("choice", "result"), [("unstable", "UNSTABLE"), ("fail", "FAILURE"), ("ignore", "SUCCESS")])
def test_a_violated_budget_an_app_that_fails_and_a_worse_number(tmp_path: Path, choice: str, result: str) -> None:
    over = of(tmp_path / "a", Rules(on_budget=choice), target="gpu")
    assert (over.result, over.exit_code) == ("SUCCESS", 0)
    target = Target("gpu", budgets={"fps.mean": ">= 1000"})
    judged = judge_folder(record(tmp_path / "b", msgspec.structs.replace(a_run(), target=target)))
    over = outcome_of([judged], (), None, Rules(on_budget=choice))
    assert (over.result, over.message, over.exit_code) == (result, "gpu: a budget is violated", 1)
    failed = of(tmp_path / "c", Rules(on_app_failure=choice), exit_reason="failed", message="ended with exit code 7")
    assert (failed.result, failed.exit_code) == (result, 2)
    assert failed.message == "gpu: the app failed: ended with exit code 7"
    worse = of(tmp_path / "d", Rules(on_budget=choice), baseline=Baseline("main", (WORSE,)))
    assert (worse.result, worse.message, worse.exit_code) == (result, "gpu: a number is worse than on main", 1)


def test_the_worst_of_all_is_the_result(tmp_path: Path) -> None:
    rules = Rules(on_budget="ignore")
    judged = [
        judge_folder(record(tmp_path, a_run("r1", target="good"))),
        judge_folder(record(tmp_path, a_run("r2", target="bad", exit_reason="not-measured", message="daemon gone"))),
    ]
    outcome = outcome_of(judged, (AgentError("disk full"),), ExitCode.TERMINATED, rules)
    assert outcome.result == "FAILURE" and outcome.exit_code == 143
    assert outcome.message == "bad: the agent could not measure: daemon gone; disk full; the run was aborted"
    assert outcome.targets["good"].result == "SUCCESS"
    assert outcome_of((), (), None, rules).message == "nothing was measured"


def test_an_error_before_anything_ran_is_an_outcome_and_an_old_one_is_removed(tmp_path: Path) -> None:
    (tmp_path / "outcome.json").write_text("of an earlier run")
    with pytest.raises(ConfigError), outcome_file(tmp_path, Rules()):
        raise ConfigError("sage.yaml:3:5: no such key")
    outcome = json.loads((tmp_path / "outcome.json").read_text())
    assert outcome["result"] == "FAILURE" and outcome["exit_code"] == 3
    assert outcome["message"] == "sage.yaml:3:5: no such key" and outcome["version"] == 1
    with pytest.raises(ZeroDivisionError), outcome_file(tmp_path, Rules()):
        raise ZeroDivisionError
    assert not (tmp_path / "outcome.json").exists(), "an error of ours: nobody can say what was measured"


def test_run_and_report_write_it_and_take_their_options_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "sage.yaml").write_text(
        "name: app\nprofiling:\n  targets:\n    - {name: quick, args: '', timeout: 5}\n    - {name: bad, args: 'x'}\n"
        "  metrics: [container]\n  defaults: {interval: 50ms}\n"
    )
    environ = {
        **os.environ,
        "PROFILEAPP_CONFIG": "sage.yaml",
        "PROFILEAPP_RUNTIME": "process",
        "PROFILEAPP_COMMAND": "sh -c 'exit $#' sh",
        "PROFILEAPP_OUT": "out",
        "PROFILEAPP_NO_REPORT": "1",
        "PROFILEAPP_ON_APP_FAILURE": "unstable",
    }
    argv = [sys.executable, "-I", "-m", "profileapp"]
    done = subprocess.run([*argv, "run"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    outcome = json.loads((tmp_path / "out/outcome.json").read_text())
    assert outcome["result"] == "UNSTABLE" and set(outcome["targets"]) == {"quick", "bad"}
    assert outcome["targets"]["quick"]["result"] == "SUCCESS"
    picked = environ | {"PROFILEAPP_TARGETS": "quick"}
    done = subprocess.run([*argv, "run"], cwd=tmp_path, env=picked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(json.loads((tmp_path / "out/outcome.json").read_text())["targets"]) == {"quick"}
