"""Which containers and processes are watched."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase

import msgspec

from profileapp.errors import ConfigError
from profileapp.live.change import Container
from profileapp.model.text import printable

_ID_LETTERS = 4
"""Minimum length of a prefix of a container's id."""
_HEX = frozenset("0123456789abcdef")
# Labels that the kubelet sets on containers of a pod if Docker is the runtime.
_POD, _NAMESPACE, _KIND = "io.kubernetes.pod.name", "io.kubernetes.pod.namespace", "io.kubernetes.docker.type"
POD_CONTAINER = "io.kubernetes.container.name"
_SANDBOX = "podsandbox"


class Selection(msgspec.Struct, frozen=True):
    """What the user selected. `names` are names, ids or patterns (`cam-*`); `labels` are `KEY=VALUE` or `KEY`;
    `pods` are `NAMESPACE/NAME`; `all`: every container.
    """

    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    pids: tuple[int, ...] = ()
    all: bool = False

    @property
    def has_containers(self) -> bool:
        """Whether any container can match."""
        return bool(self.names or self.labels or self.pods or self.all)

    def matches(self, container: Container) -> bool:
        """Whether to watch a container. A pod's sandbox never matches, as no app runs in it."""
        if container.labels.get(_KIND) == _SANDBOX:
            return False
        return (
            self.all
            or any(_is_named(container, name) for name in self.names)
            or any(_has_label(container, label) for label in self.labels)
            or pod_of(container) in self.pods
        )

    def check(self, known: Iterable[Container]) -> None:
        """Raises ConfigError for a name that no container has. A pattern may match a later container."""
        known = tuple(known)
        problems = [
            _unknown(name, known)
            for name in self.names
            if not is_pattern(name) and not any(_is_named(each, name) for each in known)
        ]
        if problems:
            raise ConfigError("\n".join(problems))


def make_selection(
    names: Iterable[str], labels: Iterable[str], pods: Iterable[str], pids: Iterable[int], *, every: bool
) -> Selection:
    """The selection that the options describe. Raises ConfigError if it is empty, or for a pod without a namespace."""
    selection = Selection(tuple(names), tuple(labels), tuple(pods), tuple(dict.fromkeys(pids)), every)
    for pod in selection.pods:
        namespace, slash, name = pod.partition("/")
        if not (namespace and slash and name) or "/" in name:
            raise ConfigError(f"--pod '{printable(pod)}': must be NAMESPACE/NAME")
    for label in selection.labels:
        if not label.partition("=")[0]:
            raise ConfigError(f"--label '{printable(label)}': must be KEY=VALUE or KEY")
    if not selection.has_containers and not selection.pids:
        raise ConfigError("nothing to watch: name a container or a pattern, or use --label, --pod, --pid or --all")
    return selection


def is_pattern(name: str) -> bool:
    """Whether a name may match several containers."""
    return any(letter in name for letter in "*?[")


def pod_of(container: Container) -> str:
    """`NAMESPACE/NAME` of the container's Kubernetes pod; "" if it has none."""
    namespace, name = container.labels.get(_NAMESPACE, ""), container.labels.get(_POD, "")
    return f"{namespace}/{name}" if namespace and name else ""


def title_of(container: Container) -> str:
    """The container's title: its name, or `POD.CONTAINER` in a pod, as the kubelet's own names are long."""
    pod, inside = container.labels.get(_POD, ""), container.labels.get(POD_CONTAINER, "")
    return f"{pod}.{inside}" if pod and inside else container.name


def _is_named(container: Container, name: str) -> bool:
    if is_pattern(name):
        return fnmatchcase(container.name, name) or fnmatchcase(title_of(container), name)
    is_id = len(name) >= _ID_LETTERS and set(name) <= _HEX and container.id.startswith(name)
    return name in (container.name, title_of(container)) or is_id


def _has_label(container: Container, label: str) -> bool:
    key, equals, value = label.partition("=")
    return key in container.labels and (not equals or container.labels[key] == value)


def _unknown(name: str, known: tuple[Container, ...]) -> str:
    titles = [title_of(each) for each in known]
    near = get_close_matches(name, titles, n=1)
    hint = f"did you mean {printable(near[0])}?" if near else "`docker ps` lists those that run."
    return f"no container is called '{printable(name)}'; {hint} A pattern such as '{printable(name)}*' waits for one"
