"""junit.xml as Jenkins' junit plugin reads it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from profileapp.judge.verdict import JudgedRun, judge_folder
from profileapp.model.run import Agent, MetricStatus
from profileapp.model.target import App
from profileapp.record.artifacts import APP_LOG_FILE
from profileapp.report.jenkins.junit import LOG_LIMIT, junit_xml
from tests.report.sample_runs import sample_run, write_target

SUITE_ATTRIBUTES = {
    "disabled", "errors", "failures", "hostname", "id", "name", "package", "skipped", "tests", "time", "timestamp",
}  # fmt: skip
OUTCOMES = {"failure", "error", "skipped"}


def parse(judged: list[JudgedRun]) -> ElementTree.Element:
    """The document, validated against the structure that the junit plugin and JUnit's schemas accept."""
    root = ElementTree.fromstring(junit_xml(judged))  # noqa: S314
    assert root.tag == "testsuites"
    for suite in root:
        assert suite.tag == "testsuite"
        assert set(suite.attrib) <= SUITE_ATTRIBUTES
        assert suite.attrib["name"]
        cases = suite.findall("testcase")
        assert {child.tag for child in suite} <= {"properties", "testcase"}
        assert int(suite.attrib["tests"]) == len(cases) == len({case.attrib["name"] for case in cases})
        for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.attrib[key]) == len(suite.findall(f"testcase/{tag}"))
        for case in cases:
            assert set(case.attrib) <= {"name", "classname", "time"}
            assert {child.tag for child in case} <= OUTCOMES | {"system-out"}
            assert len([child for child in case if child.tag in OUTCOMES]) <= 1
    return root


def outcomes(suite: ElementTree.Element) -> dict[str, str]:
    """Name and result of each case."""
    return {
        case.attrib["name"]: next((child.tag for child in case if child.tag in OUTCOMES), "passed")
        for case in suite.findall("testcase")
    }


def test_one_suite_for_each_target(samples: list[JudgedRun]) -> None:
    root = parse(samples)
    assert [suite.attrib["id"] for suite in root] == ["interval-1-use-gpu", "use-gpu", "use-cpu", "night"]
    assert {suite.attrib["name"] for suite in root} == {"object-counter"}
    assert root[0].attrib["timestamp"] == "2026-11-18T11:06:40"
    assert {case.attrib["classname"] for case in root[2].findall("testcase")} == {"object-counter.use-cpu"}


def test_one_case_for_the_run_each_metric_and_each_budget(samples: list[JudgedRun]) -> None:
    passed, over, failed, cut = parse(samples)
    assert outcomes(passed) == {
        "run": "passed",
        "metric system": "passed",
        "metric gpu-summary": "skipped",
        "metric container": "passed",
        "metric custom": "passed",
        "budget fps.mean >= 10": "passed",
        "budget container.memory.peak.max <= 400 MiB": "passed",
        "budget system.temperature.max < 80 °C": "passed",
    }
    assert outcomes(over)["run"] == "passed"
    assert outcomes(over)["budget container.memory.peak.max <= 400 MiB"] == "failure"
    assert outcomes(failed)["run"] == "failure"
    assert outcomes(failed)["budget fps.mean >= 10"] == "failure"
    assert outcomes(cut)["run"] == "error"


def test_a_skipped_metric_has_a_reason(samples: list[JudgedRun]) -> None:
    skipped = parse(samples[:1]).find("testsuite/testcase[@name='metric gpu-summary']/skipped")
    assert skipped is not None
    assert "no NVIDIA driver on this agent" in skipped.attrib["message"]


def test_a_metric_lost_in_a_crash_is_reported(samples: list[JudgedRun]) -> None:
    cut = outcomes(parse(samples[3:])[0])
    assert cut["metric system"] == cut["metric gpu-summary"] == "skipped"


def test_a_failed_collector_is_an_error(samples: list[JudgedRun]) -> None:
    run = msgspec.structs.replace(
        samples[0].run, metrics=(MetricStatus("system", "failed", reason="psutil: no such sensor"),)
    )
    case = parse([msgspec.structs.replace(samples[0], run=run)]).find("testsuite/testcase[@name='metric system']/error")
    assert case is not None
    assert "no such sensor" in case.attrib["message"]


