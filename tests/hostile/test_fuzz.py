"""No parser raises or hangs on any input: mutations of valid samples.

Each parser gets a few seconds, all together PROFILEAPP_FUZZ_S (default 30; `make fuzz` takes ten minutes). A failure
prints the seed and the input; the hypothesis tests of each parser look for smaller inputs.
"""

from __future__ import annotations

import io
import json
import math
import os
import random
import re
import shutil
import sqlite3
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from profileapp import probe
from profileapp.collect.custom.block import LineParser
from profileapp.collect.custom.line import InvalidSample, parse_line
from profileapp.collect.custom.pywaggle_log import PywaggleParser
from profileapp.collect.custom.statsd_line import StatsdParser
from profileapp.collect.functions.tau_profile import parse_tau_file
from profileapp.collect.gpu.memory_nvmap import parse_clients
from profileapp.collect.jetson.tegrastats_line import TegrastatsParser
from profileapp.collect.jetson.throttle import power_mode_number
from profileapp.collect.kernels.database import read_kernel_database
from profileapp.collect.kernels.report import parse_kernel_report
from profileapp.collect.system.proc_load import parse_cpu_times
from profileapp.config.load import load
from profileapp.errors import AgentError, ConfigError, ProfileappError, Unavailable
from profileapp.judge.verdict import judge_folder
from profileapp.model.series import Series
from profileapp.model.stacks import function_rows, read_folded
from profileapp.model.target import Target
from profileapp.model.url import url_problem
from profileapp.plan.drawing import plan_drawing
from profileapp.plan.expand import make_plan
from profileapp.plan.table import plan_table
from profileapp.record.folder import RunFolder
from profileapp.record.tree import remove_tree
from profileapp.report.digest import digest_json
from profileapp.report.jenkins.junit import junit_xml
from profileapp.report.markdown import markdown
from profileapp.report.tables import series_csv, summary_csv
from profileapp.run.agent.jetson_facts import l4t_release, module_name, power_mode
from profileapp.run.dataset.unpacker import unpack_within
from profileapp.store.database import Database, open_database
from profileapp.store.ingest import store_folder
from tests.helpers.fake_tools import NVPROF_CSV, TAU_PROFILE
from tests.helpers.paths import RECORDED
from tests.store.runs import CPU, FPS, START_NS, a_run, record

BUDGET_S = float(os.environ.get("PROFILEAPP_FUZZ_S", "30"))
LONGEST = 200_000
SECONDS_PER_BYTE = 20e-6
FIXED_S = 0.2
"""A garbage collection, or another process on the machine, may come in between."""
FOLDER = Path(tempfile.gettempdir()) / f"profileapp-fuzz-{os.getpid()}"
VALUES: list[Any] = [
    None,
    True,
    "",
    "x" * 5000,
    "../../x",
    "\x1b[2J\u202e",
    "a\x00b",
    0,
    -1,
    2**31,
    2**63,
    2**64,
    10**30,
    0.0,
    -0.0,
    1e308,
    -1e308,
    5e-324,
    math.nan,
    math.inf,
    [],
    {},
    [[]],
    [None],
    {"": ""},
    "1e999",
    "NaN",
]

TEGRASTATS = (
    b"10-26-2025 05:11:08 RAM 7035/62841MB (lfb 2x4MB) SWAP 86/31420MB (cached 0MB) IRAM 0/252kB(lfb 252kB) "
    b"CPU [32%@883,off,28%@729] cpu [17%,13%]@408 MTS fg 1% bg 9% EMC_FREQ 2%@2133 GR3D_FREQ 40%@[305,611] "
    b"NVENC off VIC_FREQ 729 APE 174 cpu@48.312C gpu@-256C tj@48.25C/49.5C "
    b"VDD_SOC 1497mW VIN 7953mW/8332mW/8710mW NC 0/0 NC 0/0"
)
NSYS = b"""Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name
75.0,30000000,10,3000000.0,3000000.0,2000000,4000000,1.0,"infer(float*, int)"
"""
STACKS = b'process 12:"python app.py";<module> (app.py:3);work (lib/job.py:40);memcpy (libc.so.6) 17\n'
STAT = b"cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 1\n"
NVMAP = b"user  my app 2  4711  512K\nkernel  carveout  0  64K\ntotal  66432K\n"
WORDS = [
    b"%",
    b"@",
    b"/",
    b"[",
    b"]",
    b"C",
    b"mW",
    b"-",
    b"1e999",
    b"nan",
    b"9" * 40,
    b"\0",
    b"\xff",
    b'"',
    b";",
    b",",
    b"\n",
]


