"""What a run has made, and may have left, on the Docker daemon."""

from __future__ import annotations

from pathlib import Path

import docker


def left_of(docker_client: docker.DockerClient, state: Path) -> set[str]:
    """Containers and networks of a state folder. The lists alone: others' come and go meanwhile."""
    api = docker_client.api
    listed = [*api.containers(all=True), *api.networks(filters={"label": "profileapp.state"})]
    return {each["Id"] for each in listed if str(state) in str(each["Labels"])}
