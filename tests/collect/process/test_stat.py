"""Parsing of `/proc/PID/stat`, whatever name a process has."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect.process.stat import has_ended, parse_stat, read_stat

# The kernel's format (Linux 6.18); fields 4 to 52 follow the name and the state.
FIELDS = "12 34 56 0 -1 4194304 100 200 0 0 7 8 9 10 20 0 3 0 5555 123456 789 18446744073709551615" + " 0" * 27


@given(
    name=st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=15),
    pid=st.integers(1, 2**22),
)
def test_any_name_keeps_the_numbers_in_place(name: str, pid: int) -> None:
    stat = parse_stat(f"{pid} ({name}) S {FIELDS}\n".encode())
    assert (stat.pid, stat.state, stat.parent, stat.session) == (pid, b"S", 12, 56)
    assert (stat.own_ticks, stat.reaped_ticks) == (7 + 8, 9 + 10)
    assert (stat.threads, stat.started_ticks, stat.resident_pages) == (3, 5555, 789)


def test_a_name_that_resembles_the_end_of_the_field() -> None:
    assert parse_stat(f"9 (a) R 1 1 (b) ) Z {FIELDS}".encode()).is_dead


@given(st.binary())
def test_anything_else_is_a_value_error_or_a_stat(content: bytes) -> None:
    with suppress(ValueError):
        parse_stat(content)


def test_reads_this_process() -> None:
    stat = read_stat(Path("/proc"), os.getpid())
    assert stat is not None
    assert (stat.pid, stat.parent, stat.session) == (os.getpid(), os.getppid(), os.getsid(0))
    assert stat.threads >= 1
    assert stat.resident_pages > 100
    assert not has_ended(Path("/proc"), os.getpid())


@pytest.mark.parametrize("zombie", [False, True])
def test_a_zombie_has_ended(zombie: bool) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | (0 if zombie else os.WNOWAIT))
    try:
        assert has_ended(Path("/proc"), pid)
    finally:
        if not zombie:
            os.waitpid(pid, 0)
