"""Which containers match, and errors of a selection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.errors import ConfigError
from profileapp.live.change import Container
from profileapp.live.selection import Selection, make_selection, title_of

ID = "d2914e0a96e4" + "0" * 52
COUNTER = Container(ID, "object-counter", "counter:1", {"app": "counter", "tier": ""})
POD_LABELS = {
    "io.kubernetes.pod.name": "counter-0",
    "io.kubernetes.pod.namespace": "default",
    "io.kubernetes.container.name": "main",
}
IN_POD = Container("ab" * 32, "k8s_main_counter-0_default_1234_0", "counter:1", POD_LABELS)
SANDBOX = Container("cd" * 32, "k8s_POD_counter-0", "pause", {**POD_LABELS, "io.kubernetes.docker.type": "podsandbox"})


def select(*names: str, labels: tuple[str, ...] = (), pods: tuple[str, ...] = (), every: bool = False) -> Selection:
    return make_selection(names, labels, pods, (), every=every)


@pytest.mark.parametrize(
    "selection",
    [
        select("object-counter"),
        select("d2914e0a96e4"),
        select("other", "object-*"),
        select("object-counte[r]"),
        select(labels=("app=counter",)),
        select(labels=("tier",)),
        select(labels=("tier=",)),
        select(every=True),
    ],
)
def test_a_container_matches(selection: Selection) -> None:
    assert selection.matches(COUNTER)


@pytest.mark.parametrize(
    "selection",
    [
        select("object"),
        select("d29"),
        select("Object-*"),
        select(labels=("app=other",)),
        select(labels=("app=",)),
        select(labels=("none",)),
        select(pods=("default/counter-0",)),
    ],
)
def test_a_container_does_not_match(selection: Selection) -> None:
    assert not selection.matches(COUNTER)


def test_containers_of_a_pod_match_but_not_its_sandbox() -> None:
    pod = select(pods=("default/counter-0",))
    assert pod.matches(IN_POD)
    assert not select(pods=("kube-system/counter-0",)).matches(IN_POD)
    assert not pod.matches(SANDBOX) and not select(every=True).matches(SANDBOX)
    assert title_of(IN_POD) == "counter-0.main"
    assert select("counter-0.*").matches(IN_POD)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing to watch"),
        ({"pods": ("counter-0",)}, "must be NAMESPACE/NAME"),
        ({"pods": ("a/b/c",)}, "must be NAMESPACE/NAME"),
        ({"labels": ("=x",)}, "must be KEY=VALUE or KEY"),
    ],
)
def test_wrong_options_are_reported(options: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        select(**options)  # type: ignore[arg-type]


def test_an_unknown_name_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"no container is called 'object-count'; did you mean object-counter\?"):
        select("object-count").check([COUNTER])
    select("object-count*", "object-counter").check([COUNTER])


@given(st.text(max_size=50), st.text(max_size=50))
def test_no_name_and_no_pattern_fails(name: str, pattern: str) -> None:
    Selection(names=(pattern,)).matches(Container(ID, name))
