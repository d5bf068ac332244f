"""Frames of an MP4 file, and streams made from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profileapp.playback.mp4 import Mp4Error, fragment, read_video
from tests.helpers.tiny_mp4 import tiny_mp4

FRAMES = [b"first", b"2nd", b"the third", b"4", b"five!"]


@pytest.mark.parametrize("per_chunk", [1, 2, 5])
@pytest.mark.parametrize("moov_first", [True, False])
def test_every_frame_is_found(tmp_path: Path, per_chunk: int, moov_first: bool) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(
        tiny_mp4(FRAMES, per_chunk=per_chunk, moov_first=moov_first, syncs=[1, 4], shifts=[2, 0, -1, 1, 0])
    )
    video = read_video(path)
    content = path.read_bytes()
    assert [content[each.offset : each.offset + each.size] for each in video.frames] == FRAMES
    assert [each.time for each in video.frames] == [0, 1, 2, 3, 4] and video.duration == 5
    assert [each.is_sync for each in video.frames] == [True, False, False, True, False]
    assert [each.shift for each in video.frames] == [2, 0, -1, 1, 0]
    assert video.duration_s == 0.2


def test_without_a_sync_table_every_frame_is_a_key_frame(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(tiny_mp4(FRAMES))
    assert all(each.is_sync for each in read_video(tmp_path / "a.mp4").frames)


def test_a_fragment_locates_its_frame(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(tiny_mp4(FRAMES))
    video = read_video(tmp_path / "a.mp4")
    part = fragment(video, video.frames[2], FRAMES[2], 7, 1000)
    moof_bytes = int.from_bytes(part[:4], "big")
    at = part.index(b"trun") + 12
    assert int.from_bytes(part[at : at + 4], "big") == moof_bytes + 8
    assert part[moof_bytes + 8 :] == FRAMES[2] and part[moof_bytes + 4 : moof_bytes + 8] == b"mdat"
    assert (1000).to_bytes(8, "big") in part[part.index(b"tfdt") :]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "its moov box is missing"),
        (b"not an mp4 at all, but long enough to be looked at", "its moov box is missing"),
        (tiny_mp4(FRAMES, handler=b"soun"), "contains no video"),
        (tiny_mp4([]), "contains no frames"),
        (tiny_mp4(FRAMES)[:-3], "is truncated"),
        (tiny_mp4(FRAMES).replace(b"stsz", b"stsx"), "no sizes of its frames"),
        (tiny_mp4(FRAMES).replace(b"stco", b"stcx"), "no offsets of its frames"),
        (tiny_mp4(FRAMES, scale=0), "contains no frames, or no times of its frames"),
    ],
)
def test_an_unplayable_file_is_refused_with_a_reason(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(Mp4Error, match=message):
        read_video(tmp_path / "a.mp4")


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
def test_corrupt_files_are_refused_without_reading_past_their_end(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(tiny_mp4(FRAMES, syncs=[1], shifts=[0] * 5))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    try:
        video = read_video(path)
    except Mp4Error:
        return
    assert all(each.offset >= 0 and each.offset + each.size <= len(content) for each in video.frames)
    for index, frame in enumerate(video.frames[:5]):
        try:
            fragment(video, frame, b"", index, 0)
        except Exception as error:
            pytest.fail(repr(error))