FACTS = [b"# R36 (release), REVISION: 3.0", b"nvidia,p3737-0000+p3701-0005\0", b"< POWER_MODEL ID=1 NAME=X >"]


def _tegrastats(content: bytes) -> None:
    readings, _ = PARSER.parse(content.decode("latin-1"))
    assert all(-1e20 < value < 1e20 for _, value in readings)


def _tau(content: bytes) -> None:
    parse_tau_file(io.BytesIO(content))


def _kernels(content: bytes) -> None:
    parse_kernel_report(content.decode("utf-8", errors="replace").split("\n"))


def _stacks(content: bytes) -> None:
    function_rows(read_folded(io.BytesIO(content)), 100)


def _facts(content: bytes) -> None:
    text = content.decode("latin-1")
    l4t_release(text)
    module_name(text)
    power_mode("pmode:0001", text)
    power_mode_number(content)


PARSER = TegrastatsParser()


def _line(content: bytes) -> None:
    with suppress(InvalidSample):
        parse_line(content)
    parser = LineParser()
    list(parser.parse_batch(content))
    with suppress(InvalidSample):
        parser.parse(content)


def _statsd(content: bytes) -> None:
    for is_change in (False, True):
        parser = StatsdParser(signed_gauge_is_change=is_change)
        list(parser.parse_batch(content))
        with suppress(InvalidSample):
            parser.parse(content)


def _pywaggle(content: bytes) -> None:
    parser = PywaggleParser()
    for line in content.split(b"\n"):
        with suppress(InvalidSample):
            parser.parse(line, START_NS)


def _kernel_database(content: bytes) -> None:
    (FOLDER / "trace.sqlite").write_bytes(content)
    with suppress(ProfileappError, ValueError, Unavailable):
        read_kernel_database(FOLDER / "trace.sqlite", 2.0)


def _yaml(content: bytes) -> None:
    path = FOLDER / "yaml" / "sage.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    try:
        plan = make_plan(load(path), None)
    except ConfigError as error:
        assert all(line.isprintable() and len(line) < 2000 for line in str(error).splitlines()), str(error)
    else:
        shown = plan_table(plan) + plan_drawing(plan)
        assert all(line.isprintable() for line in shown.split("\n")), shown


def _archive(content: bytes) -> None:
    (FOLDER / "archive").write_bytes(content)
    folder = FOLDER / "unpacked"
    folder.mkdir()
    outcome = unpack_within(FOLDER / "archive", folder, 10**8)
    remove_tree(folder)
    assert outcome.refused.isprintable() and not outcome.disk_error, outcome


def _answer(content: bytes) -> None:
    url_problem(content.decode("latin-1"))
    # An answer that is not HTTP raises ValueError, which means that the service is not ready.
    with suppress(ValueError):
        probe._status(content)


def _judged(folder: Path) -> None:
    judged = judge_folder(folder)
    assert not judged.judge_error, judged.judge_error
    junit_xml([judged])
    series_csv(judged)
    summary_csv([judged])
    markdown([judged])
    digest_json([judged])


def _run(content: bytes) -> None:
    folder = _recorded()
    (folder / "run.json").write_bytes(content)
    _judged(folder)


def _metrics(content: bytes) -> None:
    folder = _recorded()
    (folder / "metrics.ndjson").write_bytes(content)
    _judged(folder)


def _tables(content: bytes) -> None:
    folder = _recorded()
    for name in ("functions.csv", "kernels.csv", "stacks.folded", "stacks.txt"):
        (folder / name).write_bytes(content)
    _judged(folder)


def _stored(content: bytes) -> None:
    folder = _recorded()
    (folder / "run.json").write_bytes(content)
    with suppress(AgentError):
        store_folder(_database(), folder)


@cache
def _database() -> Database:
    return open_database(str(FOLDER / "profiles.db"), write=True)


def _recorded() -> Path:
    """The folder of a complete run, unchanged by the previous parser."""
    folder, files = _complete_run()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@cache
