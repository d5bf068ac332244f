"""Valid and hostile replies of a Docker daemon."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.live.docker_reply import LABELS_LIMIT, TEXT_LIMIT, parse_event, parse_inspected, parse_listed

# As Docker 20.10 sends it.
DIED = {
    "status": "die",
    "id": "ab" * 32,
    "from": "busybox",
    "Type": "container",
    "Action": "die",
    "Actor": {"ID": "ab" * 32, "Attributes": {"exitCode": "137", "image": "busybox", "name": "f"}},
    "scope": "local",
    "time": 1700000000,
    "timeNano": 1700000000000000000,
}


def test_an_event_of_a_container() -> None:
    event = parse_event(DIED)
    assert event is not None
    assert (event.action, event.container_id, event.exit_code) == ("die", "ab" * 32, 137)


def test_an_action_with_details_is_its_first_word() -> None:
    event = parse_event({**DIED, "Action": "exec_start: sh -c true"})
    assert event is not None and event.action == "exec_start"


@pytest.mark.parametrize("reply", [None, [], 3, {}, {"Type": "network"}, {**DIED, "Actor": None}, {"Action": "die"}])
def test_anything_else_is_no_event(reply: object) -> None:
    assert parse_event(reply) is None


@pytest.mark.parametrize("text", ["", "-1", "x", "١", "99999"])
def test_an_exit_code_that_is_none_is_unknown(text: str) -> None:
    event = parse_event({**DIED, "Actor": {"ID": "ab", "Attributes": {"exitCode": text}}})
    assert event is not None and event.exit_code is None


def test_a_listed_and_an_inspected_container() -> None:
    container, runs = parse_listed(
        {"Id": "ab", "Names": ["/f"], "Image": "busybox", "Labels": {"app": "f"}, "State": "running"}
    )
    assert (container.id, container.name, container.labels, runs) == ("ab", "f", {"app": "f"}, True)
    inspected, pid = parse_inspected(
        {"Id": "ab", "Name": "/f", "Config": {"Image": "busybox", "Labels": {"app": "f"}}, "State": {"Pid": 12}}
    )
    assert inspected == container and pid == 12


def test_texts_are_bounded() -> None:
    labels = {f"{number}": "x" * 100_000 for number in range(2 * LABELS_LIMIT)}
    container, pid = parse_inspected({"Id": "ab", "Name": "/" + "n" * 100_000, "Config": {"Labels": labels}})
    assert len(container.name) < TEXT_LIMIT and len(container.labels) == LABELS_LIMIT and pid == 0
    assert max(map(len, container.labels.values())) == TEXT_LIMIT


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(_JSON, _JSON, _JSON)
def test_no_reply_raises(actor: Any, attributes: Any, action: Any) -> None:
    parse_event({"Type": "container", "Action": action, "Actor": actor})
    parse_event({"Type": "container", "Action": "die", "Actor": {"ID": "ab", "Attributes": attributes}})
