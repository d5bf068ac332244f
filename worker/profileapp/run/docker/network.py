"""The network of a run.

Sources: Docker documentation, "Bridge network driver": `--internal`, `com.docker.network.bridge.inhibit_ipv4`, and
`gateway_mode_ipv4` (`isolated` since Engine 28); CVE-2024-29018 (an internal network's DNS queries leave it).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Final

import docker
import psutil
from docker.errors import APIError, NotFound

from profileapp.errors import AgentError
from profileapp.model.run import Network
from profileapp.run.docker.image import GONE, one_line

APP_NAME = "app"
"""The host name of the app on the network."""

_ISOLATED_SINCE_API: Final = (1, 48)
_BRIDGE = "com.docker.network.bridge"
_ISOLATED = {f"{_BRIDGE}.gateway_mode_ipv4": "isolated", f"{_BRIDGE}.gateway_mode_ipv6": "isolated"}
# The bridge gets no address, so that containers cannot reach this machine over it.
_INHIBITED = {f"{_BRIDGE}.inhibit_ipv4": "true"}


def isolation_options(api_version: str) -> dict[str, str]:
    """Options that isolate an internal network from this machine, for a daemon with this API version (`1.41`)."""
    numbers = tuple(int(each) if each.isdigit() else 0 for each in api_version.split("."))
    return _ISOLATED if numbers >= _ISOLATED_SINCE_API else _INHIBITED


def open_network(
    api: docker.APIClient, run_id: str, labels: Mapping[str, str], *, internet: bool
) -> tuple[str, Network]:
    """Creates the network of a run, with `labels`: its id, and what can be reached from it. Raises AgentError."""
    if internet:
        # It reaches the Internet through this machine, which therefore has an address in it.
        return _create(api, run_id, labels, internal=False, options={}), Network(internet=True, agent=True)
    try:
        made = _create(api, run_id, labels, internal=True, options=isolation_options(str(api.api_version)))
    except _Refused:
        # Podman's and other daemons may not have this option.
        made = _create(api, run_id, labels, internal=True, options={})
    return made, Network(internet=False, agent=_has_agent(api, made))


class _Refused(AgentError):
    """The daemon rejects the request."""


def _create(
    api: docker.APIClient, run_id: str, labels: Mapping[str, str], *, internal: bool, options: dict[str, str]
) -> str:
    try:
        created = api.create_network(
            f"profileapp-{run_id}",
            driver="bridge",
            internal=internal,
            options=options or None,
            labels=dict(labels),
        )
    except GONE as error:
        problem = f"the daemon cannot create a network ({one_line(error)})"
        if any(argv in str(error).lower() for argv in ("address pool", "subnet pool", "fully subnetted")):
            raise AgentError(
                f"{problem}: all of its address pools are in use; remove unused networks "
                "(docker network prune), or add pools (default-address-pools in its daemon.json)"
            ) from error
        if isinstance(error, APIError) and options:
            raise _Refused(problem) from error
        raise AgentError(problem) from error
    return str(created["Id"])


def _has_agent(api: docker.APIClient, network: str) -> bool | None:
    try:
        found: Mapping[str, Any] = api.inspect_network(network)
    except GONE:
        return None
    addresses = {
        name: [str(one.address).partition("%")[0] for one in listed] for name, listed in psutil.net_if_addrs().items()
    }
    return has_agent(found, addresses)


def has_agent(found: Mapping[str, Any], addresses: Mapping[str, Sequence[str]]) -> bool | None:
    """Whether this machine has an address on a network, from the daemon's inspection and the `addresses` of this
    machine's interfaces; None if its bridge is not visible from here (a remote or rootless daemon).
    """
    options = found.get("Options") or {}
    bridge = str(options.get(f"{_BRIDGE}.name") or f"br-{str(found.get('Id', ''))[:12]}")
    if bridge not in addresses:
        return None
    return any(_is_routable(each) for each in addresses[bridge])


def _is_routable(address: str) -> bool:
    """Ignores link-local IPv6, which every bridge has although these networks do not enable IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (found.version == 6 and found.is_link_local)


def close_network(api: docker.APIClient, network: str) -> str:
    """Removes it. Returns what went wrong, "" on success."""
    try:
        api.remove_network(network)
    except NotFound:
        pass
    except GONE as error:
        return f"network {network[:12]} could not be removed ({one_line(error)}); the next run will"
    return ""


def network_settings(network: str, name: str) -> dict[str, Any]:
    """Arguments of `create_container` that make the container `name` on the network; empty without a network."""
    if not network:
        return {}
    return {
        "hostname": name,
        "networking_config": {"EndpointsConfig": {network: {"Aliases": [name]}}},
    }


def name_servers(*, internet: bool) -> list[str] | None:
    """DNS servers for names outside the container's network; None: the daemon's default.

    The daemon would forward an internal network's queries to the Internet. Nothing listens on the container's loopback.
    """
    return None if internet else ["127.0.0.1"]
