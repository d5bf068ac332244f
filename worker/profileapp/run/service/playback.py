"""Turns recordings into an app's cameras: configures the playback service, and the app to use it.

Sources: Waggle, wes-playback-server (README: /data/NAME/{live.mp4,images/}, port 8090); pywaggle, `waggle.data.vision`
(data-config.json).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from profileapp.collect.api import Mount
from profileapp.errors import DatasetError
from profileapp.model.target import Ready, Service, Target
from profileapp.playback.recordings import Recordings, RecordingsError, find_recordings
from profileapp.run.dataset.ready import Paths

PORT = 8090
RTSP_PORT = 8554
DATA_FOLDER = "/data"
CONTAINER_DATA_CONFIG = "/run/waggle/data-config.json"
DATA_CONFIG_VARIABLE = "WAGGLE_DATA_CONFIG_PATH"
PLAYBACK_VARIABLE = "PROFILEAPP_PLAYBACK"
RTSP_VARIABLE = "PROFILEAPP_PLAYBACK_RTSP"
READY = Ready(http=f"{PORT}/ready")


def recordings_of(service: Service, datasets: Paths) -> tuple[Recordings, ...]:
    """The recordings that a playback plays. Raises DatasetError if there are none."""
    try:
        return tuple(find_recordings(each.name, datasets[each.dataset], each.rate) for each in service.streams)
    except RecordingsError as error:
        raise DatasetError(f"{service.name}: {error}") from error


def check_recordings(target: Target, datasets: Paths) -> None:
    """Raises DatasetError if a playback of the target has nothing to play."""
    for service in target.services:
        recordings_of(service, datasets)


def playback_mounts(recordings: Sequence[Recordings]) -> tuple[Mount, ...]:
    """Mounts each recording where a Waggle playback server expects it."""
    mounts = []
    for one in recordings:
        if one.video:
            mounts.append(Mount(str(one.video.path), f"{DATA_FOLDER}/{one.name}/live.mp4"))
        elif len(one.files) == 1:
            mounts.append(Mount(str(one.files[0]), f"{DATA_FOLDER}/{one.name}/images/{one.files[0].name}"))
        else:
            mounts.append(Mount(str(one.files[0].parent), f"{DATA_FOLDER}/{one.name}/images"))
    return tuple(mounts)


def streams_text(service: Service, *, paths: dict[str, str] | None = None) -> str:
    """The argv of `python -m profileapp.playback` for the streams; `paths` by name, default: DATA_FOLDER/NAME."""
    where = paths or {}
    return json.dumps(
        [
            {"name": each.name, "path": where.get(each.name, f"{DATA_FOLDER}/{each.name}"), "rate": each.rate}
            for each in service.streams
        ]
    )


def write_data_config(path: Path, url: str, service: Service, recordings: Sequence[Recordings]) -> None:
    """Writes the file in which pywaggle finds a camera by its name. Raises OSError.

    A custom playback image serves only Waggle's URLs: no image stream.
    """
    sections = [
        {
            "match": {"id": one.name},
            "handler": {
                "type": "microphone" if one.is_sound else "video",
                "args": {"url": url + _address(one, service)},
            },
        }
        for one in recordings
    ]
    path.write_text(json.dumps(sections, indent=1) + "\n", encoding="utf-8")
    path.chmod(0o644)


def _address(one: Recordings, service: Service) -> str:
    return one.address.replace("/live.mjpg", "/image.jpg") if service.image else one.address