def test_a_budget_has_the_measured_value_and_the_margin(samples: list[JudgedRun]) -> None:
    failure = parse(samples[1:2]).find("testsuite/testcase/failure")
    assert failure is not None
    assert failure.attrib["message"].endswith("MiB, limit <= 400 MiB, missed by 66.7 MiB")
    [output] = parse(samples[1:2]).findall("testsuite/testcase[@name='budget fps.mean >= 10']/system-out")
    assert (output.text or "").endswith("to spare")


def test_the_failure_has_the_end_of_the_apps_output(samples: list[JudgedRun]) -> None:
    failure = parse(samples[2:3]).find("testsuite/testcase[@name='run']/failure")
    assert failure is not None
    assert failure.attrib["message"] == "the app exited with code 1 after 31 s"
    assert (failure.text or "").rstrip().endswith("FileNotFoundError: '/models/yolo.onnx'")


def test_properties_describe_the_run_and_the_agent(samples: list[JudgedRun]) -> None:
    properties = {each.attrib["name"]: each.attrib["value"] for each in parse(samples[:1]).iter("property")}
    assert properties["board"] == "NVIDIA Jetson Xavier NX Developer Kit"
    assert properties["commit"] == "7c1f0be2a94d53c6f1e0aa5bd2c2c7a1b05f9a63"
    assert properties["image"] == "waggle/object-counter:0.5.1"
    assert properties["image.digest"].startswith("waggle/object-counter@sha256:")
    assert properties["architecture"] == "aarch64"
    assert properties["build"].startswith("https://")


def test_the_run_case_has_its_duration(samples: list[JudgedRun]) -> None:
    times = [
        float(case.attrib["time"]) for case in parse(samples).iterfind("testsuite/testcase") if "time" in case.attrib
    ]
    assert times == [120.0, 120.0, 31.0, pytest.approx(29.25)]


def test_a_dot_in_a_target_name_creates_no_package(tmp_path: Path) -> None:
    write_target(tmp_path, sample_run("interval-0.2"), {})
    [case, *_] = parse([judge_folder(tmp_path / "interval-0.2")]).iterfind("testsuite/testcase")
    assert case.attrib["classname"] == "object-counter.interval-0_2-aed2890d7228"


def test_hostile_text_is_escaped(tmp_path: Path) -> None:
    hostile = "</testsuite>]]>\x1b[31m\0\x08\ud800\u202e<script>alert(1)</script>" + "A" * 10_000
    printable = hostile.replace("\ud800", "")
    write_target(
        tmp_path,
        sample_run(
            "bad",
            app=App(printable, printable),
            agent=Agent(hostname=printable, board=printable),
            exit_reason="failed",
            message=printable,
            warnings=(printable,) * 1000,
            metrics=(MetricStatus(printable, "skipped", printable, printable),),
            target_budgets={printable: printable},
        ),
        {},
    )
    (tmp_path / "bad" / APP_LOG_FILE).write_bytes(hostile.encode(errors="surrogatepass") * 1000)
    judged = judge_folder(tmp_path / "bad")
    text = junit_xml([judged])
    assert len(text) < 8 * LOG_LIMIT
    assert not [text_ for text_ in ("[31m", "\u202e", "<script", "]]>") if text_ in text]
    [suite] = parse([judged])
    assert outcomes(suite)["run"] == "failure"
    assert len(suite.attrib["name"]) < 250


def test_ten_megabytes_of_output_are_bounded(tmp_path: Path) -> None:
    write_target(tmp_path, sample_run("loud", exit_reason="failed"), {})
    (tmp_path / "loud" / APP_LOG_FILE).write_bytes(b"\x1b[2K<>&" * 1_500_000)
    assert len(junit_xml([judge_folder(tmp_path / "loud")])) < 8 * LOG_LIMIT


def test_without_targets_the_document_is_empty() -> None:
    assert len(parse([])) == 0
