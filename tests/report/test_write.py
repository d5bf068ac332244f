"""Output files, with and without the report extra."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import profileapp.report.write
from profileapp.commands.report import command
from profileapp.errors import AgentError
from profileapp.judge.verdict import JudgedRun, judge_folder
from profileapp.plan.names import BASELINE_OUTCOME_FILE, OUTCOME_FILE, RESERVED
from profileapp.record import reader
from profileapp.record.sample_reader import SampleReader
from profileapp.record.series_data import Column
from profileapp.report.write import write_data, write_overview, write_pages


def test_every_file_has_its_path(own_samples: list[JudgedRun]) -> None:
    out = own_samples[0].folder.parent
    for each in own_samples:
        write_data(each)
    write_overview(out, own_samples)
    assert write_pages(out, own_samples) == out / "index.html"
    names = {path.name for path in out.iterdir()}
    # Therefore no target can have the name of any of them.
    assert names == (RESERVED - {"baseline.xml", "build.log", OUTCOME_FILE, BASELINE_OUTCOME_FILE}) | {
        each.folder.name for each in own_samples
    }
    for each in own_samples:
        assert {"junit.xml", "series.csv", "report", "run.json"} <= {path.name for path in each.folder.iterdir()}


def test_a_run_larger_than_memory_has_the_same_report(
    own_samples: list[JudgedRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = own_samples[0].folder

    def made(judged: JudgedRun) -> dict[Path, bytes]:
        write_data(judged)
        write_pages(folder.parent, [judged])
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    expected = made(judge_folder(folder))
    monkeypatch.setattr(reader, "SampleReader", partial(SampleReader, buffer_limit=100))
    judged = judge_folder(folder)
    assert any(isinstance(data.values, Column) for data in judged.series.values())
    assert made(judged) == expected and any(path.suffix == ".svg" for path in expected)


def test_pages_without_the_extra_are_a_one_line_error(
    own_samples: list[JudgedRun], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(profileapp.report.write, "find_spec", lambda name: None if name == "matplotlib" else name)
    with pytest.raises(AgentError, match=r"pip install 'profileapp\[report\]'"):
        write_pages(tmp_path, own_samples)


@pytest.mark.parametrize("name", ["junit.xml", "series.csv", "../junit.xml", "../summary.csv"])
def test_obstacles_are_reported_and_nothing_is_lost(
    name: str, own_samples: list[JudgedRun], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = own_samples[0].folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / name).mkdir()
    message = rf"{Path(name).name}: cannot be written .*earlier measurements are kept"
    if name.startswith("../"):
        with pytest.raises(AgentError, match=message):
            command.callback(folder.parent, "html", "unstable", "fail", False)  # type: ignore[misc]
    else:
        # It belongs to one target, so the reports of others are unaffected.
        assert command.callback(folder.parent, "html", "unstable", "fail", False) == 4  # type: ignore[misc]
        assert re.search(message, capsys.readouterr().err)
        for other in own_samples[1:]:
            assert (other.folder / "report/index.html").is_file() and (other.folder / "junit.xml").is_file()
    assert (folder / name).is_dir()
    for file in ("metrics.ndjson", "app.log"):
        assert (folder / file).read_bytes() == before[file]
    assert not list(folder.parent.rglob(".*"))


def test_a_full_disk_is_a_one_line_error(
    own_samples: list[JudgedRun], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = own_samples[0].folder
    before = (folder / "run.json").read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("profileapp.record.folder.write_artifact", full)
    assert command.callback(folder.parent, "html", "unstable", "fail", False) == 4  # type: ignore[misc]
    output = capsys.readouterr().err.splitlines()
    assert len(output) == len(own_samples) and all("No space left on device" in line for line in output)
    assert (folder / "run.json").read_bytes() == before


def test_data_needs_no_extra(own_samples: list[JudgedRun]) -> None:
    """On a device neither jinja2 nor matplotlib is installed, and importing them would use memory."""
    program = """
import sys
from pathlib import Path
sys.modules["jinja2"] = sys.modules["matplotlib"] = sys.modules["numpy"] = None
from profileapp.judge.verdict import judge_folder
from profileapp.report.terminal import print_table
from profileapp.report.write import write_data, write_overview
judged = [judge_folder(Path(sys.argv[1]))]
[write_data(each) for each in judged]
write_overview(Path(sys.argv[1]).parent, judged)
print_table(judged)
"""
    folder = own_samples[0].folder
    done = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "junit.xml").is_file()