def _complete_run() -> tuple[Path, dict[str, bytes]]:
    target = Target("gpu", budgets={"fps.mean": ">= 1", "fps.mean@load": ">= 1"})
    phase = Series("load", "", "custom", (), "phase")
    event = Series("frame", "", "custom", (), "event")
    run = msgspec.structs.replace(a_run("fuzz"), target=target)
    folder = record(FOLDER, run, {FPS: [10.0] * 5, CPU: [50.0] * 5, phase: [1, 0], event: [1, 1]}, tables=True)
    RunFolder(folder).write_run(judge_folder(folder).run)
    return folder, {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}


def _archives() -> list[bytes]:
    made = []
    for mode in ("w", "w:gz", "w:bz2", "w:xz"):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode=mode, format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
            for name in ("a/b", "ü" * 120, "c"):
                info = tarfile.TarInfo(name)
                info.size = 300
                archive.addfile(info, io.BytesIO(b"x" * 300))
        made.append(packed.getvalue())
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b", b"x" * 3000)
        archive.writestr("c", b"y")
    return [*made, zipped.getvalue()]


def _sqlite() -> bytes:
    path = FOLDER / "valid_samples.sqlite"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "CREATE TABLE StringIds (id INTEGER PRIMARY KEY, value TEXT);"
            "INSERT INTO StringIds VALUES (1, 'gemm');"
            "CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INTEGER, end INTEGER, demangledName INTEGER);"
            "INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (1, 5, 1), (6, 9, 1);"
            "CREATE TABLE CUPTI_ACTIVITY_KIND_MEMCPY (start INTEGER, end INTEGER, copyKind INTEGER, bytes INTEGER);"
            "INSERT INTO CUPTI_ACTIVITY_KIND_MEMCPY VALUES (1, 5, 1, 100);"
        )
    return path.read_bytes()


def _runs() -> list[bytes]:
    return [(_recorded() / "run.json").read_bytes()]


class Parser(msgspec.Struct, frozen=True):
    """A parser of an app's bytes. `valid_samples` returns them; with `is_json`, values are mutated as well as bytes.

    `fixed_s` is the time that one call may take for any length.
    """

    parse: Callable[[bytes], object]
    valid_samples: Callable[[], list[bytes]]
    recorded: str = "-"
    is_json: bool = False
    fixed_s: float = FIXED_S


