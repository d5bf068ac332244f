"""Groups of targets that share an agent."""

from __future__ import annotations

import configparser
from pathlib import Path

from profileapp.model.target import Dataset, Secret, Service, Target
from profileapp.plan.groups import METRIC_EXTRAS, URL_EXTRAS, group_targets

ROOT = Path(__file__).parents[2]
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


def test_a_group_names_the_extras_that_its_targets_need() -> None:
    from_s3, local = Dataset(url="S3://bucket/images.zip"), Dataset(path="images.zip")
    targets = (
        Target("a", metrics=("system", "functions")),
        Target("b", dataset=local, services=(Service("camera", dataset=from_s3),)),
        Target("c", metrics=("system",), dataset=Dataset(url="https://example.org/images.zip")),
    )
    assert [each.extras for each in group_targets(targets, "", together=False)] == [("functions",), ("s3",), ()]
    assert group_targets(targets, "", together=True)[0].extras == ("functions", "s3")


def test_every_extra_is_one_of_the_packages() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert {*METRIC_EXTRAS.values(), *URL_EXTRAS.values()} <= set(setup["options.extras_require"])
