"""Expands a sage.yaml into a plan."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.config.load import load
from profileapp.errors import ConfigError
from profileapp.model.target import Dataset, Plan, Ready, Service, Stream
from profileapp.plan.expand import make_plan, select
from profileapp.plan.names import NAME_LIMIT, derived_name, first_free, slug, with_suffix
from profileapp.plan.table import format_duration, plan_table

FOUNDING = """
name: "object-counter"
namespace: "waggle"
version: "0.5.1"
profiling:
  targets:
    - {args: "-interval 1 --use-gpu", timeout: 120}
    - {args: "--use-gpu", timeout: 60}
    - {args: "--use-cpu", timeout: 0}            # 0: no timeout, the app ends by itself
  metrics: ['system', 'gpu-summary']
"""


def plan_of(tmp_path: Path, text: str, image: str | None = None) -> Plan:
    path = tmp_path / "sage.yaml"
    path.write_text(text, encoding="utf-8")
    return make_plan(load(path), image)


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as error:
        plan_of(tmp_path, text)
    return str(error.value).replace(f"{tmp_path}/", "")


def section(tmp_path: Path, targets: str, more: str = "") -> Plan:
    return plan_of(tmp_path, f"name: app\nprofiling:\n  targets:\n{targets}\n{more}")


@pytest.mark.parametrize(
    ("target", "defaults", "line"),
    [
        ("{interval: 1ms}", "{interval: 2ms}", "sage.yaml:4:18: profiling.targets[1].interval is 0.001 s"),
        ("{grace: 1s}", "{interval: 2ms}", "sage.yaml:5:24: profiling.defaults.interval is 0.002 s"),
        ("{env: {A: 1}}", "{env: {PROFILEAPP_X: 2}}", "sage.yaml:5:20: profiling.defaults.env.PROFILEAPP_X is a"),
        (
            "{budgets: {a.mean: 'x'}}",
            "{budgets: {b.mean: '> 1'}}",
            "profiling.targets[1].budgets.a.mean",
        ),
    ],
)
def test_a_mistake_is_where_the_value_comes_from(tmp_path: Path, target: str, defaults: str, line: str) -> None:
    text = f"name: app\nprofiling:\n  targets:\n    - {target}\n  defaults: {defaults}\n"
    assert line in refused(tmp_path, text)


def test_metrics_beside_the_targets_come_after_those_of_the_defaults(tmp_path: Path) -> None:
    targets = "    - {name: a}\n    - {name: b, metrics: [energy]}"
    plan = section(tmp_path, targets, "  metrics: [system]\n  defaults: {metrics: [tau]}\n")
    assert [each.metrics for each in plan.targets] == [("tau",), ("energy",)]
    assert [each.metrics for each in section(tmp_path, targets, "  metrics: [gpu-memory]").targets] == [
        ("gpu-memory",),
        ("energy",),
    ]
    assert section(tmp_path, targets).targets[0].metrics == ("system", "container")
    assert "sage.yaml:5:12: profiling.metrics" in refused(
        tmp_path, "name: app\nprofiling:\n  targets:\n    - {}\n  metrics: [tau, tau]\n"
    )


def test_the_founding_example(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, FOUNDING)
    assert [(each.name, each.args, each.timeout_s) for each in plan.targets] == [
        ("interval-1-use-gpu", ("-interval", "1", "--use-gpu"), 120.0),
        ("use-gpu", ("--use-gpu",), 60.0),
        ("use-cpu", ("--use-cpu",), 0.0),
    ]
    assert {each.metrics for each in plan.targets} == {("system", "gpu-summary")}
    assert plan.image == "waggle/object-counter:0.5.1"
    assert plan.files == ("sage.yaml",)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def test_an_explicit_image_has_precedence(tmp_path: Path) -> None:
    assert plan_of(tmp_path, FOUNDING, "other:1").image == "other:1"
    assert section(tmp_path, "    - {}").image is None


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ('"a \'b c\' \\"d\\""', ("a", "b c", "d")),
        ("'$(touch pwned) `id` ; rm -rf /'", ("$(touch", "pwned)", "`id`", ";", "rm", "-rf", "/")),
        ('["$(id)", "a b", "line\\nbreak", "ünïcode", on, 0x10, 1.10]',
         ("$(id)", "a b", "line\nbreak", "ünïcode", "on", "0x10", "1.10")),
        ("''", ()),
        ("[]", ()),
    ],
)  # fmt: skip
def test_arguments_are_split_like_a_shell_but_never_run(tmp_path: Path, args: str, expected: tuple) -> None:
    assert section(tmp_path, f"    - {{args: {args}}}").targets[0].args == expected


def test_names_are_unique_and_valid_for_any_arguments(tmp_path: Path) -> None:
    plan = section(
        tmp_path,
        "    - {args: --a}\n    - {args: '-a'}\n    - {}\n    - {args: '../../etc/passwd'}\n    - {args: index.html}\n"
        f"    - {{args: {'x' * 500}}}\n    - {{name: a, args: other}}",
    )
    names = [target.name for target in plan.targets]
    assert names[:5] == ["a-2", "a-3", "default", "etc-passwd", "index.html-2"]
    assert len(set(names)) == len(names) and all(len(name) <= NAME_LIMIT for name in names)


def test_defaults_agents_and_durations(tmp_path: Path) -> None:
    (tmp_path / "traffic").mkdir()
    plan = section(
        tmp_path,
        "    - {name: fast, agent: [nano, 'orin && arm64'], env: {B: on}, timeout: 2m}\n    - {name: slow}",
        "  defaults: {interval: 100ms, env: {A: 1.10}, dataset: traffic/, warmup: 0.5s, repeat: 3, grace: 1m,"
        " budgets: {fps.mean: '>= 10'}, agent: any-board, metrics: [system]}\n",
    )
    assert [(each.name, each.agent) for each in plan.targets] == [
        ("fast-nano", "nano"),
        ("fast-orin-arm64", "orin && arm64"),
        ("slow", "any-board"),
    ]
    assert [each.shared_name for each in plan.targets] == ["fast", "fast", ""]
    fast = plan.targets[0]
    assert (fast.timeout_s, fast.interval_s, fast.warmup_s, fast.grace_s, fast.repeat) == (120, 0.1, 0.5, 60, 3)
    assert fast.env == {"A": "1.10", "B": "on"}
    assert fast.dataset == "traffic" and plan.files == ("sage.yaml", "traffic/**")
    assert fast.metrics == ("system",) and fast.budgets == {"fps.mean": ">= 10"}


def test_a_warm_up_may_be_found_in_the_samples(tmp_path: Path) -> None:
    plan = section(
        tmp_path, "    - {name: a, timeout: 5}\n    - {name: b, warmup: 2s}\n", "  defaults: {warmup: auto}\n"
    )
    assert [(each.warmup_auto, each.warmup_s) for each in plan.targets] == [(True, 0.0), (False, 2.0)]


@pytest.mark.parametrize(
    ("given", "below_c", "timeout_s"),
    [
        ("45", 45, 600),
        ("44.5 °C", 44.5, 600),
        ("60C", 60, 600),
        ("{below: 45 °C, timeout: 5m}", 45, 300),
        ("{below: 45}", 45, 600),
    ],
)
def test_cool_down(tmp_path: Path, given: str, below_c: float, timeout_s: float) -> None:
    plan = section(tmp_path, "    - {name: a}\n", f"  defaults: {{cool-down: {given}}}\n")
    assert (plan.targets[0].cool_below_c, plan.targets[0].cool_timeout_s) == (below_c, timeout_s)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (
            "    - {name: a}\n    - {name: a}",
            "sage.yaml:5:14: profiling.targets[2].name is 'a', the name of another target",
        ),
        ("    - {name: report}", "the name of one of profileapp's own files"),
        ('    - {args: "\'open"}', "sage.yaml:4:14: profiling.targets[1].args is ''open', which a shell cannot"),
        ('    - {args: ["a\\0b"]}', "contains a NUL character"),
        ("    - {timeout: 5, warmup: 5}", "nothing is left to measure"),
        ("    - {warmup: automatic}", "or text such as 500ms, 90s, 2m or 1.5h, or auto"),
        ("    - {interval: 1ms}", "must be from 10ms to 10m"),
        ("    - {interval: 11m}", "must be from 10ms to 10m"),
        ("    - {agent: []}", "is an empty list"),
        ("    - {cool-down: 500 °C}", "targets[1].cool-down is 500 °C, but must be from 1 to 120 °C"),
        ("    - {cool-down: {below: 0 °C}}", "targets[1].cool-down.below is 0 °C, but must be from 1"),
        ("    - {metrics: [system, system]}", "lists a metric twice"),
        ("    - {budgets: {fps: '>= 1'}}", "must end in one of the statistics"),
        ("    - {budgets: {fps.mean: '10'}}", "must be a comparison and a number"),
        ("    - {env: {PROFILEAPP_SOCKET: x}}", "a variable that profileapp itself sets"),
        ("    - {dataset: ../x}", "must be a path below the folder"),
        ("    - {dataset: /etc}", "must be a path below the folder"),
        ("    - {dataset: nowhere}", "there is no such folder or file"),
        ("    - {dataset: 'a b'}", "must not contain spaces"),
        ("    - {dataset: out}", "a link that points outside"),
    ],
)
def test_errors_beyond_the_schema(tmp_path: Path, targets: str, message: str) -> None:
    (tmp_path / "out").symlink_to("/etc")
    text = f"name: app\nprofiling:\n  targets:\n{targets}\n"
    assert message in refused(tmp_path, text)


def test_without_a_profiling_section_the_error_shows_how_to_add_one(tmp_path: Path) -> None:
    assert "has no key 'profiling'; `profileapp init sage.yaml` writes one, such as" in refused(tmp_path, "name: app\n")


@pytest.mark.parametrize("name", ["[1]", "x" * 300, '"a\\nb"'])
def test_a_hostile_app_name_is_refused(tmp_path: Path, name: str) -> None:
    assert "name is" in refused(tmp_path, f"name: {name}\nprofiling: {{targets: [{{}}]}}\n")


def test_select(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, FOUNDING)
    assert [each.name for each in select(plan, ["use-cpu", "use-gpu"]).targets] == ["use-gpu", "use-cpu"]
    assert select(plan, []) is plan
    with pytest.raises(ConfigError, match="no target is named 'use-cpi'; did you mean 'use-cpu'"):
        select(plan, ["use-cpi"])


def test_the_table_lists_every_target(tmp_path: Path) -> None:
    table = plan_table(plan_of(tmp_path, FOUNDING))
    assert "waggle/object-counter:0.5.1" in table
    assert "use-cpu             any    until it exits" in table
    assert table.endswith("3 targets · at most 3 min, and 1 until the app exits\n")


def test_format_duration() -> None:
    assert [format_duration(s) for s in (0.1, 90, 120, 5400, 7200)] == ["0.1 s", "90 s", "2 min", "1 h 30 min", "2 h"]


@given(st.text(max_size=200), st.text(max_size=80))
def test_any_text_makes_a_valid_name(text: str, suffix: str) -> None:
    import re

    from profileapp.config.schema import NAME_PATTERN

    name = first_free(with_suffix(derived_name([text]), slug(suffix) or "any"), {"default-any"})
    assert re.fullmatch(NAME_PATTERN, name) and name not in {"default-any", "report"}


def test_datasets_prepared_by_the_agent(tmp_path: Path) -> None:
    (tmp_path / "traffic.zip").write_bytes(b"PK")
    digest = "AB" * 32
    plan = section(
        tmp_path,
        "    - {name: zip, dataset: {path: traffic.zip}}\n"
        "    - {name: kept, dataset: {path: traffic.zip, unpack: false}}\n"
        f"    - {{name: url, dataset: {{url: 'https://host/a.tar.gz?x=1', sha256: {digest}}}}}\n"
        f"    - {{name: s3, dataset: {{url: 's3://bucket/a.mp4', sha256: {digest}}}}}\n",
    )
    assert [each.dataset for each in plan.targets] == [
        Dataset(path="traffic.zip", unpack=True),
        "traffic.zip",
        Dataset(url="https://host/a.tar.gz?x=1", sha256="ab" * 32, unpack=True),
        Dataset(url="s3://bucket/a.mp4", sha256="ab" * 32),
    ]
    assert plan.files == ("sage.yaml", "traffic.zip")


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("https://host/a", "also needs its checksum: {url: …, sha256: …}"),
        ("{url: 'https://host/a'}", "which needs a sha256"),
        ("{url: 'ftp://host/a', sha256: " + "a" * 64 + "}", "must be a URL of https, http, s3, gs"),
        ("{url: 'https://me:secret@host/a', sha256: " + "a" * 64 + "}", "must not contain a user or password"),
        ("{url: 'https://[', sha256: " + "a" * 64 + "}", "must be https://HOST/PATH"),
        ("{url: 'https://host/a', sha256: 12}", "is 12, but must be 64 hexadecimal digits"),
        ("{url: 'https://host/a', path: here}", "either a path or a url"),
        ("{}", "either a path or a url"),
        ("{path: folder, unpack: true}", "a folder, which has no checksum and cannot be unpacked"),
        ("here", "here/2.jpg is a Git LFS pointer, not the content"),
        ("linked", "contains a link that points outside the folder of the sage.yaml (linked/a/out)"),
    ],
)
def test_invalid_datasets_are_refused(tmp_path: Path, dataset: str, message: str) -> None:
    for name in ("here", "linked/a", "folder"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "here/1.jpg").write_bytes(b"\xff\xd8")
    (tmp_path / "here/2.jpg").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 5\n")
    (tmp_path / "linked/a/out").symlink_to("/etc")
    assert message in refused(tmp_path, f"name: app\nprofiling:\n  targets:\n    - {{dataset: {dataset}}}\n")


def services_of(tmp_path: Path, text: str, of_target: str = "[]") -> tuple[Service, ...]:
    lines = f"  services:\n{text}" if text else ""
    return section(tmp_path, f"    - {{name: a, services: {of_target}}}", lines).targets[0].services


def test_services_start_after_their_dependencies(tmp_path: Path) -> None:
    (tmp_path / "traffic").mkdir()
    services = services_of(
        tmp_path,
        "    - {name: web, image: web:1, needs: [store], args: '-v --port 80', env: {N: 0x10}, dataset: traffic}\n"
        "    - {name: store, image: store:1, ready: {tcp: 6379, timeout: 2m}}\n"
        "    - {playback: {camera-left: traffic/, right: {path: traffic, rate: 5}}}\n",
        "[{name: store, image: store:2, ready: {http: 80/health}}]",
    )
    assert [each.name for each in services] == ["store", "web", "playback"]
    store, web, playback = services
    assert store == Service("store", "store:2", ready=Ready(http="80/health"))
    assert (web.args, web.env, web.dataset) == (("-v", "--port", "80"), {"N": "0x10"}, "traffic")
    assert playback.streams == (Stream("camera-left", "traffic"), Stream("right", "traffic", 5.0))


def test_datasets_of_services_are_carried(tmp_path: Path) -> None:
    (tmp_path / "traffic").mkdir()
    plan = section(tmp_path, "    - {services: [{playback: {left: traffic/}}], internet: true}")
    assert plan.files == ("sage.yaml", "traffic/**") and plan.targets[0].internet is True


@pytest.mark.parametrize(
    ("services", "message"),
    [
        ("[{name: a}]", "has no image, playback or broker"),
        ("[{image: a}]", "has no name"),
        ("[{name: app, image: a}]", "is 'app', the name of the app itself"),
        ("[{name: A, image: a}]", "must be 1 to 31 of a-z"),
        ("[{name: a, image: a}, {name: a, image: b}]", "is named 'a', like another service"),
        (
            "[{name: a, image: a, needs: [b]}, {name: bb, image: b}]",
            "is 'b', which is not a service; did you mean 'bb'?",
        ),
        ("[{name: a, image: a, needs: [b]}, {name: b, image: b, needs: [a]}]", "is circular: a, b wait"),
        ("[{name: a, image: a, ready: {}}]", "must have one of http, tcp, log and file"),
        ("[{name: a, image: a, ready: {tcp: 1, log: x}}]", "must have one of http, tcp, log and file"),
        ("[{name: a, image: a, ready: {http: 99999/}}]", "but the highest port is 65535"),
        ("[{name: a, image: a, privileged: true}]", "is not a known key"),
        ("[{playback: {}}]", "is empty, but must name its streams"),
        ("[{playback: {left: nowhere}}]", "playback.left is 'nowhere', but there is no such folder"),
        ("[{playback: {left: {path: nowhere, rate: 0}}}]", "is 0, but must be a number from 0.001 to 1000"),
        ("[{playback: {left: here}, env: {A: 1}}]", "needs an image"),
        ("[{playback: {a: here}}, {name: b, playback: {b: here}}]", "is a second playback"),
    ],
)
def test_invalid_services_are_refused(tmp_path: Path, services: str, message: str) -> None:
    (tmp_path / "here").mkdir()
    assert message in refused(tmp_path, f"name: app\nprofiling:\n  targets: [{{name: a}}]\n  services: {services}\n")


def test_the_plan_has_names_of_credentials_and_no_values(tmp_path: Path) -> None:
    text = """    - {name: a, secrets: {KEY: weather-api}}
  defaults: {secrets: {KEY: other, PIN: pin.1}}
  services: [{name: db, image: db:1, secrets: {PASSWORD: weather-api}}]"""
    (target,) = section(tmp_path, text).targets
    assert [(each.variable, each.credential, each.env_var) for each in target.all_secrets] == [
        ("KEY", "weather-api", "PROFILEAPP_SECRET_weather_api"),
        ("PIN", "pin.1", "PROFILEAPP_SECRET_pin_1"),
        ("PASSWORD", "weather-api", "PROFILEAPP_SECRET_weather_api"),
    ]


@pytest.mark.parametrize(
    ("target", "reported"),
    [
        ("{secrets: {KEY: a-b}, env: {KEY: x}}", "targets[1].env.KEY is also a credential"),
        ("{secrets: {A: a-b, B: a_b}}", "targets[1].secrets.B is 'a_b', which is too similar to 'a-b'"),
        ("{secrets: {PROFILEAPP_X: a}}", "targets[1].secrets.PROFILEAPP_X is a variable that profileapp itself sets"),
        ("{secrets: {KEY: 'a b'}}", "targets[1].secrets.KEY is 'a b', but must be the id of a credential"),
        ("{secrets: {KEY: {credential: a}}}", "targets[1].secrets.KEY is a mapping"),
        ("{services: [{playback: {x: y}, secrets: {A: b}}]}", "services[1].secrets needs an image"),
    ],
)
def test_invalid_credentials_are_refused(tmp_path: Path, target: str, reported: str) -> None:
    assert reported in refused(tmp_path, f"name: app\nprofiling:\n  targets:\n    - {target}\n")


def test_a_broker_has_defaults(tmp_path: Path) -> None:
    text = "    - {name: a, services: [{broker: rabbitmq, image: 'mirror.example/rabbitmq:3.12'}]}\n"
    first = section(tmp_path, text).targets[0].services[0]
    second = section(tmp_path, "    - {name: a}", "  services: [{broker: rabbitmq, name: mq}]").targets[0].services[0]
    assert (first.name, first.image, second.name, second.image) == (
        "rabbitmq",
        "mirror.example/rabbitmq:3.12",
        "mq",
        "rabbitmq:3",
    )
    assert first.ready == Ready(tcp=5672, timeout_s=120) and first.broker == "rabbitmq"
    reported = refused(tmp_path, "name: a\nprofiling:\n  targets: [{}]\n  services: [{broker: rabbitmq, args: -x}]\n")
    assert "services[1].args is not allowed with a broker" in reported
