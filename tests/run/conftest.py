"""Fixtures for tests of complete runs: a separate state folder, and pywaggle for an image's Python."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

# pywaggle's `vision` extra requires an OpenCV with display libraries; the headless one replaces it.
PYWAGGLE = ("pywaggle", "pywagglemsg", "pika", "ffmpeg-python", "future", "numpy", "opencv-python-headless")

MAKE_RECORDINGS = """
import sys; sys.path.insert(0, '/site')
import cv2, numpy
def grey(value): return numpy.full((120, 160, 3), value, numpy.uint8)
video = cv2.VideoWriter('/out/v.mp4', cv2.VideoWriter_fourcc(*'mp4v'), 25, (160, 120))
for number in range(50): video.write(grey(number * 5))
video.release()
for number in range(10): cv2.imwrite(f'/out/cam/{number}.jpg', grey(number * 20))
"""


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A path short enough for a socket, and a lock that no other run waits for."""
    with tempfile.TemporaryDirectory(prefix="pa-") as folder:
        monkeypatch.setenv("PROFILEAPP_STATE", folder)
        yield Path(folder)


@pytest.fixture(scope="session")
def pywaggle(docker_client: docker.DockerClient, python_image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with pywaggle for the image's Python (`site`), a video (`v.mp4`) and images (`cam`)."""
    folder = tmp_path_factory.mktemp("pywaggle")
    (folder / "cam").mkdir()
    look = ["python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    version = docker_client.containers.run(python_image, look, remove=True).decode().strip()
    pip = [sys.executable, "-m", "pip", "install", "-q", "--target", folder / "site", "--no-deps"]
    try:
        subprocess.run([*pip, "--only-binary=:all:", "--python-version", version, *PYWAGGLE], check=True)
    except subprocess.CalledProcessError:
        if os.environ.get("PROFILEAPP_REQUIRE_DOCKER") == "1":
            raise
        pytest.skip("pywaggle and OpenCV cannot be had from PyPI")
    volumes = [f"{folder / 'site'}:/site:ro", f"{folder}:/out"]
    docker_client.containers.run(python_image, ["python3", "-c", MAKE_RECORDINGS], volumes=volumes, remove=True)
    return folder
