"""Unpacking of valid and hostile archives."""

from __future__ import annotations

import io
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profileapp.errors import DatasetError
from profileapp.run.dataset.unpack import unpack
from profileapp.run.dataset.unpacker import unpack_within

LIMIT_BYTES = 10**9


def tar_of(path: Path, *members: tarfile.TarInfo, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def zip_of(path: Path, *names: str, mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, b"/etc/passwd")
    return path


def into(tmp_path: Path, archive: Path, limit_bytes: int = LIMIT_BYTES) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    unpack(archive, folder, limit_bytes)
    return folder


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar(tmp_path: Path, mode: str) -> None:
    archive = tar_of(
        tmp_path / "a", member("./a", tarfile.DIRTYPE), member("a/b/c", size=70_000), member("d"), mode=mode
    )
    folder = into(tmp_path, archive)
    assert (folder / "a/b/c").stat().st_size == 70_000 and (folder / "d").exists()


def test_zip(tmp_path: Path) -> None:
    folder = into(tmp_path, zip_of(tmp_path / "a", "a/", "a/b"))
    assert (folder / "a/b").read_bytes() == b"/etc/passwd"


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/../../out", "..\\out"])
def test_paths_outside_of_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match="points outside"):
        into(tmp_path, zip_of(tmp_path / "a.zip", name))
    (tmp_path / "folder").rmdir()
    with pytest.raises(DatasetError, match="points outside"):
        into(tmp_path, tar_of(tmp_path / "a.tar", member(name)))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(DatasetError, match="is a link or a device"):
        into(tmp_path, tar_of(tmp_path / "a.tar", member("a", kind, "/etc/passwd"), member("a/b")))


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is a link or a device"):
        into(tmp_path, zip_of(tmp_path / "a.zip", "a", mode=stat.S_IFLNK | 0o777))


def test_duplicate_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="twice"):
        into(tmp_path, tar_of(tmp_path / "a.tar", member("a"), member("a")))
    (tmp_path / "folder/a").unlink()
    (tmp_path / "folder").rmdir()
    with pytest.raises(DatasetError, match="twice"):
        into(tmp_path, tar_of(tmp_path / "a.tar", member("a"), member("b")) and zip_of(tmp_path / "z", "a", "a/b"))


def test_bombs_are_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 80_000_000)
    assert bomb.stat().st_size < 100_000
    with pytest.raises(DatasetError, match="far more than"):
        into(tmp_path, bomb)
    assert (tmp_path / "folder/zeros").stat().st_size <= 64 * 1024**2
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(DatasetError, match="far more than"):
        unpack(tar_of(tmp_path / "a.tar", member("a", size=2000)), other, 1000)


@given(st.binary(max_size=2000), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
def test_corrupt_archives_are_refused_in_one_line(tmp_path: Path, noise: bytes, is_tar: bool) -> None:
    whole = tmp_path / "whole"
    content = bytearray((tar_of(whole, member("a", size=300), mode="w") if is_tar else zip_of(whole, "a")).read_bytes())
    content[: len(noise)] = noise
    (tmp_path / "broken").write_bytes(content)
    folder = tmp_path / "f"
    folder.mkdir(exist_ok=True)
    # In this process, so that the test sees an error of ours.
    outcome = unpack_within(tmp_path / "broken", folder, LIMIT_BYTES)
    assert "\n" not in outcome.refused and not outcome.disk_error
    shutil.rmtree(folder)
