"""A sage.yaml with an attack in each key: refused with its position, or held as plain data.

CASES has each key of the schema: a new key needs an attack that its value invites.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from profileapp.config.load import load
from profileapp.config.schema import NAME_PATTERN, profiling_schema
from profileapp.errors import ConfigError
from profileapp.model.target import Dataset, Plan, Service, Target
from profileapp.model.url import url_problem
from profileapp.plan.drawing import plan_drawing
from profileapp.plan.expand import ARGUMENT_LIMIT_BYTES, make_plan
from profileapp.plan.table import plan_table

SHA256 = "ab" * 32
HELD = "held"
Build = Callable[[str, Any], dict[str, Any]]


def a_service(**keys: Any) -> dict[str, Any]:
    return {"targets": [{}], "services": [{"name": "s", "image": "redis:7", **keys}]}


def a_dataset(url: str, key: str, value: Any) -> dict[str, Any]:
    return {"path": value} if key == "path" else {"url": url, "sha256": SHA256} | {key: value}


# Position of each record's keys in the schema.
PLACES: dict[str, Build] = {
    "Profiling": lambda key, value: {"targets": [{}]} | {key: value},
    "Defaults": lambda key, value: {"targets": [{}], "defaults": {key: value}},
    "TargetSection": lambda key, value: {"targets": [{key: value}]},
    "CoolDown": lambda key, value: {"targets": [{"cool-down": {"below": 45} | {key: value}}]},
    "DatasetSection": lambda key, value: {"targets": [{"dataset": a_dataset("https://host/a", key, value)}]},
    "StreamSection": lambda key, value: {
        "targets": [{}],
        "services": [{"playback": {"cam": a_dataset("https://host/a.mp4", key, value)}}],
    },
    "ServiceSection": lambda key, value: (
        {"targets": [{}], "services": [{key: value}]} if key in ("playback", "broker") else a_service(**{key: value})
    ),
    "ReadySection": lambda key, value: a_service(ready=({"tcp": 80} if key == "timeout" else {}) | {key: value}),
}

ANYWHERE: list[Any] = [
    "../../etc/passwd",
    "/etc/passwd",
    "$(touch /tmp/owned); `id` && id | id > /tmp/owned",
    "--privileged",
    "-v/:/host",
    "a\0b",
    "a\nb: c",
    "a\r\n[[ATTACHMENT|/etc/passwd]]",
    "\x1b]0;owned\x07\x1b[2J",
    "\u202egnp.exe\u2066",
    "{{ 7 * 7 }} ${7*7} #{7*7} <%= 7*7 %>",
    "${jndi:ldap://host/x}",
    "%s%n%999999999d",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "x" * 100_000,
    "",
    " ",
    -1,
    0,
    10**400,
    1e308,
    math.inf,
    math.nan,
    True,
    None,
    [],
    {},
    ["a", ["b"]],
    {"a": {"b": "c"}},
    {"__proto__": 1, "constructor": 2},
]

# The attack for each key's value, and its result: held, or refused with this message.
PATHS = [
    ("../x", "below the folder"),
    ("/etc", "below the folder"),
    ("a/../../x", "below the folder"),
    ("here*", "must not contain spaces"),
]
DURATIONS: list[tuple[Any, str]] = [
    ("1e99h", "must be"),
    ("9" * 19 + "h", "must be"),
    (-1, "must be"),
    ("60; id", "must be"),
    (math.nan, "must be"),
]
ARGS: list[tuple[Any, str]] = [
    ("; rm -rf /", HELD),
    (["--privileged", "-v", "/:/host", "$(id)"], HELD),
    ("'unclosed", "cannot split"),
    (["a\0b"], "NUL character"),
    (["x" * (ARGUMENT_LIMIT_BYTES + 1)], "the limit of Linux"),
]
ENV: list[tuple[Any, str]] = [
    ({"LD_PRELOAD": "/dataset/evil.so"}, HELD),  # the app's process, in its container
    ({"PROFILEAPP_SOCKET": "/etc"}, "profileapp itself sets"),
    ({"A=B": "c"}, "is not a valid name"),
    ({"A": "x\0y"}, "NUL character"),
    ({"A\nB": "c"}, "is not a valid name"),
    ({f"A{number}": "b" for number in range(201)}, "at most 200"),
]
SECRETS: list[tuple[Any, str]] = [
    ({"KEY": "../../other"}, "the id of a credential"),
    ({"KEY": "a b"}, "the id of a credential"),
    ({"PROFILEAPP_SECRET_X": "x"}, "profileapp itself sets"),
    ({"A": "x.y", "B": "x-y"}, "too similar"),
]
DATASETS: list[tuple[Any, str]] = [
    *PATHS,
    ({"url": "http://127.0.0.1/", "sha256": SHA256, "path": "here"}, "either a path or a url"),
    ({"url": "file:///etc/shadow", "sha256": SHA256}, "must be a URL of"),
]
URLS: list[tuple[Any, str]] = [
    ("file:///etc/shadow", "must be a URL of"),
    ("s3://a/b::file:///etc/shadow", "must be s3://BUCKET/KEY"),
    ("https://user:password@host/", "must not contain a user or password"),
    ("https://host/a\nb", "must be https://HOST/PATH"),
]
SHA: list[tuple[Any, str]] = [
    ("../" * 21 + "x", "64 hexadecimal"),
    ("g" * 64, "64 hexadecimal"),
    ("", "64 hexadecimal"),
]
NAMES: list[tuple[Any, str]] = [
    ("..", "must be"),
    ("../x", "must be"),
    ("A", "must be"),
    ("-rf", "must be"),
    ("a\n", "must be"),
    ("x" * 64, "must be"),
]
METRICS: list[tuple[Any, str]] = [(["../x"], "allowed:"), (["system"] * 2, "twice"), ("system", "a list")]
BUDGETS: list[tuple[Any, str]] = [
    ({"(a+)+$.mean": ">= 1"}, HELD),
    ({"fps.mean@" + "!" * 200: ">= 1"}, "must end in one of the statistics"),
    ({"fps.mean": "__import__('os')"}, "comparison and a number"),
    ({"fps.mean": ">= 1e999"}, "finite"),
    ({"x" * 301 + ".mean": ">= 1"}, "is not a valid name"),
]
AGENTS: list[tuple[Any, str]] = [
    ("master || built-in", HELD),  # Jenkins decides where a job may run
    ("a\nb", "not a Jenkins label"),
    ("x" * 201, "not a Jenkins label"),
    ([f"a{number}" for number in range(501)], "501 targets"),
]
SERVICES: list[tuple[Any, str]] = [
    ([{"name": "app", "image": "x"}], "name of the app itself"),
    ([{"name": "a", "image": "x", "privileged": True}], "not a known key"),
    ([{"name": "a", "image": "x", "volumes": ["/:/host"]}], "not a known key"),
    ([{"name": "a", "image": "x"}] * 2, "names must be unique"),
]
SHARED: dict[str, list[tuple[Any, str]]] = {
    "agent": AGENTS,
    "env": ENV,
    "secrets": SECRETS,
    "dataset": DATASETS,
    "internet": [("host", "true or false"), ("no", "without quotes")],
    "timeout": DURATIONS,
    "on-timeout": [("exec", "allowed: end, fail")],
    "grace": DURATIONS,
    "warmup": DURATIONS,
    "cool-down": [
        ("9" * 10 + " °C", "must be from 1 to 120"),
        (0, "must be"),
        ({"below": 45, "run": "id"}, "not a known key"),
    ],
    "repeat": [(10**6, "from 1 to 1000"), (0, "from 1 to 1000"), ("2; id", "must be"), (1.5, "must be")],
    "interval": [*DURATIONS, ("0.000001s", "from 10ms to 10m"), (0, "from 10ms to 10m")],
    "metrics": METRICS,
    "function-clock": [("../x", "allowed:"), (["cpu"], "is a list, but must be one of")],
    "native-frames": [("--pid 1", "true or false")],
    "budgets": BUDGETS,
}
CASES: dict[str, list[tuple[Any, str]]] = {
    "Profiling.targets": [
        ([], "must contain at least 1"),
        ([{}] * 501, "at most 500"),
        ([{"docker-args": "--privileged"}], "not a known key"),
    ],
    "Profiling.metrics": METRICS,
    "Profiling.services": SERVICES,
    "Profiling.defaults": [({"name": "x"}, "not a known key"), ({"args": "x"}, "not a known key"), ("x", "must be")],
    **{f"Defaults.{key}": cases for key, cases in SHARED.items()},
    **{f"TargetSection.{key}": cases for key, cases in SHARED.items()},
    "TargetSection.args": ARGS,
    "TargetSection.name": [*NAMES, ("junit.xml", "own files"), ("index.html", "own files")],
    "TargetSection.services": SERVICES,
    "CoolDown.below": [("0 °C", "from 1 to 120"), (10**30, "must be"), ("45 °C; id", "must be")],
    "CoolDown.timeout": DURATIONS,
    "DatasetSection.path": PATHS,
    "DatasetSection.url": URLS,
    "DatasetSection.sha256": SHA,
    "DatasetSection.unpack": [("--absolute-names", "true or false")],
    "StreamSection.path": PATHS,
    "StreamSection.url": URLS,
    "StreamSection.sha256": SHA,
    "StreamSection.unpack": [("--absolute-names", "true or false")],
    "StreamSection.rate": [
        (0, "from 0.001 to 1000"),
        (math.inf, "from 0.001"),
        (math.nan, "from 0.001"),
        (10**30, "from 0.001"),
    ],
    "ServiceSection.name": [
        ("app", "the app itself"),
        ("a.b", "must be"),
        ("host\nevil", "must be"),
        ("-h", "must be"),
    ],
    "ServiceSection.image": [
        ("--privileged", "name of an image"),
        ("a b", "name of an image"),
        ("$(id)", "name of an image"),
        ("x" * 300, "name of an image"),
        ("../x", "name of an image"),
    ],
    "ServiceSection.args": ARGS,
    "ServiceSection.env": ENV,
    "ServiceSection.secrets": SECRETS,
    "ServiceSection.dataset": DATASETS,
    "ServiceSection.ready": [({"tcp": 80, "log": "x"}, "one of"), ({}, "one of"), ({"exec": "id"}, "not a known key")],
    "ServiceSection.needs": [(["s"], "is circular"), (["../x"], "must be"), (["nobody"], "not a service")],
    "ServiceSection.playback": [
        ({"../x": "here"}, "is not a valid name"),
        ({"cam": "../x"}, "below the folder"),
        ({f"c{number}": "here" for number in range(51)}, "at most 50"),
        ({}, "is empty"),
    ],
    "ServiceSection.broker": [("../rabbitmq", "allowed: rabbitmq"), ("rabbitmq; id", "allowed: rabbitmq")],
    "ReadySection.http": [
        ("80@169.254.169.254/", "a port and a path"),
        ("80/\r\nHost: x", "a port and a path"),
        ("99999/", "the highest port is 65535"),
        ("host:80/", "a port and a path"),
    ],
    "ReadySection.tcp": [(0, "from 1 to 65535"), (65536, "from 1 to 65535"), ("80", "without quotes")],
    "ReadySection.log": [("(a+)+$", HELD), ("\x1b[2J", HELD), ("x" * 201, "at most 200"), ("", "must be")],
    "ReadySection.file": [
        ("relative", "an absolute path"),
        ("/a\0b", "an absolute path"),
        ("/" + "x" * 501, "an absolute path"),
        ("/\x1b[2J\u202e", HELD),
    ],
    "ReadySection.timeout": DURATIONS,
}


def keys_of_the_schema() -> set[str]:
    records = profiling_schema()["$defs"]
    return {f"{name}.{key}" for name, record in records.items() for key in record.get("properties", {})}


def test_every_key_of_the_schema_has_an_attack() -> None:
    assert CASES.keys() == keys_of_the_schema(), "a new key comes with the attack that its value invites"
    assert all(CASES.values())


def plan_of(folder: Path, key: str, value: Any) -> Plan | str:
    """The real plan of a sage.yaml with this value, or the message that refuses it."""
    record, _, name = key.partition(".")
    path = folder / "sage.yaml"
    section = PLACES[record](name, value)
    path.write_text(yaml.safe_dump({"profiling": section}, allow_unicode=False, width=10**6), encoding="utf-8")
    (folder / "here").mkdir(exist_ok=True)
    try:
        return make_plan(load(path), None)
    except ConfigError as error:
        return str(error)


def check_refused(message: str, folder: Path, value: Any) -> None:
    """Each line has a position, is short, and has no control characters."""
    for line in message.splitlines():
        assert re.match(rf"{re.escape(str(folder))}/sage\.yaml(:\d+:\d+:|: and )", line), (
            value,
            line[:200],
        )
        assert len(line) < 900 and line.isprintable(), (value, line)


def check_held(plan: Plan, value: Any) -> None:
    """The plan contains plain data only: relative paths, valid names, bounded numbers."""
    for target in plan.targets:
        assert re.fullmatch(NAME_PATTERN, target.name), value
        assert target.agent.isprintable()
        for number in (target.timeout_s, target.grace_s, target.warmup_s, target.interval_s, target.cool_timeout_s):
            assert 0 <= number <= 31_536_000, value
        _check_argv(target)
        for service in target.services:
            assert re.fullmatch(r"[a-z][a-z0-9-]{0,30}", service.name)
            assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*|", service.image), value
            _check_argv(service)
        for each in target.datasets:
            _check_dataset(each)
    for shown in (plan_table(plan), plan_drawing(plan)):
        assert all(line.isprintable() for line in shown.split("\n")), (value, shown)


def _check_argv(one: Target | Service) -> None:
    for value in (*one.args, *one.env, *one.env.values()):
        assert "\0" not in value and len(value.encode()) <= ARGUMENT_LIMIT_BYTES
    assert not any(name.startswith("PROFILEAPP_") for name in one.env)


def _check_dataset(dataset: str | Dataset) -> None:
    if isinstance(dataset, Dataset) and dataset.url:
        assert url_problem(dataset.url) == "" and re.fullmatch("[0-9a-f]{64}", dataset.sha256)
        return
    path = dataset.path if isinstance(dataset, Dataset) else dataset
    assert path and not path.startswith(("/", "-")) and ".." not in path.split("/")


@pytest.mark.parametrize("key", CASES)
def test_the_attack_on_a_key_is_refused_or_held(tmp_path: Path, key: str) -> None:
    for value, expected in CASES[key]:
        found = plan_of(tmp_path, key, value)
        if isinstance(found, str):
            check_refused(found, tmp_path, value)
            assert expected in found, (value, found)
        else:
            assert expected == HELD, (value, "was not refused")
            check_held(found, value)


@pytest.mark.parametrize("key", CASES)
def test_values_hostile_in_any_key_are_refused_or_held(tmp_path: Path, key: str) -> None:
    for value in ANYWHERE:
        found = plan_of(tmp_path, key, value)
        if isinstance(found, str):
            check_refused(found, tmp_path, value)
        else:
            check_held(found, value)


def test_arguments_are_held_verbatim(tmp_path: Path) -> None:
    """No shell, template or number conversion changes them between file and app."""
    argv = ["$(id)", "`id`", "{{7*7}}", "a b", "--privileged", "\u202e", "\x1b[2J", "0120", "1:30", "0x" + "f" * 5000]
    plan = plan_of(tmp_path, "TargetSection.args", argv)
    assert isinstance(plan, Plan) and list(plan.targets[0].args) == argv


@pytest.mark.parametrize(
    "text",
    [
        "0x" + "f" * 100_000,
        "9" * 100_000,
        ":".join(["59"] * 30_000),
        "1" + "_1" * 50_000,
        '!!int ""',
        "!!bool maybe",
        '!!float "1:1e999"',
        "!!timestamp x",
        "!!int 0b",
        "!!float .",
        '"\\ud800"',
        "!!python/object/apply:os.system [id]",
        "&a [*a]",
        "{? [a] : b}",
        "0120",
        "1:30",
        '"60"',
    ],
)
def test_ambiguous_yaml_is_refused_with_its_position(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sage.yaml"
    path.write_text(f"profiling:\n  targets:\n    - timeout: {text}\n", encoding="utf-8")
    began_s = time.thread_time()
    with pytest.raises(ConfigError) as caught:
        make_plan(load(path), None)
    assert time.thread_time() - began_s < 5
    check_refused(str(caught.value), tmp_path, text)


def test_a_merge_at_the_top_level_affects_only_our_keys_held(tmp_path: Path) -> None:
    path = tmp_path / "sage.yaml"
    path.write_text("base: &b\n  profiling: {targets: [{timeout: 5}]}\n  other: !!python/x 1\n<<: *b\nname: x\n")
    assert [target.timeout_s for target in make_plan(load(path), None).targets] == [5.0]
