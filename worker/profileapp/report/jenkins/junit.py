"""JUnit-style XML, as Jenkins' junit plugin reads it: suite = app, class = target."""

from __future__ import annotations

from collections.abc import Sequence

from junit_xml import TestCase, TestSuite, to_xml_report_string

from profileapp.judge.verdict import JudgedRun
from profileapp.model.run import BaselineComparison, BudgetResult, MetricStatus, Run
from profileapp.model.text import path_part
from profileapp.record.artifacts import APP_LOG_FILE, REPORT_FOLDER, SERIES_FILE
from profileapp.report.baseline_text import baseline_text, comparison_text
from profileapp.report.clean import clean
from profileapp.report.format import ABSENT, moment, quantity
from profileapp.report.jenkins.attached import attached, attached_plots, harmless, page_address
from profileapp.report.page_data import budget_text, duration_s, remarks

LOG_LIMIT = 16 * 1024
NAME_LIMIT = 200


def junit_xml(judged: Sequence[JudgedRun]) -> str:
    """One suite per target: a case for the run itself, one per requested metric, one per budget."""
    return str(to_xml_report_string([_suite(each) for each in judged], prettyprint=False))


def _suite(judged: JudgedRun) -> TestSuite:
    run = judged.run
    classname = _classname(run)
    known = {metric.metric for metric in run.metrics}
    cases = [_run_case(judged, classname)]
    cases += [_metric_case(metric, classname) for metric in run.metrics]
    cases += [_unknown_metric_case(metric, classname) for metric in run.target.metrics if metric not in known]
    cases += [_budget_case(budget, classname) for budget in run.budgets]
    cases += _comparison_cases(run, classname)
    return _suite_of(run, cases)


def _suite_of(run: Run, cases: list[TestCase], suffix: str = "") -> TestSuite:
    return TestSuite(
        path_part(run.app.name or "app"),
        cases,
        hostname=_name(run.agent.hostname) or None,
        # Jenkins' junit plugin merges suites of one name unless their ids differ.
        id=_name(run.target.name + suffix),
        package=_name(run.target.name),
        timestamp=_timestamp(run.started_ns),
        properties=_properties(run),
    )


def baseline_xml(judged: Sequence[JudgedRun]) -> str:
    """One suite per target with only its baseline cases: the others are published before the comparison."""
    suites = [_suite_of(each.run, _comparison_cases(each.run, _classname(each.run)), " baseline") for each in judged]
    return str(to_xml_report_string(suites, prettyprint=False))


def attachments_xml(judged: Sequence[JudgedRun]) -> str:
    """One suite per target with a page, with one case that names the page and the files to attach.

    They are in a separate file: a Jenkins without the JUnit Attachments plugin shows such lines as text.
    """
    suites = []
    for each in judged:
        report = each.folder / REPORT_FOLDER
        files = attached(each.folder / name for name in (APP_LOG_FILE, SERIES_FILE))
        lines = [*filter(None, [page_address(each)]), *files, *attached_plots(report)]
        if (report / "index.html").is_file():
            case = TestCase("report", _classname(each.run), stdout="\n".join(lines) or None)
            suites.append(_suite_of(each.run, [case], " report"))
    return str(to_xml_report_string(suites, prettyprint=False))


def _classname(run: Run) -> str:
    """The app's and the target's name, as parts of a path.

    Jenkins treats what precedes the last dot as the package, and the JUnit Attachments plugin publishes the folder
    with the class's name next to junit.xml (jenkinsci/junit-attachments-plugin, `attachFilesForReport`).
    """
    return f"{path_part(run.app.name or 'app')}.{path_part(run.target.name)}"


def _comparison_cases(run: Run, classname: str) -> list[TestCase]:
    if run.baseline is None:
        return []
    about = "\n".join((f"compared with {baseline_text(run.baseline)}", *run.baseline.remarks))
    return [_comparison_case(comparison, about, classname) for comparison in run.baseline.numbers]


