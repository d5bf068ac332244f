"""A load's own account, compared with the record of its run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from profileapp.commands.selftest import exit_code_of
from profileapp.errors import ExitCode
from profileapp.judge.verdict import JudgedRun, judge_folder
from profileapp.model.clock import format_utc
from profileapp.selftest.catalogue import LOADS
from profileapp.selftest.compare import Result, compare, read_account
from profileapp.selftest.load import MIB, Account, Load
from profileapp.selftest.program import PREFIX

S = 1_000_000_000
BEGAN = 1_780_000_000 * S


def load_of(name: str) -> Load:
    return next(each for each in LOADS if each.name == name)


def judged(
    folder: Path,
    account: dict[str, Any] | None,
    samples: list[tuple[float, str, float]] = [],  # noqa: B006
    *,
    totals: dict[str, Any] | None = None,
    metrics: list[dict[str, Any]] = [],  # noqa: B006
    exit_reason: str = "completed",
) -> JudgedRun:
    """A recorded run of ten seconds; samples are seconds, name (of `container` or the app) and value."""
    repeat = {
        "index": 1,
        "started_ns": BEGAN,
        "measured_from_ns": BEGAN,
        "ended_ns": BEGAN + 10 * S,
        "exit_reason": exit_reason,
        "totals": totals,
    }
    run = {
        "id": "1",
        "app": {"name": "selftest"},
        "target": {"name": "load"},
        "clock": {"anchor_wall_ns": BEGAN, "anchor_monotonic_ns": 0},
        "started_ns": BEGAN,
        "ended_ns": BEGAN + 10 * S,
        "state": "finished",
        "exit_reason": exit_reason,
        "message": "as it ended",
        "repeats": [repeat],
        "metrics": metrics,
        "version": 2,
    }
    (folder / "run.json").write_text(json.dumps(run))
    lines = [
        {"name": name, "value": value, "timestamp": format_utc(BEGAN + round(at_s * S)), "meta": meta_of(name)}
        for at_s, name, value in samples
    ]
    (folder / "metrics.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "app.log").write_text("hello\n" + (PREFIX + json.dumps(account) + "\n" if account else ""))
    return judge_folder(folder)


def meta_of(name: str) -> dict[str, str]:
    return {"metric": "container", "unit": "bytes/s" if ".io." in name else "bytes"}


@pytest.mark.parametrize(
    ("measured_s", "state"), [(2.0, "true"), (2.019, "true"), (1.981, "true"), (2.1, "off"), (1.9, "off"), (0, "off")]
)
def test_a_number_is_true_within_a_hundredth(measured_s: float, state: str, tmp_path: Path) -> None:
    account = {"values": {"cpu_s": 2.0, "cpu_percent": 20.0, "wall_s": 10.0}}
    (used, _) = compare(load_of("cpu-37"), judged(tmp_path, account, totals={"cpu_s": measured_s}))
    assert (used.what, used.truth, used.measured, used.state) == ("CPU time", 2.0, measured_s, state)
    assert used.error == pytest.approx(measured_s / 2 - 1)


def test_a_number_that_was_not_measured_is_never_true(tmp_path: Path) -> None:
    account = {"values": {"cpu_s": 2.0, "cpu_percent": 20.0, "wall_s": 10.0}}
    metrics = [{"metric": "container", "state": "measured", "source": "cgroup"}]
    (used, share) = compare(load_of("cpu-37"), judged(tmp_path, account, metrics=metrics))
    assert [used.state, share.state] == ["off", "off"]
    reason = "only root may"
    with_reason = judged(tmp_path, account, totals={"missing": {"all": reason}})
    assert [(one.state, one.reason) for one in compare(load_of("cpu-37"), with_reason)] == [("skipped", reason)] * 2


def test_memory_is_compared_between_two_phases(tmp_path: Path) -> None:
    spans = {"before": (BEGAN + 1 * S, BEGAN + 3 * S), "held": (BEGAN + 5 * S, BEGAN + 7 * S)}
    account = {"values": {"bytes": 256 * MIB, "wall_s": 10.0}, "spans": spans}
    used = "container.memory.used"
    samples = [(0.5, used, 900.0), (2, used, 1000.0), (4, used, 2000.0), (6, used, 256 * MIB + 1000.0), (8, used, 1.0)]
    (held,) = compare(load_of("memory-256"), judged(tmp_path, account, samples))
    assert (held.state, held.measured) == ("true", 256 * MIB)
    (lost,) = compare(load_of("memory-256"), judged(tmp_path, account, samples[:3]))
    assert (lost.state, lost.reason) == ("off", "container.memory.used has no sample in a phase of the load")


def test_bytes_are_the_total_or_the_rate_over_time(tmp_path: Path) -> None:
    account = {"values": {"written_bytes": 80.0 * MIB, "wall_s": 10.0}}
    samples = [(at_s, "container.io.write", 8.0 * MIB) for at_s in range(1, 11)]
    (by_rate,) = compare(load_of("io-fsync"), judged(tmp_path, account, samples))
    assert (by_rate.state, by_rate.measured) == ("true", pytest.approx(80 * MIB))
    (by_total,) = compare(load_of("io-fsync"), judged(tmp_path, account, samples, totals={"io_written_bytes": 0}))
    assert (by_total.state, by_total.measured) == ("off", 0)


def test_a_load_that_could_not_run_has_a_reason(tmp_path: Path) -> None:
    def states(account: dict[str, Any] | None, exit_reason: str = "completed") -> list[tuple[str, str]]:
        results = compare(load_of("io-fsync"), judged(tmp_path, account, exit_reason=exit_reason))
        return [(one.state, one.reason) for one in results]

    assert states({"values": {}, "skipped": "no disk"}) == [("skipped", "no disk")]
    assert states({"values": {}, "disturbed": "busy"}) == [("disturbed", "busy")]
    assert states({"values": {}}, "failed")[0][0] == "off"
    assert states(None) == [("off", "the load did not end as it should: as it ended")]


@pytest.mark.parametrize("log", ["", "nothing", PREFIX, PREFIX + "{", PREFIX + "[]", PREFIX + '{"values": {"a": "b"}}'])
def test_an_invalid_account_is_none(log: str) -> None:
    assert read_account(log) is None


def test_the_account_is_the_last_line_of_its_kind() -> None:
    log = f'{PREFIX}{{"values": {{"a": 1}}}}\n{PREFIX}{{"values": {{"a": 2}}}}\nmore\n'
    assert read_account(log) == Account({"a": 2.0})


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["true"], ExitCode.OK),
        (["true", "skipped"], ExitCode.OK),
        (["true", "off", "disturbed"], ExitCode.BUDGET_VIOLATED),
        (["true", "disturbed"], ExitCode.NOT_MEASURED),
        (["skipped"], ExitCode.NOT_MEASURED),
        ([], ExitCode.NOT_MEASURED),
    ],
)
def test_exit_codes(states: list[Any], code: ExitCode) -> None:
    assert exit_code_of([Result("load", "what", "s", state) for state in states]) == code


def test_names_are_unique_and_every_load_compares_something() -> None:
    assert len({each.name for each in LOADS}) == len(LOADS)
    assert all(each.quantities for each in LOADS)
