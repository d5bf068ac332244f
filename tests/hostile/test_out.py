"""A repository with links at paths that profileapp writes: nothing is written, emptied or removed behind them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from profileapp.record import artifacts
from profileapp.record.artifacts import ARTIFACTS, artifact, write_artifact
from profileapp.record.files import create_anew, create_new, make_folder, renew_folder, write_atomic
from profileapp.record.folder import RunFolder
from tests.helpers.worker_process import SHORT_S, WORKER, Outcome, configure, run

PROCESS = ("--runtime", "process", "--command", "python3 -c")
SAFE = "safe"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A home with a folder of files that must not change."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("precious", "outcome.json", "junit.xml", "index.html", "build.log", "run.json"):
        (folder / name).write_text(SAFE)
    return folder


@pytest.fixture
def workspace(tmp_path: Path, state: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    configure(folder, [{"name": "a", "args": ["print('hello')"]}], metrics=[])
    return folder


def is_untouched(outside: Path) -> bool:
    return len(list(outside.iterdir())) == 6 and all(each.read_text() == SAFE for each in outside.iterdir())


def report(folder: Path) -> Outcome:
    done = subprocess.run(
        [*WORKER, "report", "profile"], cwd=folder, capture_output=True, text=True, check=False, timeout=SHORT_S * 2
    )
    return Outcome(done, folder)


def test_refused_out_is_a_link(workspace: Path, outside: Path) -> None:
    (workspace / "profile").symlink_to(outside)
    outcome = run(workspace, *PROCESS)
    assert outcome.code == 4 and "profile is a link, which is not followed" in outcome.err, outcome.err
    assert len(outcome.err.splitlines()) == 1 and is_untouched(outside)


def test_refused_a_folder_above_out_is_a_link(workspace: Path, outside: Path) -> None:
    (workspace / "a").symlink_to(outside)
    outcome = run(workspace, *PROCESS, "--out", "a/b/profile")
    assert outcome.code == 4 and "a is a link" in outcome.err and is_untouched(outside), outcome.err


def test_held_links_above_an_absolute_out_are_followed(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "mounted").symlink_to("disk")
    outcome = run(workspace, *PROCESS, "--out", str(tmp_path / "mounted" / "profile"))
    assert outcome.code == 0 and (tmp_path / "disk/profile/a/run.json").exists(), outcome.err


def test_refused_a_targets_folder_is_a_link(workspace: Path, outside: Path) -> None:
    (workspace / "profile").mkdir()
    (workspace / "profile" / "a").symlink_to(outside)
    outcome = run(workspace, *PROCESS)
    assert outcome.code == 4 and "exists and is not a folder" in outcome.err and is_untouched(outside), outcome.err


def test_held_links_in_the_place_of_files_and_reports_are_replaced(workspace: Path, outside: Path) -> None:
    assert run(workspace, *PROCESS).code == 0
    out = workspace / "profile"
    for name in ("junit.xml", "index.html", "outcome.json", "summary.csv", "badge.svg", "a/junit.xml", "a/series.csv"):
        (out / name).unlink(missing_ok=True)
        (out / name).symlink_to(outside / "precious")
    for name in ("report", "plot", "a/report"):
        shutil.rmtree(out / name, ignore_errors=True)
        (out / name).symlink_to(outside)
    outcome = report(workspace)
    assert outcome.code == 0, outcome.err
    assert is_untouched(outside)
    assert (out / "a" / "report" / "index.html").is_file() and not (out / "a" / "report").is_symlink()
    assert json.loads((out / "outcome.json").read_text())["version"] >= 1


@pytest.mark.docker
def test_held_the_log_of_a_build_is_a_link(workspace: Path, outside: Path, busybox_image: str) -> None:
    (workspace / "profile").mkdir()
    (workspace / "profile" / "build.log").symlink_to(outside / "build.log")
    (workspace / "Dockerfile").write_text(f'FROM {busybox_image}\nENTRYPOINT ["echo"]\n')
    outcome = run(workspace, "--build", ".")
    assert outcome.code == 0, outcome.err
    log = workspace / "profile" / "build.log"
    assert is_untouched(outside) and not log.is_symlink() and b"FROM" in log.read_bytes()


def test_held_nothing_is_written_through_a_link(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "file").symlink_to(outside / "precious")
    for write in (create_new, create_anew, make_folder, lambda path: write_atomic(path, b"x")):
        with pytest.raises(OSError, match="link is a link"):
            write(tmp_path / "link" / "new")
    with pytest.raises(OSError, match="is a link"):
        make_folder(tmp_path / "link")
    with pytest.raises(FileExistsError):
        create_new(tmp_path / "file")
    with pytest.raises(OSError, match="link is a link"):
        renew_folder(tmp_path / "link" / "report", lambda _: True)
    create_anew(tmp_path / "file").close()
    assert is_untouched(outside) and not (tmp_path / "file").is_symlink()
    (tmp_path / "file").unlink()
    (tmp_path / "file").symlink_to(outside / "precious")
    write_atomic(tmp_path / "file", b"new")
    assert is_untouched(outside) and (tmp_path / "file").read_bytes() == b"new"


def test_held_the_next_run_replaces_all_artifacts(tmp_path: Path) -> None:
    """One declaration: declared artifacts are ours, and others cannot be written."""
    folder = RunFolder.create(tmp_path, "a")
    names = {value for name, value in vars(artifacts).items() if name.endswith(("_FILE", "_FOLDER"))}
    assert names == ARTIFACTS
    for name in (*ARTIFACTS, "x-plugin.bin"):
        write_artifact(folder.path, name, b"")
        (folder.path / f".{name}.01234567").touch()
    assert list(RunFolder.create(tmp_path, "a").path.iterdir()) == []
    with pytest.raises(ValueError, match="not declared"):
        artifact(folder.path, "thesis.tex")


def test_every_writer_of_a_target_folder_uses_the_declaration() -> None:
    package = Path(artifacts.__file__).parents[1]
    for path in (*package.glob("collect/**/*.py"), *package.glob("run/**/*.py"), *package.glob("record/*.py")):
        text = path.read_text()
        assert ".artifacts /" not in text, f"{path}: use artifact() or write_artifact()"
        assert "write_atomic(" not in text or path.name in ("files.py", "artifacts.py"), f"{path}: use write_artifact()"
