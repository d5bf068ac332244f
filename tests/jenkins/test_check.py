"""`make test-jenkins` with a fake Jenkins: it accepts a correct build, and reports every problem."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.jenkins.check import EXAMPLE, ROOT, main, planned_targets, settings
from tests.jenkins.conftest import TARGETS
from tests.jenkins.fake_jenkins import OLD_POLICY, FakeJenkins
from tests.jenkins.job import MARK
from tests.jenkins.remote import JenkinsError

JOB = "check"
TOKEN = "0123abc"  # noqa: S105 of a fake


def run(jenkins: FakeJenkins, **environ: str) -> int:
    given = {
        "JENKINS_URL": jenkins.url,
        "JENKINS_JOB": JOB,
        "JENKINS_GIT_URL": "https://git.example.org/profileapp.git",
        "JENKINS_GIT_REVISION": "main",
        **environ,
    }
    return main(given, TARGETS, poll_s=0.01)


def test_a_successful_build(jenkins: FakeJenkins, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(jenkins)
    out = capsys.readouterr().out
    assert code == 0, out
    assert "FAILED" not in out
    assert "ok      stage Profile: plan" in out
    assert "ok      test results: 7 passed, 0 failed, 2 skipped" in out
    assert "ok      page profile/first/report/index.html" in out
    assert re.search(r"all \d+ checks passed", out)
    assert jenkins.jobs == {}, "the job is removed where all is well"


def test_a_jenkins_from_before_2_417(jenkins: FakeJenkins) -> None:
    jenkins.policy = OLD_POLICY
    assert run(jenkins) == 0


def test_the_job_remains_on_request_and_is_replaced_by_the_next_run(jenkins: FakeJenkins) -> None:
    assert run(jenkins, JENKINS_KEEP="1") == 0
    first = jenkins.jobs[JOB]
    assert run(jenkins, JENKINS_KEEP="1", JENKINS_GIT_REVISION="other") == 0
    assert jenkins.jobs[JOB] != first


def test_other_jobs_are_not_touched(jenkins: FakeJenkins, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = "<flow-definition><description>Nightly release</description></flow-definition>"
    jenkins.jobs[JOB] = theirs
    assert run(jenkins) == 2
    assert jenkins.jobs == {JOB: theirs}
    assert "it is not ours; give another name by JENKINS_JOB" in capsys.readouterr().err


def _without(path: str) -> Callable[[FakeJenkins], None]:
    return lambda jenkins: (jenkins.workspace / "profile" / path).unlink()


def _edited(path: str, old: str, new: str) -> Callable[[FakeJenkins], None]:
    def edit(jenkins: FakeJenkins) -> None:
        file = jenkins.workspace / "profile" / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    return edit


def _set(**values: object) -> Callable[[FakeJenkins], None]:
    return lambda jenkins: jenkins.__dict__.update(values)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_set(result="FAILURE"), "the build ended FAILURE: must be SUCCESS"),
        (_set(result="ABORTED"), "the build ended ABORTED: must be SUCCESS"),
        (_set(result="UNSTABLE"), "the build ended UNSTABLE: does not go with 0 failed test cases"),
        (_set(counts=(6, 1, 2)), "the build ended SUCCESS: does not go with 1 failed"),
        (_set(counts=(8, 0, 2)), "the targets' junit.xml hold 7 passed, 0 failed, 2 skipped"),
        (_set(counts=None), "test results: none were published"),
        (_set(stages=[("Profile: plan", "SUCCESS")]), "stage first: missing; there are: Profile: plan"),
        (_set(stages=[("first", "FAILED")]), "stage first: ended FAILED"),
        (_set(description=""), "description: : has no link to profile/index.html"),
        (_set(policy=""), "served with the policy ''"),
        (_set(policy="default-src *"), "unset hudson.model.DirectoryBrowserSupport.CSP"),
        (_without("second/metrics.ndjson"), "missing: profile/second/metrics.ndjson"),
        (_without("first/junit.xml"), "missing: profile/first/junit.xml"),
        (_without("summary.csv"), "profile/summary.csv: could not be fetched"),
        (_without("index.html"), "page profile/index.html: could not be fetched"),
        (_without("report/style.css"), "profile/report/style.css is missing"),
        (_without("second/report/index.html"), "links to no artifact: profile/second/report/index.html"),
        (_edited("summary.csv", "first", "fist"), "profile/summary.csv: has rows for ['fist', 'second']"),
        (_edited("first/junit.xml", "<testsuites", "<<"), "a junit.xml is no XML"),
        (_edited("index.html", "</body>", "<script>1</script></body>"), "the policy forbids: <script>"),
        (_edited("index.html", "<body>", "<body style='color: red'>"), "the policy forbids: <body style=…>"),
        (_edited("index.html", "<body>", "<body onload='x()'>"), "the policy forbids: <body onload=…>"),
        (
            _edited("index.html", "<body>", "<body><img src='https://cdn.example.org/a.png'>"),
            "the policy forbids: <img> from https://cdn.example.org/a.png",
        ),
        (_edited("index.html", "first", "premier"), "names every target: not named: first"),
    ],
)
def test_problems_are_found(
    jenkins: FakeJenkins,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[FakeJenkins], None],
    message: str,
) -> None:
    damage(jenkins)
    code = run(jenkins)
    out = capsys.readouterr().out
    assert code == 1, out
    failed = [line for line in out.splitlines() if line.startswith("FAILED")]
    assert any(message in line for line in failed), out
    assert "last line of the log" in out
    assert JOB in jenkins.jobs, "the job is kept, to be looked at"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_set(waits_for_ever=True), "still waits in Jenkins' queue: There are no nodes with the label ‘jetson’"),
        (_set(runs_for_ever=True), "the build has not ended: http"),
        (_set(has_stage_view=False), "install its plugin Pipeline: Stage View"),
        (_set(token=TOKEN), "401"),
    ],
)
def test_errors_of_the_check_are_reported(
    jenkins: FakeJenkins,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[FakeJenkins], None],
    message: str,
) -> None:
    damage(jenkins)
    for_ever = jenkins.waits_for_ever or jenkins.runs_for_ever
    assert run(jenkins, JENKINS_TIMEOUT_S="0.2" if for_ever else "60") == 2
    output = capsys.readouterr().err
    assert message in output
    assert output.startswith("test-jenkins: ")
    assert len(output.splitlines()) == 1


def test_an_abandoned_build_is_stopped(jenkins: FakeJenkins) -> None:
    jenkins.runs_for_ever = True
    assert run(jenkins, JENKINS_TIMEOUT_S="1") == 2
    assert jenkins.stopped
    assert not jenkins.cancelled


@pytest.mark.parametrize("state", ["runs_for_ever", "waits_for_ever"])
def test_a_failure_to_stop_a_build_does_not_hide_the_reason(
    jenkins: FakeJenkins, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    jenkins.forbids_stop = True
    setattr(jenkins, state, True)
    assert run(jenkins, JENKINS_TIMEOUT_S="1") == 2
    printed = capsys.readouterr()
    assert "more time by JENKINS_TIMEOUT_S" in printed.err
    assert "could not be stopped and goes on" in printed.out and "Job/Cancel" in printed.out


def test_a_build_that_never_starts_is_removed_from_the_queue(jenkins: FakeJenkins) -> None:
    jenkins.waits_for_ever = True
    assert run(jenkins, JENKINS_TIMEOUT_S="0.2") == 2
    assert jenkins.cancelled


def test_authentication_with_a_token(jenkins: FakeJenkins) -> None:
    jenkins.token = TOKEN
    assert run(jenkins, JENKINS_USER="ann", JENKINS_TOKEN=TOKEN) == 0


def test_a_jenkins_without_crumbs(jenkins: FakeJenkins) -> None:
    jenkins.has_crumbs = False
    assert run(jenkins) == 0


def test_artifacts_of_a_resource_root_need_no_policy(jenkins: FakeJenkins) -> None:
    jenkins.has_resource_root = True
    assert run(jenkins) == 0


def test_ctrl_c_stops_the_build(
    jenkins: FakeJenkins, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jenkins.runs_for_ever = True

    def interrupt(_: float) -> None:
        if jenkins.polls > 5:
            raise KeyboardInterrupt

    monkeypatch.setattr("tests.jenkins.remote.time.sleep", interrupt)
    assert run(jenkins) == 2
    assert jenkins.stopped
    assert "interrupted; the build is stopped" in capsys.readouterr().err


def test_an_unreachable_jenkins(capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"JENKINS_URL": "http://127.0.0.1:9/", "JENKINS_GIT_URL": "x", "JENKINS_GIT_REVISION": "y"}
    assert main(environ, TARGETS) == 2
    assert capsys.readouterr().err.startswith("test-jenkins: http://127.0.0.1:9/: ")


class TestSettings:
    @pytest.mark.parametrize(
        ("environ", "message"),
        [
            ({}, "give the address of a Jenkins"),
            ({"JENKINS_URL": "jenkins.example.org"}, "give the address of a Jenkins"),
            ({"JENKINS_URL": "file:///etc"}, "give the address of a Jenkins"),
            ({"JENKINS_URL": "http://j", "JENKINS_USER": "ann"}, "go together"),
            ({"JENKINS_URL": "http://j", "JENKINS_TOKEN": "t"}, "go together"),
            ({"JENKINS_URL": "http://j", "JENKINS_TIMEOUT_S": "soon"}, "JENKINS_TIMEOUT_S=soon"),
        ],
    )
    def test_invalid_settings_are_reported(self, environ: dict[str, str], message: str) -> None:
        with pytest.raises(JenkinsError, match=re.escape(message)):
            settings({"JENKINS_GIT_URL": "x", "JENKINS_GIT_REVISION": "y", **environ})

    def test_the_current_commit_is_built(self) -> None:
        chosen = settings({"JENKINS_URL": "http://j", "JENKINS_GIT_URL": "https://git.example.org/x"})
        assert re.fullmatch(r"[0-9a-f]{40}", chosen.source.revision)
        assert (ROOT / chosen.source.script).name == "Jenkinsfile"


def test_targets_come_from_the_workers_plan() -> None:
    assert "use-gpu" in planned_targets(EXAMPLE)


def test_the_plan_of_a_fresh_clone_without_a_dataset(tmp_path: Path) -> None:
    clone = tmp_path / "objectcounter"
    shutil.copytree(EXAMPLE.parent, clone, ignore=shutil.ignore_patterns("dataset"))
    assert planned_targets(clone / "sage.yaml") == planned_targets(EXAMPLE)


def test_no_plan_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(JenkinsError, match="no plan"):
        planned_targets(tmp_path / "sage.yaml")


def test_the_job_is_marked(jenkins: FakeJenkins) -> None:
    assert run(jenkins, JENKINS_KEEP="1") == 0
    assert MARK in jenkins.jobs[JOB]
