"""Empties a folder with files of a container's root, which this user may not remove, in a container of the worker.

It contains only this machine's Python, read-only, and the folder; it has no network.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import docker
from docker.types import Mount as DockerMount

from profileapp.errors import AgentError
from profileapp.model.text import printable
from profileapp.run.docker.image import GONE, one_line
from profileapp.run.docker.playback import PACKAGE_FOLDER, python_mounts
from profileapp.run.docker.run_images import import_empty
from profileapp.run.net.deadline import POLL_S, Deadline, TooLate

_SEEN = "/folder"
_MEMORY_BYTES = 512 * 1024**2


def empty_as_root(api: docker.APIClient, labels: Mapping[str, str], folder: Path, deadline: Deadline) -> None:
    """Removes a folder's content, with root's capabilities for files and no others.

    Raises AgentError, and what `deadline` raises: what has been removed until then is gone, the rest is still there.
    """
    image = container = ""
    try:
        image = import_empty(api, labels)
        container = _create(api, image, labels, folder)
        api.start(container)
        while (state := api.inspect_container(container)["State"])["Running"]:
            deadline.pause(POLL_S)
        status = state["ExitCode"]
        if status:
            last_line = printable(api.logs(container, tail=1).decode(errors="replace").strip(), 300)
            raise AgentError(last_line or f"the container that was to remove it exited with code {status}")
    except TooLate:
        raise
    except GONE as error:
        raise AgentError(f"the container that was to remove it failed ({one_line(error)})") from error
    finally:
        with suppress(*GONE):
            if container:
                api.remove_container(container, force=True, v=True)
        with suppress(*GONE):
            if image:
                api.remove_image(image, noprune=True)


def _create(api: docker.APIClient, image: str, labels: Mapping[str, str], folder: Path) -> str:
    python = os.path.realpath(sys.executable)
    mounts = [DockerMount(each.container_path, each.host_path, type="bind", read_only=True) for each in python_mounts()]
    created = api.create_container(
        image,
        # Isolated: no site packages, no user modules.
        entrypoint=[python, "-B", "-s", "-S", "-m", "profileapp.record.tree"],
        command=[_SEEN],
        user="0:0",
        environment={"PYTHONPATH": PACKAGE_FOLDER},
        labels=dict(labels),
        network_disabled=True,
        host_config=api.create_host_config(
            mounts=[*mounts, DockerMount(_SEEN, str(folder), type="bind")],
            network_mode="none",
            cap_drop=["ALL"],
            # To read, change and remove any user's files.
            cap_add=["DAC_OVERRIDE", "FOWNER"],
            security_opt=["no-new-privileges"],
            read_only=True,
            pids_limit=16,
            mem_limit=_MEMORY_BYTES,
            memswap_limit=_MEMORY_BYTES,
        ),
    )
    return str(created["Id"])
