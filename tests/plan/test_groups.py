"""Groups of targets that share an agent."""

from __future__ import annotations

from profileapp.model.target import Secret, Service, Target
from profileapp.plan.groups import group_targets

KEY = Secret("KEY", "key-id", "PROFILEAPP_SECRET_a")
OTHER = Secret("OTHER", "other-id", "PROFILEAPP_SECRET_b")
TARGETS = (
    Target("a", agent="orin", secrets=(KEY,)),
    Target("b"),
    Target("c", agent="orin", secrets=(KEY,), services=(Service("db", secrets=(OTHER, KEY)),)),
    Target("d", agent="nano"),
)


def test_each_target_has_a_separate_agent() -> None:
    groups = group_targets(TARGETS, "", together=False)
    assert [(each.name, each.agent, each.targets) for each in groups] == [
        ("a", "orin", ("a",)),
        ("b", "", ("b",)),
        ("c", "orin", ("c",)),
        ("d", "nano", ("d",)),
    ]


def test_targets_of_one_label_can_share_an_agent_in_order() -> None:
    groups = group_targets(TARGETS, "nano", together=True)
    assert [(each.name, each.agent, each.targets) for each in groups] == [
        ("a, c", "orin", ("a", "c")),
        ("b, d", "nano", ("b", "d")),
    ]


def test_a_group_lists_each_credential_once() -> None:
    groups = group_targets(TARGETS, "", together=True)
    assert groups[0].secrets == (KEY, OTHER)
    assert groups[1].secrets == ()
