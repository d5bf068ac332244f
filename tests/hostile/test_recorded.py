"""Run folders with hostile content in judge, report, compare, baseline and store.

"Held": the attack affects no other user. "Refused": it is rejected with a one-line reason.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from profileapp.commands.main import commands
from profileapp.errors import ProfileappError
from profileapp.judge.verdict import judge_folder
from profileapp.model.series import Series
from profileapp.model.target import Target
from profileapp.record.folder import RunFolder
from tests.store.runs import FPS, a_run, record

# With their exit codes: a budget is not measured, which only a report checks.
COMMANDS = {
    "report": 1,
    "report --format markdown": 1,
    "report --format json": 1,
    "store": 0,
    "baseline --against .": 0,
}


def profileapp(*args: str) -> Result:
    """Calls the command in this process; errors are printed as `main` prints them."""
    return CliRunner().invoke(commands, args, standalone_mode=False)


def a_phase(name: str) -> Series:
    return Series(name, "", "custom", (), "phase")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A target that reports the phases `!x` and `y`, and an innocent target beside it."""
    target = Target("hostile", budgets={"fps.mean@!x": ">= 1", "fps.mean@!y": ">= 1", "fps.mean@!z": ">= 1"})
    record(tmp_path, a_run("h", target="hostile"), {FPS: [10.0] * 9, a_phase("!x"): [1, 0], a_phase("y"): [0, 1, 0]})
    run = a_run("h", target="hostile")
    RunFolder(tmp_path / "hostile").write_run(msgspec.structs.replace(run, target=target))
    record(tmp_path, a_run("i", target="innocent"))
    return tmp_path


def test_a_phase_whose_name_begins_with_an_exclamation_mark_is_held(out: Path) -> None:
    run = judge_folder(out / "hostile").run
    assert {phase.name for phase in run.phases} == {"!x", "y"}
    states = [(budget.key, budget.state) for budget in run.budgets]
    assert states == [("fps.mean@!x", "met"), ("fps.mean@!y", "met"), ("fps.mean@!z", "not-measured")]
    [inside] = [each for phase in run.phases if phase.name == "!x" for each in phase.summary if each.name == "fps"]
    [measured] = [budget for budget in run.budgets if budget.key == "fps.mean@!x"]
    # The exact name has precedence: the budget means the phase "!x", not all phases except "x".
    assert (inside.count, measured.measured) == (2, 10.0)


@pytest.mark.parametrize(("command", "exit_code"), COMMANDS.items())
def test_an_exclamation_mark_in_a_phase_is_held_by_every_command(
    out: Path, command: str, exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(out)
    name, *options = command.split()
    done = profileapp(name, str(out), *options)
    assert done.exception is None and done.return_value == exit_code, done.output


def test_an_exclamation_mark_in_a_phase_is_held_by_compare(out: Path) -> None:
    done = profileapp("compare", str(out / "hostile"), str(out / "innocent"))
    assert done.exception is None, done.output


@pytest.fixture
def failing_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulates a bug of ours that the values of the target `hostile` trigger."""
    from profileapp.judge import verdict

    real = verdict.app_events

    def events(series: dict[Series, object]) -> object:
        if any(one.kind == "phase" for one in series):
            raise ZeroDivisionError("made by a test")
        return real(series)  # type: ignore[arg-type]

    monkeypatch.setattr(verdict, "app_events", events)


@pytest.mark.usefixtures("failing_analysis")
def test_a_target_that_cannot_be_judged_does_not_affect_others_held(out: Path) -> None:
    before = (out / "hostile/run.json").read_bytes()
    done = profileapp("report", str(out), "--json")
    assert done.exception is None and done.return_value == 4
    outcome = json.loads(done.stdout.splitlines()[-1])
    verdicts = {each["name"]: each["verdict"] for each in outcome["targets"]}
    assert verdicts == {"hostile": "not measured", "innocent": "passed"}
    assert "could not be judged (ZeroDivisionError: made by a test)" in outcome["targets"][0]["message"]
    for target in verdicts:
        assert (out / target / "report/index.html").is_file() and (out / target / "junit.xml").is_file()
    # The app's artifacts stay for a worker that can read them.
    assert (out / "hostile/run.json").read_bytes() == before
    assert b"could not be judged" in (out / "junit.xml").read_bytes()


@pytest.mark.usefixtures("failing_analysis")
@pytest.mark.parametrize("arguments", [["store"], ["baseline", "--against", "."]], ids=" ".join)
def test_a_target_that_cannot_be_judged_does_not_affect_storing_held(
    out: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(out)
    done = profileapp(arguments[0], str(out), *arguments[1:], "--json")
    assert done.exception is None and done.return_value == 4
    assert "innocent" in done.stdout and "could not be judged" in done.output + done.stderr


def test_pages_of_the_other_targets_are_held(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from profileapp.report.page import pages

    real = pages.plot_target

    def plots(series: dict[Series, object], *rest: object) -> object:
        if any(one.kind == "phase" for one in series):
            raise OverflowError("made by a test")
        return real(series, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(pages, "plot_target", plots)
    done = profileapp("report", str(out), "--json")
    assert done.exception is None, done.exception
    assert "could not be judged" in (out / "hostile/report/index.html").read_text()
    assert "10" in (out / "innocent/report/index.html").read_text()


@pytest.mark.parametrize("name", ["x" * 10_000, "x/" * 5_000], ids=["long", "deep"])
def test_a_name_that_is_no_valid_path_is_refused(out: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(out)
    profileapp("store", str(out))
    for arguments in (
        ["compare", name, str(out)],
        ["report", name],
        ["store", name],
        ["baseline", name],
        ["baseline", str(out), "--against", name],
    ):
        done = profileapp(*arguments)
        assert isinstance(done.exception, ProfileappError), (arguments[0], done.exception)
        assert len(str(done.exception)) < 1000


@pytest.mark.parametrize("name", ["../../etc", "a/b", "a" * 64, "A", "\u202egpj", "", "-rf", "a\nb", "a\0b", ".ssh"])
def test_an_impossible_target_name_is_refused(tmp_path: Path, name: str) -> None:
    record(tmp_path, a_run("f", target="forged"))
    document = json.loads((tmp_path / "forged/run.json").read_text())
    document["target"]["name"] = name
    (tmp_path / "forged/run.json").write_text(json.dumps(document))
    judged = judge_folder(tmp_path / "forged")
    assert (judged.verdict, judged.run.target.name, judged.run.id) == ("incomplete", "forged", "")
    assert "not a run of profileapp (the name of its target" in judged.problems[0]


@pytest.mark.parametrize("content", [b'{"id":"\xdd"}', b"\xff\xfe", b"[" * 100_000, b"{}", b"null", b"1" * 10_000])
def test_a_run_that_is_garbage_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    """Fuzzing found the first: invalid UTF-8 within a text raised an error of ours."""
    record(tmp_path, a_run("f", target="forged"))
    (tmp_path / "forged/run.json").write_bytes(content)
    judged = judge_folder(tmp_path / "forged")
    assert judged.judge_error == "" and "not a run of profileapp" in judged.problems[0]
    assert "\n" not in judged.problems[0]
