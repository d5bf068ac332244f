"""Rules of `live --rules`: parsing, and errors with line and column."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.errors import ConfigError
from profileapp.live.rules import Rule, load_rules

SERIES = dict.fromkeys(("container.cpu.util", "system.temperature", "container.memory.used"))


def load(folder: Path, text: str) -> tuple[Rule, ...]:
    path = folder / "rules.yaml"
    path.write_text(text)
    return load_rules(path, SERIES)


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load(folder, text)
    return [line.replace(f"{folder}/", "") for line in str(error.value).splitlines()]


def test_a_rule_with_all_keys(tmp_path: Path) -> None:
    (rule,) = load(
        tmp_path,
        """
        rules:
          - name: busy
            when: "container.memory.used.p95 over 1.5m >= 2 GiB"
            for: cam-*
            do: {keep: {before: 10s, after: 2m}, note: why}
            at-most: 2 per 30m
        """,
    )
    assert (rule.window_s, rule.before_s, rule.after_s, rule.note) == (90.0, 10.0, 120.0, "why")
    assert (rule.count, rule.per_s) == (2, 1800.0)
    assert (rule.budget.path, rule.budget.statistic, rule.budget.comparison) == ("container.memory.used", "p95", ">=")
    assert rule.budget.limit == 2 * 1024**3
    assert rule.matches("cam-front") and not rule.matches("front")


def test_a_short_rule_has_defaults(tmp_path: Path) -> None:
    (rule,) = load(tmp_path, 'rules: [{name: hot, when: "system.temperature.gpu.max over 5s > 80 °C"}]')
    assert (rule.pattern, rule.before_s, rule.after_s, rule.count) == ("*", 30.0, 30.0, 6)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: 1", "rules.yaml:1:1: has no key 'rules'"),
        ("[]", "rules.yaml:1:1: must be a mapping with a key 'rules'"),
        ("rules: []", "rules.yaml:1:8: rules is"),
        ('rules:\n  - {name: A, when: "x"}', "rules.yaml:2:12: rules[1].name is 'A'"),
        ('rules:\n  - {name: a, when: "x", fro: b}', "rules.yaml:2:26: rules[1].fro"),
        ('rules:\n  - {name: a, when: "x > 3"}', "rules.yaml:2:21: rules[1].when must be STATISTIC over TIME"),
        ('rules: [{name: a, when: "container.cpu.utl.mean over 1s > 3"}]', "did you mean container.cpu.util?"),
        ('rules: [{name: a, when: "container.cpu.util.mena over 1s > 3"}]', "did you mean container.cpu.util.mean?"),
        ('rules: [{name: a, when: "container.cpu.util.mean over 2h > 3"}]', "at most 1h"),
        ('rules: [{name: a, when: "container.cpu.util.mean over 0s > 3"}]', "more than none"),
        ('rules: [{name: a, when: "container.cpu.util.mean over 1s > x"}]', "not a number with a unit"),
        ('rules: [{name: a, when: "container.cpu.util.mean over 1s > 3", at-most: 0 per 1h}]', "COUNT per TIME"),
        (
            'rules: [{name: a, when: "container.cpu.util.mean over 1s > 3", do: {keep: {before: 2h}}}]',
            "rules[1].do.keep.before must be at most 1h",
        ),
        ('rules: [{name: a, when: "container.cpu.util.mean over 1s > 3", do: {functions: 20s}}]', "functions"),
    ],
)
def test_an_error_is_reported_with_its_place(text: str, found: str, tmp_path: Path) -> None:
    assert any(found in line for line in mistakes(tmp_path, text)), mistakes(tmp_path, text)


def test_all_errors_are_reported_at_once(tmp_path: Path) -> None:
    wrong = 'when: "fps.mean over 10s < 10"}'
    lines = mistakes(tmp_path, f"rules:\n  - {{name: a, {wrong}\n  - {{name: b, {wrong}\n")
    assert [line.split(": ")[0] for line in lines] == ["rules.yaml:2:21", "rules.yaml:3:21"]


def test_two_rules_of_one_name(tmp_path: Path) -> None:
    one = '{name: same, when: "container.cpu.util.mean over 10s < 10"}'
    assert mistakes(tmp_path, f"rules:\n  - {one}\n  - {one}\n") == [
        "rules.yaml:3:12: rules[2].name is 'same', which another rule has too"
    ]


@given(st.text(max_size=60), st.text(max_size=20))
def test_no_text_fails(when: str, at_most: str) -> None:
    import json
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        content = json.dumps({"rules": [{"name": "a", "when": when, "at-most": at_most}]})
        try:
            load(Path(folder), content)
        except ConfigError as error:
            assert str(error)