def _comparison_case(comparison: BaselineComparison, about: str, classname: str) -> TestCase:
    text = _text(comparison_text(comparison), NAME_LIMIT * 5)
    case = TestCase(
        _name(f"baseline {comparison.title} {comparison.statistic}"),
        classname,
        stdout=_text(f"{text}\n{about}", LOG_LIMIT),
    )
    if comparison.state == "worse":
        case.add_failure_info(text, failure_type=comparison.state)
    elif comparison.state == "not enough data":
        case.add_skipped_info(text)
    return case


def _run_case(judged: JudgedRun, classname: str) -> TestCase:
    run = judged.run
    notes = [
        *remarks(judged),
        *(f"{each.label}: {quantity(each.value, each.unit)}" for each in judged.headline),
    ]
    case = TestCase("run", classname, duration_s(judged), stdout=_text("\n".join(notes), LOG_LIMIT) or None)
    message = _text(run.message or "the run did not finish", NAME_LIMIT * 5)
    if judged.verdict == "app failed":
        case.add_failure_info(message, _text(judged.app_log_tail, LOG_LIMIT) or message, run.exit_reason)
    elif run.exit_reason in ("not-measured", "aborted") or judged.verdict == "incomplete":
        case.add_error_info(message, _text(judged.app_log_tail, LOG_LIMIT) or message, run.exit_reason or "incomplete")
    return case


def _metric_case(metric: MetricStatus, classname: str) -> TestCase:
    notes = f"source: {metric.source}\nsamples: {metric.samples}\nlate: {metric.late}\nmissed: {metric.missed}"
    case = TestCase(_name(f"metric {metric.title}"), classname, stdout=_text(notes))
    if metric.state == "skipped":
        case.add_skipped_info(_text(metric.reason, NAME_LIMIT * 5))
    elif metric.state == "failed":
        case.add_error_info(_text(metric.reason, NAME_LIMIT * 5), error_type="collector")
    return case


def _unknown_metric_case(metric: str, classname: str) -> TestCase:
    case = TestCase(_name(f"metric {metric}"), classname)
    case.add_skipped_info("the run ended before its metrics were checked for availability on this agent")
    return case


def _budget_case(budget: BudgetResult, classname: str) -> TestCase:
    text = _text(budget_text(budget), NAME_LIMIT * 5)
    case = TestCase(_name(f"budget {budget.key} {budget.condition}"), classname, stdout=text)
    if budget.state != "met":
        case.add_failure_info(text, failure_type=budget.state)
    return case


def _properties(run: Run) -> dict[str, str]:
    properties = {
        "run": run.id,
        "app.version": run.app.version,
        "board": run.agent.board,
        "module": run.agent.jetson.module if run.agent.jetson else "",
        "jetpack": run.agent.jetson.jetpack if run.agent.jetson else "",
        "power_mode": run.agent.jetson.power_mode if run.agent.jetson else "",
        "agent": run.agent.hostname,
        "architecture": run.agent.architecture,
        "runtime": run.agent.runtime,
        "image": run.image.name if run.image else "",
        "image.id": run.image.id if run.image else "",
        "image.digest": run.image.digest if run.image else "",
        "commit": run.build.commit,
        "build": run.build.url,
        "exit_reason": run.exit_reason or "",
    }
    return {key: _text(value, NAME_LIMIT * 5) for key, value in properties.items() if value}


def _timestamp(wall_ns: int) -> str | None:
    """In UTC, without a zone, as in the schemas of JUnit's XML (ISO8601_DATETIME_PATTERN)."""
    text = moment(wall_ns)
    return None if text == ABSENT else text.removesuffix(" UTC").replace(" ", "T")


def _text(text: str, limit: int = 0) -> str:
    return harmless(clean(text, limit))


def _name(text: str) -> str:
    """On one line, and short enough for a tree of results."""
    line = " ".join(_text(text).split())
    return line if len(line) <= NAME_LIMIT else f"{line[:NAME_LIMIT]}…"
