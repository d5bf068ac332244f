"""Files for Jenkins' Plot plugin."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec
import pytest

from profileapp.errors import AgentError
from profileapp.judge.headline import Headline
from profileapp.judge.verdict import JudgedRun
from profileapp.report.jenkins.trends import trend_csvs
from profileapp.report.write import write_overview


def named(one: JudgedRun, *labels: str) -> JudgedRun:
    return msgspec.structs.replace(one, headline=tuple(Headline(each, 1.5, "", each, "mean") for each in labels))


def test_one_file_for_each_value_with_a_column_for_each_target(samples: list[JudgedRun]) -> None:
    files = trend_csvs(samples)
    assert set(files) == {"CPU.csv", "cold-start.csv", "memory-peak.csv", "fps.csv", "inference.csv"}
    heading, values = csv.reader(files["fps.csv"].splitlines())
    assert heading == [each.run.target.name for each in samples]
    assert [float(value) for value in values] == pytest.approx([15.1, 27.6, 3.17, 14.3], rel=0.01)


def test_a_target_without_the_value_has_an_empty_cell(samples: list[JudgedRun]) -> None:
    files = trend_csvs([named(samples[0], "fps"), named(samples[1])])
    assert files["fps.csv"].splitlines()[1] == "1.5,"


@pytest.mark.parametrize("label", ["../../etc/passwd", "/", "", ".", "a/b\0c", "=1+1", "x" * 10_000, "\u202efps"])
def test_a_hostile_name_is_a_file_name_in_the_folder(samples: list[JudgedRun], label: str, tmp_path: Path) -> None:
    write_overview(tmp_path, [named(samples[0], label, "fps")])
    names = {each.name for each in (tmp_path / "plot").iterdir()}
    assert len(names) == 2 and all(len(name) < 100 and not name.startswith((".", "-")) for name in names)
    assert {each.name for each in tmp_path.iterdir()} == {"junit.xml", "summary.csv", "badge.svg", "plot"}


def test_similar_names_have_separate_files(samples: list[JudgedRun]) -> None:
    assert set(trend_csvs([named(samples[0], "a/b", "a b", "a-b")])) == {"a-b.csv", "a-b-2.csv", "a-b-3.csv"}


def test_files_of_an_earlier_report_are_removed_and_others_stay(samples: list[JudgedRun], tmp_path: Path) -> None:
    write_overview(tmp_path, [named(samples[0], "old")])
    (tmp_path / "plot" / "mine.txt").write_text("mine")
    write_overview(tmp_path, [named(samples[0], "new")])
    assert {each.name for each in (tmp_path / "plot").iterdir()} == {"new.csv", "mine.txt"}


def test_a_link_in_the_place_of_the_folder_is_not_followed(samples: list[JudgedRun], tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "fps.csv").write_text("theirs")
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "plot").symlink_to(elsewhere)
    write_overview(tmp_path / "profile", [named(samples[0], "fps")])
    assert (elsewhere / "fps.csv").read_text() == "theirs"
    assert (tmp_path / "profile" / "plot" / "fps.csv").is_file()


def test_a_file_in_the_place_of_the_folder_is_reported(samples: list[JudgedRun], tmp_path: Path) -> None:
    (tmp_path / "plot").write_text("")
    with pytest.raises(AgentError, match="plot: cannot be written"):
        write_overview(tmp_path, samples)
