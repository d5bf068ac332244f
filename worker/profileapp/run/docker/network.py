"""The network of a run.

Sources: Docker documentation, "Bridge network driver": `--internal`, `com.docker.network.bridge.inhibit_ipv4`, and
`gateway_mode_ipv4` (`isolated` since Engine 28); CVE-2024-29018 (an internal network's names are asked of outside).
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
# The bridge gets no address: what is in the network finds nobody of this machine there.
_INHIBITED = {f"{_BRIDGE}.inhibit_ipv4": "true"}


def isolation_options(api_version: str) -> dict[str, str]:
    """What keeps an internal network from this machine, of a daemon whose API has this version (`1.41`)."""
    numbers = tuple(int(each) if each.isdigit() else 0 for each in api_version.split("."))
    return _ISOLATED if numbers >= _ISOLATED_SINCE_API else _INHIBITED


def open_network(
    api: docker.APIClient, run_id: str, labels: Mapping[str, str], *, internet: bool
) -> tuple[str, Network]:
    """Makes the network of a run, marked with `labels`; its id, and what can be reached from it. Raises AgentError."""
    if internet:
        # Its way out leads over this machine, which therefore has an address there.
        return _create(api, run_id, labels, internal=False, options={}), Network(internet=True, agent=True)
    try:
        made = _create(api, run_id, labels, internal=True, options=isolation_options(str(api.api_version)))
    except _Refused:
        # Podman's, and daemons of others, may know no such option.
        made = _create(api, run_id, labels, internal=True, options={})
    return made, Network(internet=False, agent=_has_agent(api, made))


class _Refused(AgentError):
    """The daemon takes no such request."""


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
        problem = f"the daemon cannot make a network ({one_line(error)})"
        if any(argv in str(error).lower() for argv in ("address pool", "subnet pool", "fully subnetted")):
            raise AgentError(
                f"{problem}: all of its address pools are taken; remove networks that nobody uses "
                "(docker network prune), or give it more (default-address-pools in its daemon.json)"
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
    """Whether this machine has an address on a network, by what the daemon tells of it and the `addresses` of this
    machine's interfaces; None where its bridge is not seen from here (a daemon elsewhere, or a rootless one).
    """
    options = found.get("Options") or {}
    bridge = str(options.get(f"{_BRIDGE}.name") or f"br-{str(found.get('Id', ''))[:12]}")
    if bridge not in addresses:
        return None
    return any(_is_routable(each) for each in addresses[bridge])


def _is_routable(address: str) -> bool:
    """Of IPv6, which a network of ours has not switched on, every bridge has an address of its own link."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (found.version == 6 and found.is_link_local)


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


def name_servers(*, internet: bool) -> list[str] | None:
    """What a container asks of names that are not in its network; None: whom the daemon asks.

    The daemon would put an internal network's questions to the world. Nobody listens on the container's own address.
    """
    return None if internet else ["127.0.0.1"]
