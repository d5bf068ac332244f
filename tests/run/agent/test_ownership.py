"""Whether a worker is still alive, decided from its marks alone; no live worker counts as dead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from profileapp.run.agent.ownership import Worker, life_of, owner, parse_worker, this_worker
from profileapp.run.docker.marks import OWNER_LABEL, RUN_LABEL, WORKER_LABEL, Marks

RUN = "20260101T000000-0123abcd"


@pytest.fixture
def own(tmp_path: Path) -> Worker:
    (tmp_path / "lock").touch()
    return this_worker(tmp_path / "lock")


def changed(worker: Worker, **changes: object) -> Worker:
    return msgspec.structs.replace(worker, **changes)


def test_a_worker_round_trips_and_other_text_is_refused(own: Worker) -> None:
    assert parse_worker(str(own)) == own and own.pid == os.getpid()
    for text in ("", "x", f"{own} ", f"{own}.1", str(own).upper() + "G", "0" * 32 + ".1.1.1"):
        assert parse_worker(text) is None


def test_in_the_same_namespace_the_process_decides(own: Worker) -> None:
    assert life_of(own, own, is_own_machine=True) == "live"
    # Its pid was reused, or is free; even if the lock is held.
    assert life_of(changed(own, started_ticks=own.started_ticks + 1), own, is_own_machine=True) == "dead"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert life_of(changed(own, pid=ended.pid), own, is_own_machine=True) == "dead"


def test_a_zombie_is_dead(own: Worker) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19])
    worker = changed(own, pid=child.pid, started_ticks=started)
    assert life_of(worker, own, is_own_machine=True) == "live"
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert life_of(worker, own, is_own_machine=True) == "dead"
    child.wait()


def test_after_a_reboot_workers_of_this_machine_are_dead(own: Worker) -> None:
    before = changed(own, boot="f" * 32)
    assert life_of(before, own, is_own_machine=True) == "dead"
    assert life_of(before, own, is_own_machine=False) == "unknown"


def test_in_an_invisible_namespace_the_lock_decides(own: Worker) -> None:
    elsewhere = changed(own, pid_namespace=own.pid_namespace + 1)
    inside = changed(own, pid_namespace=own.pid_namespace + 2)
    assert life_of(elsewhere, inside, is_own_machine=True) == "dead"
    assert life_of(changed(elsewhere, lock="1f"), inside, is_own_machine=True) == "unknown"
    nobody = changed(inside, lock="0")
    assert life_of(changed(elsewhere, lock="0"), nobody, is_own_machine=True) == "unknown"


@pytest.mark.skipif(os.getuid() != 0, reason="a namespace needs root")
def test_a_worker_in_a_container_is_visible_to_the_host(own: Worker) -> None:
    if own.pid_namespace != 0xEFFFFFFC:
        pytest.skip("these tests are in a container themselves")
    child = subprocess.Popen(["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", (
        "import os,sys,time; print(os.getpid(), os.stat('/proc/self/ns/pid').st_ino, "
        "open('/proc/self/stat').read().rpartition(')')[2].split()[19], flush=True); sys.stdin.read()"
    )], stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert child.stdout
    assert child.stdin
    pid, namespace, started = map(int, child.stdout.readline().split())
    worker = changed(own, pid=pid, pid_namespace=namespace, started_ticks=started)
    assert life_of(worker, own, is_own_machine=True) == "live"
    child.stdin.close()
    child.wait()
    assert life_of(worker, own, is_own_machine=True) == "dead"


def test_marks_identify_user_and_machine(tmp_path: Path, own: Worker) -> None:
    (tmp_path / "id").write_text("0" * 32)
    assert owner(tmp_path / "id") != owner() and owner().endswith(f"-{os.getuid()}")
    marks = Marks(owner(), tmp_path, tmp_path / "lock")
    labels = marks.labels(RUN)
    assert marks.read_labels(labels) == marks.read_image_name(marks.image_name(RUN)) == (RUN, own)
    assert len(marks.image_name(RUN).partition(":")[2]) <= 128, "what Docker takes for a tag"
    other = Marks(f"{owner()}0", tmp_path, tmp_path / "lock")
    assert other.read_labels(labels) is other.read_image_name(marks.image_name(RUN)) is None
    for label in (RUN_LABEL, OWNER_LABEL, WORKER_LABEL):
        for value in ("", "../..", "x" * 1000):
            assert marks.read_labels({**labels, label: value}) is None
    assert marks.read_labels(None) is None
