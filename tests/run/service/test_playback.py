"""Playback beside an app in a container and in a process, with the real pywaggle and OpenCV."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.helpers.leftovers import left_of
from tests.helpers.tiny_mp4 import tiny_mp4
from tests.helpers.worker_process import Outcome, configure, run, start, wait_until

# An ordinary Waggle plugin, with no code for the playback.
PLUGIN = """
import sys; sys.path.insert(0, '/dataset')
import json, time
from waggle.data.vision import Camera
said = {}
for name in ('left', 'right'):
    with Camera(name) as camera:
        began = time.monotonic()
        greys = [float(sample.data.mean()) for _, sample in zip(range(30 if name == 'left' else 6), camera.stream())]
        said[name] = {'greys': greys, 'took_s': time.monotonic() - began}
    said[name]['snapshot'] = float(Camera(name).snapshot().data.mean())
print(json.dumps(said))
"""


@pytest.mark.docker
@pytest.mark.slow
def test_pywaggle_camera_opens_the_playback_by_name(pywaggle: Path, python_image: str) -> None:
    configure(
        pywaggle,
        [{"name": "a", "args": ["python3", "-c", PLUGIN], "dataset": "site"}],
        services=[{"playback": {"left": "v.mp4", "right": {"path": "cam", "rate": 5}}}],
        metrics=["container"],
    )
    outcome = run(pywaggle, "--image", python_image)
    assert outcome.code == 0, outcome.err + outcome.log("a").decode()
    output = json.loads(outcome.log("a").decode().splitlines()[-1])
    left, right = output["left"]["greys"], output["right"]["greys"]
    # The grey value grows by 5 in each frame, except where the video restarts.
    steps = [later - earlier for earlier, later in pairwise(left)]
    assert sum(2 < step < 8 for step in steps) >= len(steps) - 2, left
    steps = [round((later - earlier) / 20) % 10 for earlier, later in pairwise(right)]
    assert all(step in (1, 2) for step in steps), right
    # Past frames arrive at once, the rest at 5 a second.
    assert output["right"]["took_s"] > 0.3
    totals = totals_of(outcome)
    assert totals["playback.offered", "left"] >= 30 and totals["playback.served", "left"] >= 30
    assert totals["playback.offered", "right"] >= 6 and totals["playback.sent", "right"] > 1000
    assert "service.cpu.util" in {one["name"] for one in outcome.run("a")["summary"]}


CAMERA_APP = """
import sys; sys.path.insert(0, '/dataset')
import os, cv2
said = []
for name in ('left', 'right'):
    camera = cv2.VideoCapture(os.environ['PROFILEAPP_PLAYBACK_RTSP'] + '/' + name)
    greys = []
    while len(greys) < 8:
        is_there, picture = camera.read()
        assert is_there, name
        greys.append(float(picture.mean()))
    said.append(greys)
