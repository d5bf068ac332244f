"""What containers, processes and daemons may try against `profileapp live`: names, labels, and sizes of them."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

from profileapp.live.change import Container
from profileapp.live.docker_reply import parse_inspected
from profileapp.live.lines import JsonLines, PlainLines, table
from profileapp.live.processes import WatchedProcess
from profileapp.model.target import NAME_PATTERN
from tests.helpers.live import LiveBench

EVIL = ("../../etc/passwd", "\x1b[2J\x1b]0;owned\x07", "a\nb\tc", "--all", "\u202egnp.exe", "x" * 100_000, "\ud800", "")


def evil_container(number: int, text: str) -> Container:
    labels = {"io.kubernetes.pod.name": text or "p", "io.kubernetes.container.name": text or "c", text: text}
    return parse_inspected({"Id": f"id{number}", "Name": f"/{text}", "Config": {"Image": text, "Labels": labels}})[0]


def test_names_and_labels_reach_no_path_and_no_terminal(tmp_path: Path) -> None:
    bench = LiveBench(tmp_path)
    for number, text in enumerate(EVIL):
        container = evil_container(number, text)
        bench.feed.start("", container_id=container.id, container=container)
    shown = bench.run_until(lambda each: len(each.targets) == len(EVIL))
    names = [row.name for row in shown.targets]
    assert len(set(names)) == len(EVIL)
    assert all(re.fullmatch(NAME_PATTERN, name) for name in names)
    stream = io.StringIO()
    PlainLines(stream, io.StringIO()).show(shown)
    lines = stream.getvalue() + table(shown) + "\n".join(bench.view.notes)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", lines)
    assert max(map(len, lines.splitlines())) < 400
    JsonLines(io.StringIO(), io.StringIO()).show(shown)


def test_a_process_may_call_itself_anything(tmp_path: Path) -> None:
    code = "import ctypes,sys; print(flush=True); sys.stdin.read()"
    argv = ["\x1b[2Jevil\n" + "x" * 500, "-c", code]
    with subprocess.Popen(argv, executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline()
        title = WatchedProcess(process.pid).title
        process.communicate(b"")
    assert "\x1b" not in title and "\n" not in title and len(title) < 60
    assert title.startswith("\\x1b[2Jevil\\n")
