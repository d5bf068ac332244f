"""Merging a saved configuration into a sage.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from profileapp.config.load import Overlay, check_overlay, load
from profileapp.config.merge import SectionText, merge_yaml
from profileapp.errors import ConfigError
from profileapp.plan.expand import make_plan

KEYS = frozenset({"name"})
BASE = """
name: app
secret: !Vault abc
profiling:
  metrics: [system, container]
  defaults: {timeout: 60, env: {THREADS: 4, MODE: on}, budgets: {fps.mean: ">= 10"}}
  targets:
    - {name: gpu, args: --use-gpu, env: {GPU: yes}}
    - {name: cpu, args: --use-cpu}
"""


def merged(base: str, over: str) -> dict[str, object]:
    data: dict[str, object] = yaml.safe_load(merge_yaml(base, SectionText(base), over, KEYS))
    return data


def test_mappings_are_merged_and_other_values_replaced() -> None:
    over = """
profiling:
  metrics: [energy]
  defaults: {env: {MODE: "off", MORE: 1}, budgets: {cpu.mean: "< 5"}}
  targets:
    - {name: cpu, timeout: 5}
    - {name: night, args: --night}
"""
    assert merged(BASE, over)["profiling"] == {
        "metrics": ["energy"],
        "defaults": {
            "timeout": 60,
            "env": {"THREADS": 4, "MODE": "off", "MORE": 1},
            "budgets": {"fps.mean": ">= 10", "cpu.mean": "< 5"},
        },
        "targets": [
            {"name": "gpu", "args": "--use-gpu", "env": {"GPU": True}},
            {"name": "cpu", "args": "--use-cpu", "timeout": 5},
            {"name": "night", "args": "--night"},
        ],
    }
    assert set(merged(BASE, over)) == {"name", "profiling"}


def test_scalars_keep_their_notation() -> None:
    text = merge_yaml(BASE, SectionText(BASE), "profiling: {defaults: {env: {HEX: 0x10, VERSION: 1.10}}}", KEYS)
    assert "MODE: on" in text and "HEX: 0x10" in text and "VERSION: 1.10" in text and "GPU: yes" in text


def test_aliases_and_merge_keys_are_followed_on_both_sides() -> None:
    base = """
profiling:
  defaults: &d {timeout: 1, warmup: 0}
  targets: [{<<: *d, name: a, timeout: 2}, {<<: *d, name: b}]
"""
    over = "profiling: {defaults: &d {grace: 3}, targets: [{<<: *d, name: b, timeout: 9}]}"
    assert merged(base, over)["profiling"] == {
        "defaults": {"timeout": 1, "warmup": 0, "grace": 3},
        "targets": [
            {"timeout": 2, "warmup": 0, "name": "a"},
            {"timeout": 9, "warmup": 0, "name": "b", "grace": 3},
        ],
    }


SCALARS = st.one_of(st.integers(-99, 99), st.booleans(), st.text("abc: #'\"\n-é", max_size=6))
SECTIONS = st.dictionaries(
    st.sampled_from(["metrics", "defaults", "x"]),
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=3,
)


def merge_plain(base: object, over: object) -> object:
    """Reference implementation of merging, on plain data."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    both = {key: merge_plain(base[key], over[key]) for key in base.keys() & over.keys()}
    return {**base, **over, **both}


@given(SECTIONS, SECTIONS)
def test_it_agrees_with_merging_plain_data(base: dict[str, object], over: dict[str, object]) -> None:
    texts = [yaml.safe_dump({"profiling": each}, allow_unicode=True) for each in (base, over)]
    assert merged(*texts) == {"profiling": merge_plain(base, over)}


def test_a_plan_with_an_overlay(tmp_path: Path) -> None:
    path = tmp_path / "sage.yaml"
    path.write_text(BASE)
    overlay = Overlay("a/b/c version 2", "profiling: {targets: [{name: gpu, env: {MODE: off}}]}")
    plan = make_plan(load(path, overlay), None)
    assert [target.name for target in plan.targets] == ["gpu", "cpu"]
    assert plan.targets[0].env == {"THREADS": "4", "MODE": "off", "GPU": "yes"} and plan.targets[0].timeout_s == 60


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "has no key 'profiling'"),
        ("profiling: {targets: [{args: x}]}", r"targets\[1\] has no name"),
        ("profiling: {targets: [{name: a, timout: 1}]}", "did you mean 'timeout'"),
        ("profiling: 7", "must be a mapping"),
        ("profiling: !!python/object:os.system {}", "only plain values"),
        ("profiling: {metrics: [systme]}", "did you mean 'system'"),
        ("a: [", "not YAML"),
        ("profiling: {metrics: " + "[" * 100 + "]" * 100 + "}", "levels"),
    ],
)
def test_a_bad_overlay_is_refused_when_it_is_saved(content: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_overlay(Overlay("alice/app/night", content))


def test_an_error_in_an_overlay_names_the_overlay(tmp_path: Path) -> None:
    path = tmp_path / "sage.yaml"
    path.write_text("profiling: {targets: [{args: '', timeout: 5}]}")
    overlay = Overlay("a/b/c version 1", "profiling: {targets: 7}")
    with pytest.raises(ConfigError, match=r"a/b/c version 1:1:22: profiling.targets is 7"):
        load(path, overlay)
