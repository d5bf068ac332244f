"""Links and other content of an app's repository that would expose the agent's files: each refused in the plan."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from profileapp.config import dataset_files
from profileapp.config.load import load
from profileapp.errors import ConfigError
from profileapp.plan.expand import make_plan


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    keys = tmp_path / "home/.ssh"
    keys.mkdir(parents=True)
    (keys / "id").write_text("secret")
    return keys


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def sage(folder: Path, dataset: str) -> Path:
    path = folder / "sage.yaml"
    path.write_text(f"name: app\nprofiling:\n  targets:\n    - {{dataset: {dataset}}}\n")
    return path


def plan(workspace: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-I", "-m", "profileapp", "plan", "sage.yaml", "--json", "--workspace", ".", *arguments]
    return subprocess.run(argv, cwd=workspace, capture_output=True, text=True, check=False)


def link_to_link(workspace: Path, outside: Path) -> None:
    (workspace / "data/one").symlink_to("two")
    (workspace / "data/two").symlink_to("deep/three")
    (workspace / "data/deep").mkdir()
    (workspace / "data/deep/three").symlink_to(outside)


def parents(workspace: Path, outside: Path) -> None:
    (workspace / "data/up").symlink_to("../../home/.ssh")


def through_an_inner_folder(workspace: Path, outside: Path) -> None:
    (workspace / "data/inner").mkdir()
    (workspace / "data/in").symlink_to("inner")
    (workspace / "data/inner/out").symlink_to(outside / "id")


def dangling(workspace: Path, outside: Path) -> None:
    (workspace / "data/later").symlink_to(outside / "not-there-yet")


LINKS: list[Callable[[Path, Path], None]] = [link_to_link, parents, through_an_inner_folder, dangling]


@pytest.mark.parametrize("make", LINKS)
def test_refused_links_that_lead_out_of_a_dataset(workspace: Path, outside: Path, make: Callable[..., None]) -> None:
    (workspace / "data").mkdir()
    make(workspace, outside)
    with pytest.raises(ConfigError, match="points outside"):
        make_plan(load(sage(workspace, "data")), None)


@pytest.mark.parametrize("make", LINKS)
def test_refused_links_that_lead_out_of_the_folder_that_an_image_is_built_from(
    workspace: Path, outside: Path, make: Callable[..., None]
) -> None:
    """Refused: `stash` would follow `keys -> ~/.ssh`, and the Dockerfile could copy the files."""
    (workspace / "data").mkdir()
    make(workspace, outside)
    (workspace / "data/Dockerfile").write_text("FROM scratch\nCOPY . .\n")
    (workspace / "fine").mkdir()
    sage(workspace, "fine")
    done = plan(workspace, "--build", "data")
    assert (done.returncode, done.stdout) == (3, ""), done
    assert "--build data: contains a link that points outside it" in done.stderr
    assert plan(workspace, "--build", "fine").returncode == 0


def test_refused_a_folder_or_archive_that_is_a_link_out(workspace: Path, outside: Path) -> None:
    (workspace / "fine").mkdir()
    sage(workspace, "fine")
    (workspace / "keys").symlink_to(outside)
    (workspace / "image.tar").symlink_to(outside / "id")
    (workspace / "sub").symlink_to("..")
    for arguments in (
        ("--build", "keys"),
        ("--image-archive", "image.tar"),
        ("--build", "sub/home"),
        ("--image-archive", "sub/home/.ssh/id"),
    ):
        done = plan(workspace, *arguments)
        assert (done.returncode, done.stdout) == (3, ""), done
        assert "points outside the workspace" in done.stderr


def test_refused_a_configuration_that_is_a_link_out(workspace: Path, tmp_path: Path) -> None:
    """Refused: it would be copied to the agents, and errors would quote its lines."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "data").mkdir()
    (workspace / "sage.yaml").symlink_to(sage(elsewhere, "data"))
    done = plan(workspace)
    assert (done.returncode, done.stdout) == (3, ""), done
    assert "points outside the workspace" in done.stderr


def test_refused_an_outward_link_beyond_the_limit_of_checked_files(
    workspace: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused: reaching the limit is an error; a link behind 100,000 files was once accepted unchecked."""
    monkeypatch.setattr(dataset_files.link_out_of, "__defaults__", (50,))
    data = workspace / "data"
    data.mkdir()
    for number in range(60):
        (data / f"{number}").touch()
    with pytest.raises(ConfigError, match="more than 50 files"):
        make_plan(load(sage(workspace, "data")), None)


@pytest.mark.slow
def test_refused_an_outward_link_behind_100000_files(workspace: Path, outside: Path) -> None:
    data = workspace / "data"
    data.mkdir()
    for number in range(100_001):
        (data / f"{number:06d}").touch()
    (data / "zzz").mkdir()
    (data / "zzz/keys").symlink_to(outside)
    with pytest.raises(ConfigError, match=r"points outside .* \(data/zzz/keys\)"):
        make_plan(load(sage(workspace, "data")), None)


@pytest.mark.parametrize(
    "name", ["profile", ".profileapp", "./profile", "profile/gpu", ".profileapp/targets", "linked"]
)
def test_refused_a_dataset_in_an_output_folder_of_profileapp(workspace: Path, name: str) -> None:
    """Refused: Jenkins would unstash it into the artifacts, with a junit.xml written by the app."""
    for folder in ("profile/gpu", ".profileapp/targets"):
        (workspace / folder).mkdir(parents=True)
    (workspace / "linked").symlink_to("profile")
    with pytest.raises(ConfigError, match="a folder that profileapp itself uses"):
        make_plan(load(sage(workspace, name)), None)


def test_held_links_that_stay_inside(workspace: Path) -> None:
    data = workspace / "data/real"
    data.mkdir(parents=True)
    (data / "1.jpg").write_bytes(b"\xff\xd8")
    (workspace / "data/alias").symlink_to("real")
    sage(workspace, "data")
    done = plan(workspace, "--build", "data")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] == ["sage.yaml", "data/**"]


def test_refused_a_sage_yaml_without_a_name(workspace: Path) -> None:
    """Refused: the folder's name would replace it, which differs on each agent, and could be that of any app."""
    (workspace / "sage.yaml").write_text("profiling:\n  targets: [{}]\n")
    done = plan(workspace)
    assert (done.returncode, done.stdout) == (3, ""), done
    assert "sage.yaml: has no name" in done.stderr


def test_refused_links_out_of_the_sources_that_the_process_runtime_carries(workspace: Path, outside: Path) -> None:
    (workspace / "data").mkdir()
    sage(workspace, "data")
    arguments = ("--runtime", "process")
    assert json.loads(plan(workspace, *arguments).stdout)["files"] == ["**"]
    (workspace / "src").mkdir()
    (workspace / "src/keys").symlink_to(outside)
    done = plan(workspace, *arguments)
    assert (done.returncode, done.stdout) == (3, ""), done
    assert "contains a link that points outside it (src/keys)" in done.stderr
