"""Names from a sage.yaml or a run.json in the artifacts that Jenkins publishes: refused as paths, held as text."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.judge.verdict import JudgedRun, judge_folder
from profileapp.model.target import App, Target
from profileapp.model.text import path_part
from profileapp.report.jenkins.junit import attachments_xml, baseline_xml, junit_xml
from tests.report.sample_runs import sample_run, write_target

HOSTILE_NAMES = (
    "../../home/jenkins/",
    "..",
    ".",
    "/etc",
    "a/../../b",
    "..\\..\\windows",
    "~",
    "app.ssh",
    "-rf",
    "a\u2215b",
    "x" * 500,
    "",
)


def judged(folder: Path, app: str, target: str = "ssh") -> JudgedRun:
    """Judges a run.json with this app name and this target name."""
    written = write_target(folder, sample_run("plain"), {})
    written.write_run(msgspec.structs.replace(sample_run("plain"), app=App(app), target=Target(target)))
    return judge_folder(written.path)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_held_a_name_chooses_no_folder_that_the_attachments_plugin_would_publish(tmp_path: Path, name: str) -> None:
    """Held: the plugin attaches the folder CLASSNAME beside a junit.xml, and the file CLASSNAME-output.txt."""
    for target in ("ssh", name):
        each = judged(tmp_path / f"{target == 'ssh'}", name, target)
        for text in (junit_xml([each]), attachments_xml([each]), baseline_xml([each])):
            root = ElementTree.fromstring(text)  # noqa: S314
            for suite in root:
                assert re.fullmatch(r"[A-Za-z0-9_-]{1,100}", suite.attrib["name"])
            for case in root.iter("testcase"):
                assert re.fullmatch(r"[A-Za-z0-9_-]{1,100}\.[A-Za-z0-9_-]{1,100}", case.attrib["classname"])


def test_held_different_apps_and_targets_stay_different_classes(tmp_path: Path) -> None:
    """Held: no app can publish results as another app, nor one target as another."""
    pairs = [("a/b", "t"), ("a-b", "t"), ("a.b", "t"), ("a_b", "t"), ("a", "x.y"), ("a", "x_y"), ("A", "x_y")]
    classes = set()
    for index, (app, target) in enumerate(pairs):
        root = ElementTree.fromstring(junit_xml([judged(tmp_path / str(index), app, target)]))  # noqa: S314
        classes |= {case.attrib["classname"] for case in root.iter("testcase")}
    assert len(classes) == len(pairs)


@given(st.text(max_size=200), st.text(max_size=200))
def test_held_parts_of_paths_are_plain_and_distinct(one: str, other: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", path_part(one))
    assert (path_part(one) == path_part(other)) == (one == other)


@pytest.mark.parametrize("name", ["object-counter", "use_gpu", "A1"])
def test_a_plain_name_is_unchanged_in_a_path(name: str) -> None:
    assert path_part(name) == name
