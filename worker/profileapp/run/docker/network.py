"""The private network of a run, and how what belongs to a run is marked.

Source: Docker documentation, "Bridge network driver", `--internal`: no traffic to or from other networks.
"""

from __future__ import annotations

from typing import Any

import docker
from docker.errors import NotFound

from profileapp.errors import AgentError
from profileapp.run.docker.image import GONE, one_line

RUN_LABEL = "profileapp.run_id"
STATE_LABEL = "profileapp.state"
APP_NAME = "app"
"""The host name of the app on the network."""


def labels_of(run_id: str, state: str) -> dict[str, str]:
    """What a run's containers and networks are marked with, so that a later run finds what a crash left."""
    return {RUN_LABEL: run_id, STATE_LABEL: state}


def open_network(api: docker.APIClient, run_id: str, state: str, *, internet: bool) -> str:
    """Makes the network of a run; its id. Raises AgentError."""
    try:
        created = api.create_network(
            f"profileapp-{run_id}", driver="bridge", internal=not internet, labels=labels_of(run_id, state)
        )
    except GONE as error:
        raise AgentError(f"the daemon cannot make a network ({one_line(error)})") from error
    return str(created["Id"])


def close_network(api: docker.APIClient, network: str) -> str:
    """Removes it; what went wrong, "" where it is gone."""
    try:
        api.remove_network(network)
    except NotFound:
        pass
    except GONE as error:
        return f"network {network[:12]} could not be removed ({one_line(error)}); the next run will"
    return ""


def network_settings(network: str, name: str) -> dict[str, Any]:
    """What `create_container` is given so that the container is `name` on the network; nothing where there is none."""
    if not network:
        return {}
    return {
        "hostname": name,
        "networking_config": {"EndpointsConfig": {network: {"Aliases": [name]}}},
    }