LINES = [
    b'{"name":"fps","value":12.5,"timestamp":1795000000000000000,"meta":{"unit":"frames/s","kind":"gauge"}}\n' * 3,
    b'{"name":"load","value":1,"meta":{"kind":"phase"}}\n{"name":"n","value":3,"timestamp":"2026-11-18T11:06:40.5Z"}\n',
]
PYWAGGLE = [b'{"name":"env.count","ts":"2026-11-18T11:06:40.123456789","value":3,"meta":{"camera":"left"}}\n' * 2]
STATSD = [
    b"fps:12.5|g|#camera:left,unit:fps\nn:1:2:3|c|@0.1\nt:320|ms\nd:1|d|T1795000000\nu:a|s\n_e{5,4}:title|text|#a:b\n"
]
CONFIG = (Path(__file__).parents[2] / "docs" / "cookbook.md").read_text(encoding="utf-8")
YAML = [block.encode() for block in re.findall(r"```yaml\n(.*?)```", CONFIG, re.DOTALL) if "profiling:" in block]
HTTP = [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\n\r\n", b"https://host:80/a?b", b"s3://bucket/a/b"]
PARSERS = {
    "tegrastats": Parser(_tegrastats, lambda: [TEGRASTATS], "tegrastats/**/*.txt"),
    "tau": Parser(_tau, lambda: [TAU_PROFILE.encode()], "tau/**/profile.*"),
    "kernels": Parser(_kernels, lambda: [NVPROF_CSV.encode(), NSYS], "gpu-summary/given/*"),
    "kernel-database": Parser(_kernel_database, lambda: [_sqlite()], fixed_s=4.0),
    "stacks": Parser(_stacks, lambda: [STACKS]),
    "stat": Parser(parse_cpu_times, lambda: [STAT]),
    "nvmap": Parser(parse_clients, lambda: [NVMAP]),
    "facts": Parser(_facts, lambda: FACTS),
    "socket-lines": Parser(_line, lambda: LINES, is_json=True),
    "statsd": Parser(_statsd, lambda: STATSD),
    "pywaggle": Parser(_pywaggle, lambda: PYWAGGLE, is_json=True),
    "yaml": Parser(_yaml, lambda: YAML, fixed_s=2.0),
    "archive": Parser(_archive, _archives, fixed_s=5.0),
    "answers": Parser(_answer, lambda: HTTP),
    "run": Parser(_run, _runs, is_json=True, fixed_s=4.0),
    "metrics": Parser(_metrics, lambda: [(_recorded() / "metrics.ndjson").read_bytes()], is_json=True, fixed_s=4.0),
    "tables": Parser(_tables, lambda: [each.read_bytes() for each in _recorded().glob("*.csv")], fixed_s=4.0),
    "store": Parser(_stored, _runs, is_json=True, fixed_s=8.0),
}


def seeds(own: list[bytes], pattern: str) -> list[bytes]:
    """Our samples, and recorded ones if available: one line or table each."""
    found = list(own)
    for path in sorted(RECORDED.glob(pattern)) if pattern != "-" else ():
        if path.is_file():
            content = path.read_bytes()[:20_000]
            found += content.splitlines()[:20] if path.suffix == ".txt" else [content]
    return found


def mutated(valid_samples: list[bytes], rng: random.Random) -> bytes:
    """A sample with a few bytes, pieces or fields changed; sometimes a long one."""
    content = bytearray(rng.choice(valid_samples))
    for _ in range(rng.randint(1, 8)):
        at = rng.randint(0, len(content))
        piece = rng.randint(0, 20)
        match rng.randint(0, 5):
            case 0:
                content[at : at + 1] = bytes([rng.randint(0, 255)])
            case 1:
                del content[at : at + piece]
            case 2:
                content[at:at] = rng.choice(WORDS)
            case 3:
                content[at:at] = content[at : at + piece]
            case 4:
                other = rng.choice(valid_samples)
                begin = rng.randint(0, len(other))
                content[at:at] = other[begin : begin + piece]
            case _:
                content = content[:at]
    if rng.random() < 0.02 and content:
        content = content * min(2000, LONGEST // len(content))
    return bytes(content[:LONGEST])


def changed_value(content: bytes, rng: random.Random) -> bytes:
    """JSON, or lines of it, with one value or key replaced by another; unchanged if it is not JSON."""
    lines = [content] if content.lstrip().startswith(b"{") and b"\n " in content else content.split(b"\n")
    at = rng.randrange(len(lines))
    try:
        root = json.loads(lines[at])
    except ValueError:
        return content
    for _ in range(rng.randint(1, 3)):
        inner: Any = root
        while isinstance(inner, dict | list) and inner:
            key = rng.choice(list(inner)) if isinstance(inner, dict) else rng.randrange(len(inner))
            if not isinstance(inner[key], dict | list) or not inner[key] or rng.random() < 0.2:
                inner[key] = deepcopy(rng.choice(VALUES))
                break
            inner = inner[key]
    lines[at] = json.dumps(root).encode()
    return b"\n".join(lines)


@pytest.fixture(scope="module", autouse=True)
def folder() -> Iterator[None]:
    FOLDER.mkdir(exist_ok=True)
    yield
    shutil.rmtree(FOLDER, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.timeout(BUDGET_S + 180)
@pytest.mark.parametrize("name", PARSERS)
def test_no_parser_raises_or_hangs(name: str) -> None:
    parser = PARSERS[name]
    valid_samples = seeds(parser.valid_samples(), parser.recorded)
    for content in valid_samples:
        parser.parse(content)
    seed = random.SystemRandom().getrandbits(32)
    rng = random.Random(seed)  # noqa: S311 (no secret)
    rounds = 0
    until_s = time.monotonic() + BUDGET_S / len(PARSERS)
    while time.monotonic() < until_s or rounds < 10:
        content = mutated(valid_samples, rng)
        if parser.is_json and rng.random() < 0.7:
            content = changed_value(rng.choice(valid_samples), rng)
        began_s = time.thread_time()
        try:
            parser.parse(content)
        except Exception as error:
            raise AssertionError(f"seed {seed}, round {rounds}: {error!r} of {content[:2000]!r}") from error
        took_s = time.thread_time() - began_s
        assert took_s < parser.fixed_s + SECONDS_PER_BYTE * len(content), (seed, rounds, len(content), content[:300])
        rounds += 1
