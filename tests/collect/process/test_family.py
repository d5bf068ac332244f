"""Membership of a process family, and the resources used by all members."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect.process.family import STRANGERS_KEPT_NS, CpuAccount, Family, IoAccount, parse_io
from profileapp.collect.process.stat import ProcessStat, parse_stat


def stat_text(pid: int, parent: int, session: int = 1, started: int = 100, own: int = 0, reaped: int = 0) -> str:
    return f"{pid} (app) S {parent} 1 {session} 0 -1 0 0 0 0 0 {own} 0 {reaped} 0 20 0 1 0 {started} 0 5" + " 0" * 28


def family_of(proc: Path, pid: int) -> Family:
    return Family(parse_stat((proc / str(pid) / "stat").read_bytes()), proc)


def pids(family: Family, now_ns: int = 0) -> set[int]:
    return {stat.pid for stat in family.scan(now_ns)}


WriteTree = Callable[[dict[str, str]], Path]


def test_a_family_has_the_descendants_and_the_session(write_tree: WriteTree) -> None:
    proc = write_tree(
        {
            "10/stat": stat_text(10, parent=1, session=10),
            "11/stat": stat_text(11, parent=10, session=10),
            "12/stat": stat_text(12, parent=11, session=12),
            "13/stat": stat_text(13, parent=1, session=10),  # its parent exited, but it is still in the session
            "20/stat": stat_text(20, parent=1, session=20),
            "21/stat": "half a line",
            "uptime": "1 1",
        }
    )
    assert pids(family_of(proc, 10)) == {10, 11, 12, 13}


def test_only_a_session_leader_brings_its_session(write_tree: WriteTree) -> None:
    proc = write_tree(
        {"5/stat": stat_text(5, 1, session=5), "10/stat": stat_text(10, 5, session=5), "11/stat": stat_text(11, 10, 5)}
    )
    assert pids(family_of(proc, 10)) == {10, 11}


def test_a_member_reparented_to_init_stays_a_member(write_tree: WriteTree) -> None:
    proc = write_tree({"10/stat": stat_text(10, 1, 10), "11/stat": stat_text(11, 10, 11)})
    family = family_of(proc, 10)
    assert pids(family) == {10, 11}
    write_tree({"11/stat": stat_text(11, 1, 11), "12/stat": stat_text(12, 11, 11)})
    assert pids(family) == {10, 11, 12}


def test_a_reused_pid_counts_as_another_process(write_tree: WriteTree) -> None:
    proc = write_tree(
        {"10/stat": stat_text(10, 1, 10), "11/stat": stat_text(11, 10, 11), "20/stat": stat_text(20, 1, 20)}
    )
    family = family_of(proc, 10)
    assert pids(family) == {10, 11}
    write_tree({"11/stat": stat_text(11, 1, 20, started=999), "20/stat": stat_text(20, 10, 20, started=999)})
    assert 11 not in pids(family)
    # A process outside of the family is not read again for a while.
    assert 20 in pids(family, STRANGERS_KEPT_NS + 1)


class Host:
    """Processes that use CPU time, fork, exit, and are reaped or not, with the kernel's accounting."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.next_pid = 2
        self.live = {1: [0, 0, 0]}  # by pid: parent, own ticks, reaped ticks
        self.used = 0
        self.unaccounted = 0

    def step(self) -> None:
        pid = self.chance.choice(sorted(self.live))
        what = self.chance.choice(["use", "use", "fork", "end"])
        if what == "use":
            ticks = self.chance.randrange(1, 50)
            self.live[pid][1] += ticks
            self.used += ticks
        elif what == "fork":
            self.live[self.next_pid] = [pid, 0, 0]
            self.next_pid += 1
        elif pid != 1:
            self.end(pid)

    def end(self, pid: int) -> None:
        parent, own, reaped = self.live.pop(pid)
        for other in self.live.values():
            if other[0] == pid:
                other[0] = 0
        if parent in self.live:
            self.live[parent][2] += own + reaped

    def stats(self) -> list[ProcessStat]:
        return [
            ProcessStat(pid, b"S", parent, 1, own, reaped, 1, pid, 0)
            for pid, (parent, own, reaped) in self.live.items()
        ]


@given(seed=st.integers(0, 10**6), scans=st.integers(1, 30))
def test_no_cpu_time_of_reaped_processes_is_lost(seed: int, scans: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    host, account = Host(chance), CpuAccount()
    before = account.total_ticks(host.stats())
    assert before == 0
    orphans = False
    for _ in range(scans):
        for _ in range(chance.randrange(12)):
            host.step()
            # An orphan's CPU time goes to init when it exits: only its last sample is known.
            orphans = orphans or any(parent == 0 for pid, (parent, _, _) in host.live.items() if pid != 1)
        total = account.total_ticks(host.stats())
        assert before <= total <= host.used
        assert orphans or total == host.used
        before = total


def test_the_cost_of_an_unreaped_process_remains() -> None:
    account = CpuAccount()
    first = ProcessStat(1, b"S", 0, 1, 10, 0, 1, 1, 0)
    orphan = ProcessStat(2, b"S", 0, 1, 70, 0, 1, 2, 0)
    assert account.total_ticks([first, orphan]) == 80
    assert account.total_ticks([first]) == 80
    # The pid is reused by another process.
    assert account.total_ticks([first, ProcessStat(2, b"S", 1, 1, 5, 0, 1, 9, 0)]) == 85


def test_io_of_exited_and_unreadable_processes_still_counts(write_tree: WriteTree) -> None:
    proc = write_tree(
        {"1/io": "rchar: 9\nread_bytes: 100\nwrite_bytes: 10\n", "2/io": "read_bytes: 50\nwrite_bytes: 5\n"}
    )
    account = IoAccount(proc)
    assert account.total_bytes([1, 2]) == (150, 15)
    assert account.total_bytes([1]) == (150, 15)
    (proc / "1/io").unlink()
    assert account.total_bytes([1]) == (150, 15)
    assert account.total_bytes([]) == (150, 15)
    assert IoAccount(proc).total_bytes([1]) is None


@given(st.binary())
def test_any_io_file_can_be_parsed(content: bytes) -> None:
    parse_io(content)


@pytest.mark.parametrize("content", [b"", b"read_bytes: 1\n", b"read_bytes: x\nwrite_bytes: 1\n"])
def test_io_without_both_numbers_is_none(content: bytes) -> None:
    assert parse_io(content) is None


def test_files_stay_open_and_a_gone_process_keeps_none() -> None:
    account = IoAccount(Path("/proc"))
    with subprocess.Popen(["sleep", "1000"]) as child:
        try:
            path = f"/proc/{child.pid}/io"
            assert account.total_bytes([child.pid]) is not None
            assert path in open_files()
            account.total_bytes([])
            assert path not in open_files()
            account.total_bytes([child.pid])
        finally:
            child.kill()
    account.total_bytes([child.pid])
    assert path not in open_files()
    account.close()


def open_files() -> list[str]:
    found = []
    for each in Path("/proc/self/fd").iterdir():
        # The listing's own descriptor is gone by now.
        with suppress(FileNotFoundError):
            found.append(str(each.readlink()))
    return found
