"""Contents of a dataset, and the frame shown at a given time."""

from __future__ import annotations

from pathlib import Path

import pytest

from profileapp.playback.player import Clock, FileCache, Player
from profileapp.playback.recordings import RecordingsError, find_recordings
from tests.helpers.tiny_mp4 import tiny_mp4


def images(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(name.encode())
    return folder


def player(path: Path, rate: float = 1.0) -> Player:
    return Player(find_recordings("left", path, rate), Clock(), FileCache(100))


def test_images_follow_the_clock_in_numeric_order(tmp_path: Path) -> None:
    one = player(images(tmp_path / "a", "10.jpg", "2.jpg", "1.JPG", "notes.txt"), rate=10)
    assert [path.name for path in one.recordings.files] == ["1.JPG", "2.jpg", "10.jpg"]
    assert [one.position_at(at_s) for at_s in (0, 0.05, 0.1, 0.3, 0.7)] == [0, 0, 1, 3, 7]
    assert one.file(7) == b"2.jpg" and one.recordings.address == "/left/live.mjpg"


def test_any_name_can_be_sorted(tmp_path: Path) -> None:
    one = player(images(tmp_path / "a", "\u00b2.jpg", "2.jpg", "\u0663.jpg", "x.jpg"))
    assert sorted(path.name for path in one.recordings.files) == sorted(["².jpg", "2.jpg", "٣.jpg", "x.jpg"])


def test_a_large_video_is_recognised_by_any_case_of_its_suffix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("profileapp.playback.recordings.FILE_LIMIT_BYTES", 100)
    (tmp_path / "V.MP4").write_bytes(tiny_mp4([b"x" * 200]))
    assert player(tmp_path).recordings.address == "/left/live.mp4"


def test_a_video_follows_its_timestamps_and_loops(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(tiny_mp4([b"a", b"b", b"c", b"d", b"e"], scale=10, syncs=[1, 4]))
    one = player(tmp_path / "v.mp4")
    assert [one.position_at(at_s) for at_s in (0, 0.1, 0.45, 0.5, 1.25)] == [0, 1, 4, 5, 12]
    assert [one.frame(number) for number in (0, 4, 5, 12)] == [b"a", b"e", b"a", b"c"]
    assert [one.sync_before(number) for number in (2, 4, 7, 9)] == [0, 3, 5, 8]
    assert one.recordings.address == "/left/live.mp4"


def test_the_clock_starts_with_the_app(tmp_path: Path) -> None:
    clock = Clock()
    assert clock.now_s() == 0
    clock.begin()
    began = clock.now_s()
    clock.begin()
    assert clock.now_s() > began


def test_files_larger_than_memory_are_read_each_time(tmp_path: Path) -> None:
    folder = images(tmp_path / "a", "1.jpg", "2.jpg")
    cache = FileCache(limit_bytes=6)
    assert [cache.read(folder / "1.jpg"), cache.read(folder / "2.jpg")] == [b"1.jpg", b"2.jpg"]
    for name in ("1.jpg", "2.jpg"):
        (folder / name).write_bytes(b"new")
    assert [cache.read(folder / "1.jpg"), cache.read(folder / "2.jpg")] == [b"1.jpg", b"new"]


def test_contents_of_a_dataset(tmp_path: Path) -> None:
    assert player(images(tmp_path / "waggle/images", "1.jpg").parent).count == 1
    assert player(images(tmp_path / "png", "1.png")).recordings.address == "/left/image.png"
    sound = player(images(tmp_path / "sound", "1.wav", "2.wav")).recordings
    assert sound.is_sound and sound.address == "/left/audio.wav"
    (images(tmp_path / "empty") / "link.jpg").symlink_to("/etc/passwd")
    (tmp_path / "empty/nothing.jpg").touch()
    for path, message in ((tmp_path / "empty", "contains no video"), (tmp_path / "nowhere", "contains no video")):
        with pytest.raises(RecordingsError, match=message):
            player(path)
    (tmp_path / "bad.mp4").write_bytes(b"bad")
    with pytest.raises(RecordingsError, match=r"left: bad\.mp4 is not a complete MP4"):
        player(tmp_path / "bad.mp4")