print(said)
"""


@pytest.mark.docker
@pytest.mark.slow
def test_an_app_watches_a_network_camera(pywaggle: Path, python_image: str) -> None:
    configure(
        pywaggle,
        [{"name": "a", "args": ["python3", "-c", CAMERA_APP], "dataset": "site"}],
        services=[{"playback": {"left": "v.mp4", "right": {"path": "cam", "rate": 5}}}],
        metrics=["container"],
    )
    outcome = run(pywaggle, "--image", python_image)
    assert outcome.code == 0, outcome.err + outcome.log("a").decode()
    left, right = json.loads(outcome.log("a").decode().splitlines()[-1])
    assert sum(2 < later - earlier < 8 for earlier, later in pairwise(left)) >= len(left) - 2, left
    assert sum(abs(later - earlier - 20) < 3 for earlier, later in pairwise(right)) >= len(right) - 2, right
    totals = totals_of(outcome)
    assert totals["playback.served", "left"] >= 8 and totals["playback.served", "right"] >= 8


def totals_of(outcome: Outcome) -> dict[tuple[str, str], float]:
    """The last value of each counter of the playback."""
    lines = [each for each in outcome.samples("a") if each["name"].startswith("playback.")]
    return {(each["name"], each["meta"]["stream"]): each["value"] for each in lines}


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    (tmp_path / "cam").mkdir()
    for number in range(40):
        (tmp_path / f"cam/{number}.jpg").write_bytes(b"image %d\n" % number)
    (tmp_path / "v.mp4").write_bytes(tiny_mp4([b"frame %d" % number for number in range(50)]))
    return tmp_path


PLAYED: list[dict[str, Any]] = [{"playback": {"left": "v.mp4", "right": {"path": "cam", "rate": 10}}}]
CONFIG = [
    {"match": {"id": "left"}, "handler": {"type": "video", "args": {"url": "http://HOST:8090/left/live.mp4"}}},
    {"match": {"id": "right"}, "handler": {"type": "video", "args": {"url": "http://HOST:8090/right/live.mjpg"}}},
]


@pytest.mark.docker
def test_the_same_images_at_the_same_time_of_each_repeat(recordings: Path, busybox_image: str) -> None:
    look = "wget -q -O - http://playback:8090/right/image.jpg"
    script = f"cat /run/waggle/data-config.json > /tmp/config; tr -d ' \\n' < /tmp/config; {look}; sleep 2; {look}"
    configure(
        recordings, [{"name": "a", "args": ["sh", "-c", script], "repeat": 2}], services=PLAYED, metrics=["container"]
    )
    outcome = run(recordings, "--image", busybox_image)
    assert outcome.code == 0, outcome.err
    log = outcome.log("a").decode()
    config = json.dumps(CONFIG).replace(" ", "").replace("HOST", "playback")
    assert log.count(config) == 2
    first, second = ([int(word.split()[0]) for word in part.split("image ")[1:]] for part in log.split(config)[1:])
    # The clock starts when the daemon reports that the app runs, shortly after it does.
    assert first[0] <= 15 and 12 <= first[1] - first[0] <= 30, first
    assert abs(first[1] - second[1]) <= 8
    played = (recordings / "profile/a/services/playback.log").read_text()
    assert "left: 50 frames or files at /left/live.mp4" in played


def test_a_process_finds_its_cameras(recordings: Path) -> None:
    code = (
        "import json, os, urllib.request\n"
        "print(json.dumps(json.load(open(os.environ['WAGGLE_DATA_CONFIG_PATH']))))\n"
        "print(urllib.request.urlopen(os.environ['PROFILEAPP_PLAYBACK'] + '/right/image.jpg').read().decode())\n"
        "import time; time.sleep(1.5)"
    )
    configure(recordings, [{"name": "a", "args": ["-c", code]}], services=PLAYED, metrics=["container"])
    outcome = run(recordings, "--runtime", "process", "--command", sys.executable)
    assert outcome.code == 0, outcome.err
    config, image = outcome.log("a").decode().splitlines()[:2]
    assert json.loads(config) == json.loads(json.dumps(CONFIG).replace("HOST", "127.0.0.1")) and "image " in image
    assert totals_of(outcome)["playback.offered", "right"] >= 8
    assert totals_of(outcome)["playback.served", "right"] == 1
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(recordings) not in listed


@pytest.mark.docker
def test_a_custom_playback_image(recordings: Path, busybox_image: str) -> None:
    script = "ls /data/right/images | wc -l; ls /data/left; exec httpd -f -p 8090 -h /data"
    own = {**PLAYED[0], "image": busybox_image, "args": ["sh", "-c", script], "ready": {"tcp": 8090}}
    look = "grep -o 'http.*jpg' /run/waggle/data-config.json; wget -q -O - http://playback:8090/right/images/7.jpg"
    configure(recordings, [{"name": "a", "args": ["sh", "-c", look]}], services=[own], metrics=["container"])
    outcome = run(recordings, "--image", busybox_image)
    assert outcome.code == 0, outcome.err
    assert outcome.log("a") == b"http://playback:8090/right/image.jpg\nimage 7\n"
    assert (recordings / "profile/a/services/playback.log").read_text() == "40\nlive.mp4\n"


def test_an_empty_dataset_is_reported_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "cam").mkdir()
    (tmp_path / "cam/notes.txt").touch()
    configure(tmp_path, [{"name": "a"}], services=[{"playback": {"left": "cam"}}])
    outcome = run(tmp_path, "--runtime", "process", "--command", "true")
    assert outcome.code == 3 and "a: playback: left: cam contains no video" in outcome.err
    assert not (tmp_path / "profile/a").exists()


@pytest.mark.docker
def test_nothing_is_left_of_runs_killed_at_any_moment(
    recordings: Path, docker_client: docker.DockerClient, busybox_image: str, state: Path
) -> None:
    script = "while :; do sleep 0.1; done"
    configure(recordings, [{"name": "a", "args": ["sh", "-c", script]}], services=PLAYED, metrics=["container"])
    # Network, playback and app are created one after the other; the next run sweeps first.
    for count in (1, 2, 3):
        worker = start(recordings, "--image", busybox_image)
        earlier = left_of(docker_client, state)
        wait_until(lambda: len(left_of(docker_client, state) - earlier) >= count)  # noqa: B023
        worker.kill()
        worker.wait()
    assert left_of(docker_client, state)
    configure(recordings, [{"name": "b", "args": ["true"]}])
    assert run(recordings, "--image", busybox_image).code == 0
    assert left_of(docker_client, state) == set()


@pytest.fixture(autouse=True)
def nothing_of_the_state_is_left(state: Path) -> Iterator[None]:
    yield
    assert [path.name for path in state.iterdir() if path.suffix != ".lock"] == []
