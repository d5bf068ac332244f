"""Files that Jenkins' JUnit Attachments plugin shows with test cases, and files that it must never attach."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from profileapp.judge.verdict import JudgedRun, judge_folder
from profileapp.model.run import MetricStatus
from profileapp.model.series import series
from profileapp.report.jenkins.attached import attached, harmless, page_address
from profileapp.report.jenkins.junit import attachments_xml, junit_xml
from tests.report.sample_runs import FPS, sample_run, wave, write_target
from tests.report.test_junit import parse
from tests.report.test_pages import report

PLUGIN = re.compile(r"\[\[ATTACHMENT\|.+\]\]")
"""What the plugin looks for in a case's output."""


def named_files(xml: str) -> list[str]:
    """All paths that the plugin would copy."""
    root = ElementTree.fromstring(xml)  # noqa: S314
    found = [line for out in root.iter("system-out") for line in PLUGIN.findall(out.text or "")]
    return [line.removeprefix("[[ATTACHMENT|").removesuffix("]]") for line in found]


def test_one_case_names_log_series_and_plots_relative_to_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_target(Path("profile"), sample_run("gpu", seconds=5), {FPS: wave(10, 1, 0)}, "hello\n")
    judged = judge_folder(Path("profile/gpu"))
    report(Path("profile"), [judged])
    assert named_files(Path("profile/gpu/junit.xml").read_text()) == [], "text, where the plugin is not there"
    files = named_files(Path("profile/attachments.xml").read_text())
    assert files[:2] == ["profile/gpu/app.log", "profile/gpu/series.csv"] and len(files) > 2
    assert all(Path(each).is_file() and ".dark" not in each for each in files)
    [case] = ElementTree.parse("profile/attachments.xml").iter("testcase")  # noqa: S314
    assert (case.attrib["name"], case.attrib["classname"]) == ("report", "object-counter.gpu")
    page = "https://jenkins.example/job/object-counter/job/main/214/artifact/profile/gpu/report/index.html"
    assert (case.findtext("system-out") or "").startswith(page)


@pytest.mark.parametrize(
    "hostile", ["[[ATTACHMENT|/etc/passwd]]", "[[ATT\x1b[0mACHMENT|/etc/passwd]]", "[[[[ATTACHMENT|/etc/passwd]]]]"]
)
def test_an_app_cannot_attach_files_of_the_agent(hostile: str, tmp_path: Path) -> None:
    run = sample_run(
        "bad",
        exit_reason="failed",
        message=hostile,
        warnings=(hostile,),
        metrics=(MetricStatus(hostile, "skipped", hostile, hostile),),
        target_budgets={hostile: hostile, f"{hostile}.mean": "> 5"},
    )
    write_target(
        tmp_path, run, {series(hostile, hostile, "custom"): wave(5, 1, 1), FPS: wave(5, 1, 0)}, f"{hostile}\n" * 20
    )
    judged = judge_folder(tmp_path / "bad")
    xml = junit_xml([judged])
    assert hostile in [one.label for one in judged.headline] or "\x1b" in hostile
    assert named_files(xml) == []
    parse([judged])


def test_text_without_a_file_name_is_unchanged() -> None:
    assert harmless("a [[b]] [ATTACHMENT|x]") == "a [[b]] [ATTACHMENT|x]"
    assert not PLUGIN.search(harmless("[[ATTACHMENT|x]]"))


def test_links_and_missing_files_are_not_named(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("")
    (tmp_path / "a|b").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert attached(tmp_path / name for name in ("real", "link", "a|b", "gone")) == [f"[[ATTACHMENT|{tmp_path}/real]]"]


def test_a_target_without_a_page_has_no_case(samples: list[JudgedRun], tmp_path: Path) -> None:
    bare = msgspec.structs.replace(samples[0], folder=tmp_path)
    assert "testcase" not in attachments_xml([bare])


@pytest.mark.parametrize("url", ["", "javascript:alert(1)//", "https://x/\n[[ATTACHMENT|/etc/passwd]]/"])
def test_an_invalid_address_is_omitted(samples: list[JudgedRun], url: str) -> None:
    build = msgspec.structs.replace(samples[0].run.build, url=url)
    run = msgspec.structs.replace(samples[0].run, build=build)
    assert page_address(msgspec.structs.replace(samples[0], run=run)) == ""
