"""`outcome.json`: the build result that run, report and baseline ask for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.commands.test_baseline import a_build, builds
from tests.commands.test_main import code_target, configure, profileapp, run_python, state
from tests.helpers.worker_process import is_measuring, wait_until

__all__ = ["builds", "state"]
EXIT_3 = "import sys; sys.exit(3)"


def outcome(folder: Path, name: str = "outcome.json") -> dict[str, Any]:
    """The file's content, validated against its published schema."""
    found = json.loads((folder / name).read_text())
    schema = json.loads(profileapp("schema", "outcome", cwd=folder).stdout)
    jsonschema.validate(found, schema)
    assert isinstance(found, dict)
    return found


def test_a_run_writes_its_outcome(tmp_path: Path) -> None:
    budget = ", budgets: {container.memory.used.max: '< 1 kB'}"
    targets = [
        code_target("good", "0"),
        code_target("bad", EXIT_3),
        code_target("big", "import time; time.sleep(1)", budget),
    ]
    configure(tmp_path, "\n".join(targets), "  metrics: [container]\n  defaults: {interval: 100 ms}\n")
    assert run_python(tmp_path).returncode == 2
    found = outcome(tmp_path / "profile")
    assert (found["version"], found["result"], found["exit_code"]) == (1, "FAILURE", 2)
    assert {name: each["result"] for name, each in found["targets"].items()} == {
        "good": "SUCCESS",
        "bad": "FAILURE",
        "big": "UNSTABLE",
    }
    assert "bad: the app failed: " in found["message"] and "\n" not in found["message"]
    # The report writes the same for all targets; it may run on another machine and with another policy.
    argv = ("report", "profile", "--on-app-failure", "ignore", "--on-budget", "fail")
    assert profileapp(*argv, cwd=tmp_path).returncode == 2
    again = outcome(tmp_path / "profile")
    assert again["result"] == "FAILURE"
    assert {name: each["result"] for name, each in again["targets"].items()} == {
        "good": "SUCCESS",
        "bad": "SUCCESS",
        "big": "FAILURE",
    }


@pytest.mark.parametrize(("effect", "result"), [("unstable", "UNSTABLE"), ("fail", "FAILURE"), ("ignore", "SUCCESS")])
def test_the_policy_is_set_by_option_or_variable(tmp_path: Path, effect: str, result: str) -> None:
    configure(tmp_path, code_target("bad", EXIT_3))
    assert run_python(tmp_path, "--on-app-failure", effect).returncode == 2
    assert outcome(tmp_path / "profile")["result"] == result
    assert run_python(tmp_path, PROFILEAPP_ON_APP_FAILURE=effect).returncode == 2
    assert outcome(tmp_path / "profile")["result"] == result


def test_a_config_error_replaces_an_older_outcome(tmp_path: Path) -> None:
    configure(tmp_path, code_target("good", "0"))
    assert run_python(tmp_path).returncode == 0
    assert outcome(tmp_path / "profile")["result"] == "SUCCESS"
    configure(tmp_path, "    - {timout: 1}")
    assert run_python(tmp_path).returncode == 3
    found = outcome(tmp_path / "profile")
    assert (found["result"], found["exit_code"], found["targets"]) == ("FAILURE", 3, {})
    assert "sage.yaml:4:8: profiling.targets[1].timout is not a known key" in found["message"]


def test_an_error_that_stops_all_targets_is_reported_for_each(tmp_path: Path) -> None:
    configure(tmp_path, f"{code_target('a', '0')}\n{code_target('b', '0')}")
    (tmp_path / "profile").mkdir()
    done = profileapp(
        "run", "sage.yaml", "--image", "x:1", "--no-report", cwd=tmp_path, DOCKER_HOST="unix:///no/such/socket"
    )
    assert done.returncode == 4, done.stderr
    found = outcome(tmp_path / "profile")
    assert (found["result"], found["exit_code"]) == ("FAILURE", 4)
    assert {name: each["exit_code"] for name, each in found["targets"].items()} == {"a": 4, "b": 4}


def test_an_aborted_run_is_a_failure_and_lists_targets_that_did_not_run(tmp_path: Path) -> None:
    configure(
        tmp_path,
        f"{code_target('first', 'import time; time.sleep(60)')}\n{code_target('second', '0')}",
        "  metrics: [container]\n  defaults: {interval: 100 ms}\n",
    )
    argv = ("run", "sage.yaml", "--runtime", "process", "--command", sys.executable, "--no-report")
    running = subprocess.Popen(
        [sys.executable, "-m", "profileapp", *argv], cwd=tmp_path, env=dict(os.environ), stderr=subprocess.DEVNULL
    )
    wait_until(lambda: is_measuring(tmp_path, "first"))
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 143
    found = outcome(tmp_path / "profile")
    assert (found["result"], found["exit_code"]) == ("FAILURE", 143)
    assert {each["exit_code"] for each in found["targets"].values()} == {143}
    assert set(found["targets"]) == {"first", "second"}


def test_a_link_in_its_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    configure(tmp_path, code_target("good", "0"))
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile/outcome.json").symlink_to(victim)
    assert run_python(tmp_path).returncode == 0
    assert outcome(tmp_path / "profile")["result"] == "SUCCESS"
    assert victim.read_text() == "mine"


@pytest.mark.parametrize(("effect", "result"), [("unstable", "UNSTABLE"), ("fail", "FAILURE"), ("ignore", "SUCCESS")])
def test_a_baseline_writes_a_separate_outcome(builds: Path, effect: str, result: str) -> None:
    a_build(builds / "profile", "new", 20, 5.0)
    argv = ("baseline", "profile", "--branch", "main", "--against", "builds")
    assert profileapp(*argv, "--on-budget", effect, cwd=builds).returncode == 1
    found = outcome(builds / "profile", "baseline-outcome.json")
    assert (found["result"], found["exit_code"]) == (result, 1)
    assert found["message"].startswith("gpu: worse than on main: fps")
    # The report over all targets includes it.
    assert profileapp("report", "profile", "--on-budget", effect, cwd=builds).returncode == 1
    assert outcome(builds / "profile")["result"] == result


def test_an_unreadable_database_makes_the_baseline_unstable(builds: Path) -> None:
    a_build(builds / "profile", "new", 20, 10.0)
    (builds / "broken.db").write_bytes(b"no database" * 100)
    done = profileapp("baseline", "profile", "--db", "broken.db", cwd=builds)
    assert done.returncode == 4
    found = outcome(builds / "profile", "baseline-outcome.json")
    assert (found["result"], found["exit_code"]) == ("UNSTABLE", 4)
    assert found["message"].startswith("the numbers could not be compared with earlier runs: broken.db: ")


def test_a_target_with_the_name_of_the_file_is_refused(tmp_path: Path) -> None:
    configure(tmp_path, code_target("outcome.json", "0"))
    done = run_python(tmp_path)
    assert done.returncode == 3
    assert "outcome.json" in done.stderr


def test_an_older_outcome_that_cannot_be_removed_is_never_reused(tmp_path: Path) -> None:
    configure(tmp_path, code_target("good", "0"))
    (tmp_path / "profile/outcome.json").mkdir(parents=True)
    done = run_python(tmp_path)
    assert done.returncode == 4
    assert "outcome.json: cannot be replaced (Is a directory); remove it" in done.stderr
