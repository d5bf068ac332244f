"""Which hosts an app's words may make the worker connect to: public ones, and those that the administrator names.

The worker stands inside: at the agent's own services, the site's network, a cloud's metadata service. So a name is
looked up once, every address is checked, and what is connected to is that address: a name that says something else the
second time (DNS rebinding) is not asked a second time.

Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries; RFC 6052 (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Mapping

import psutil

from profileapp.errors import AgentError
from profileapp.model.text import printable
from profileapp.run.net.deadline import Deadline, call

ALLOW_VARIABLE = "PROFILEAPP_DATASET_ALLOW"
ONLY_VARIABLE = "PROFILEAPP_DATASET_ONLY"
RESOLVE_TIMEOUT_S = 20.0

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)*")
_BUCKET = re.compile(r"(s3|gs)://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in (
        # Not "global" in each Python that we run on, or global to the registries and a way inside all the same.
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "168.63.129.16/32",  # the metadata service of Azure
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "fec0::/10",
    )
)


class NotAllowed(Exception):
    """Neither public nor named by the administrator; the text says what, to go on after the name of the host."""


class Reach:
    """What may be reached.

    `allow`: host names (`data.example.org`, `*.example.org`), addresses and networks (`10.1.0.0/16`), and buckets
    (`s3://bucket`), which may be reached wherever they are, with the agent's own credentials. `only`: nothing else may.

    Raises AgentError where an entry is none of these.
    """

    def __init__(self, allow: tuple[str, ...] = (), *, only: bool = False) -> None:
        self.only = only
        self._hosts: set[str] = set()
        self._networks: list[Network] = []
        self._buckets: set[str] = set()
        for entry in allow:
            self._add(entry)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Reach:
        """As the agent's administrator has set it. Raises AgentError."""
        allow = tuple(filter(None, re.split(r"[\s,]+", environ.get(ALLOW_VARIABLE, ""))))
        return cls(allow, only=environ.get(ONLY_VARIABLE, "") not in ("", "0"))

    def _add(self, entry: str) -> None:
        lower = entry.lower()
        if _BUCKET.fullmatch(lower):
            self._buckets.add(lower)
            return
        try:
            self._networks.append(ipaddress.ip_network(lower, strict=False))
        except ValueError as error:
            if not _HOST.fullmatch(lower):
                raise AgentError(
                    f"{ALLOW_VARIABLE}: {printable(entry, 60)!r} is no host, network or bucket; such as "
                    "data.example.org, *.example.org, 10.1.0.0/16 or s3://bucket"
                ) from error
            self._hosts.add(lower)

    def names(self, host: str) -> bool:
        """Whether the administrator names this host: it may be inside, and is given the agent's credentials for it."""
        lower = host.lower().rstrip(".")
        if lower in self._hosts or any(f"*.{rest}" in self._hosts for rest in _parents(lower)):
            return True
        address = _literal(lower)
        return address is not None and self._in_networks(address)

    def takes_bucket(self, scheme: str, bucket: str) -> bool:
        """Whether a bucket may be read with the agent's credentials. Raises NotAllowed where not even without."""
        named = f"{scheme}://{bucket.lower()}" in self._buckets
        if self.only and not named:
            raise NotAllowed(f"is not in {ALLOW_VARIABLE} of this agent, and {ONLY_VARIABLE} is set")
        return named

    def addresses(self, host: str, port: int, deadline: Deadline) -> list[Address]:
        """The addresses of a host that may be connected to: all of them, or none.

        Raises NotAllowed, OSError where there is no such host, and what `deadline` does.
        """
        literal = _literal(host)
        found = [literal] if literal else _resolve(host, port, deadline.within(RESOLVE_TIMEOUT_S))
        named = self.names(host)
        own = _own_addresses()
        for address in found:
            if named or self._in_networks(address):
                continue
            if self.only:
                raise NotAllowed(f"is not in {ALLOW_VARIABLE} of this agent, and {ONLY_VARIABLE} is set")
            if not is_public(address) or address in own:
                raise NotAllowed(
                    f"is at no public address; who runs this agent may allow it, by {ALLOW_VARIABLE} there"
                )
        return found

    def _in_networks(self, address: Address) -> bool:
        plain = _plain(address)
        return any(one.version == plain.version and plain in one for one in self._networks)


def is_public(address: Address) -> bool:
    """Whether an address is one of the public Internet's, by itself and by the IPv4 address that it may carry."""
    if isinstance(address, ipaddress.IPv6Address):
        carried = address.ipv4_mapped or address.sixtofour
        if carried is None and address in _NAT64:
            carried = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if carried is not None:
            return is_public(carried)
        if address.teredo or address.scope_id:
            return False
    if any(one.version == address.version and address in one for one in _NOT_PUBLIC):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _plain(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _parents(host: str) -> list[str]:
    parts = host.split(".")
    return [".".join(parts[index:]) for index in range(1, len(parts))]


def _resolve(host: str, port: int, deadline: Deadline) -> list[Address]:
    ask: Callable[[], list[tuple[object, ...]]] = lambda: list(  # noqa: E731
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )
    answers = call(ask, deadline)
    texts = [str(answer[4][0]) for answer in answers]  # type: ignore[index]
    return [ipaddress.ip_address(text) for text in dict.fromkeys(texts)]


def _own_addresses() -> set[Address]:
    """Those of this machine: one of them may be public."""
    texts = [one.address for each in psutil.net_if_addrs().values() for one in each]
    return {address for text in texts if (address := _literal(text.partition("%")[0]))}
