"""Whatever a parser is given it raises nothing, and takes no longer than its length: mutations of what is sound.

Some seconds for each parser, PROFILEAPP_FUZZ_S in all (30 where it is not set; `make fuzz` takes ten minutes). A
failure tells the seed and the input; hypothesis' tests beside each parser look for smaller ones.
"""

from __future__ import annotations

import io
import os
import random
import time
from collections.abc import Callable

import pytest
from tests.helpers.fake_tools import NVPROF_CSV, TAU_PROFILE
from tests.helpers.paths import RECORDED

from profileapp.collect.functions.tau_profile import parse_tau_file
from profileapp.collect.gpu.memory_nvmap import parse_clients
from profileapp.collect.jetson.tegrastats_line import TegrastatsParser
from profileapp.collect.jetson.throttle import power_mode_number
from profileapp.collect.kernels.report import parse_kernel_report
from profileapp.collect.system.proc_load import parse_cpu_times
from profileapp.model.stacks import function_rows, read_folded
from profileapp.run.agent.jetson_facts import l4t_release, module_name, power_mode

BUDGET_S = float(os.environ.get("PROFILEAPP_FUZZ_S", "30"))
LONGEST = 200_000
SECONDS_PER_BYTE = 20e-6
FIXED_S = 0.2
"""A garbage collection, or another process on the machine, may come in between."""

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
PARSERS: dict[str, tuple[Callable[[bytes], object], list[bytes], str]] = {
    "tegrastats": (_tegrastats, [TEGRASTATS], "tegrastats/**/*.txt"),
    "tau": (_tau, [TAU_PROFILE.encode()], "tau/**/profile.*"),
    "kernels": (_kernels, [NVPROF_CSV.encode(), NSYS], "gpu-summary/given/*"),
    "stacks": (_stacks, [STACKS], "-"),
    "stat": (parse_cpu_times, [STAT], "-"),
    "nvmap": (parse_clients, [NVMAP], "-"),
    "facts": (
        _facts,
        [b"# R36 (release), REVISION: 3.0", b"nvidia,p3737-0000+p3701-0005\0", b"< POWER_MODEL ID=1 NAME=X >"],
        "-",
    ),
}


def seeds(own: list[bytes], pattern: str) -> list[bytes]:
    """Our own samples, and recorded ones where they are at hand: a line or a table each."""
    found = list(own)
    for path in sorted(RECORDED.glob(pattern)) if pattern != "-" else ():
        if path.is_file():
            content = path.read_bytes()[:20_000]
            found += content.splitlines()[:20] if path.suffix == ".txt" else [content]
    return found


def mutated(sound: list[bytes], dice: random.Random) -> bytes:
    """A sample with a few bytes, pieces or words changed; now and then a long one."""
    content = bytearray(dice.choice(sound))
    for _ in range(dice.randint(1, 8)):
        at = dice.randint(0, len(content))
        piece = dice.randint(0, 20)
        match dice.randint(0, 5):
            case 0:
                content[at : at + 1] = bytes([dice.randint(0, 255)])
            case 1:
                del content[at : at + piece]
            case 2:
                content[at:at] = dice.choice(WORDS)
            case 3:
                content[at:at] = content[at : at + piece]
            case 4:
                other = dice.choice(sound)
                begin = dice.randint(0, len(other))
                content[at:at] = other[begin : begin + piece]
            case _:
                content = content[:at]
    if dice.random() < 0.02 and content:
        content = content * min(2000, LONGEST // len(content))
    return bytes(content[:LONGEST])


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_nothing_is_raised_and_nothing_hangs(name: str) -> None:
    parse, own, pattern = PARSERS[name]
    sound = seeds(own, pattern)
    seed = random.SystemRandom().getrandbits(32)
    dice = random.Random(seed)  # noqa: S311 (no secret)
    rounds = 0
    until_s = time.monotonic() + BUDGET_S / len(PARSERS)
    while time.monotonic() < until_s or rounds < 10:
        content = mutated(sound, dice)
        began_s = time.thread_time()
        try:
            parse(content)
        except Exception as error:
            raise AssertionError(f"seed {seed}, round {rounds}: {error!r} of {content[:500]!r}") from error
        took_s = time.thread_time() - began_s
        assert took_s < FIXED_S + SECONDS_PER_BYTE * len(content), (seed, rounds, len(content), content[:300])
        rounds += 1
