"""Folded stacks of py-spy: written by hand, hostile, and recorded."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.model import stacks as folded
from profileapp.model.stacks import FoldedStacks, Frame, function_rows, parse_frame, read_folded

RAW = """\
<module> (app.py:10);work (lib/job.py:4) 60
<module> (app.py:10);work (lib/job.py:5);fib (lib/job.py:2);fib (lib/job.py:2) 20
<module> (app.py:10);work (lib/job.py:5);fib (lib/job.py:2) 10
<module> (app.py:11);memcpy (libc.so.6) 10
"""


def read(text: str) -> FoldedStacks:
    return read_folded(io.BytesIO(text.encode()))


def test_functions_have_self_and_total_share() -> None:
    rows = function_rows(read(RAW))
    assert [(row.name, row.file, row.line, row.samples, row.self_share, row.total_share) for row in rows] == [
        ("work", "lib/job.py", 4, 60, 0.6, 0.9),
        ("fib", "lib/job.py", 2, 30, 0.3, 0.3),
        ("memcpy", "libc.so.6", 0, 10, 0.1, 0.1),
        ("<module>", "app.py", 10, 0, 0.0, 1.0),
    ]
    assert {(row.metric, row.calls, row.exclusive_s) for row in rows} == {("functions", None, None)}


def test_times_are_given_if_the_rate_is_known() -> None:
    work = function_rows(read(RAW), rate_hz=50)[0]
    assert (work.exclusive_s, work.inclusive_s) == pytest.approx((1.2, 1.8))


def test_recursion_counts_once() -> None:
    rows = function_rows(read("a (x.py:1);b (x.py:2);a (x.py:3);b (x.py:4);a (x.py:1) 7\na (x.py:1) 3"))
    assert {row.name: (row.self_share, row.total_share) for row in rows} == {"a": (1.0, 1.0), "b": (0.0, 0.7)}


def test_processes_and_threads_are_not_functions() -> None:
    text = (
        'process 12:"python -c "import a;b=1 (x)" 3";thread (0x7F12): Worker;run (t.py:1) 4\n'
        'process 12:"python -c "import a;b=1 (x)" 3";thread (12): Main;run (t.py:1);go (t.py:2) 5\n'
        'process 12:"idle" 1\n'
    )
    stacks = read(text)
    assert [frame.name for frame in stacks.frames if frame.is_root] == [
        'process 12:"python -c "import a;b=1 (x)" 3"',
        "thread (0x7F12): Worker",
        "thread (12): Main",
        'process 12:"idle"',
    ]
    rows = function_rows(stacks)
    assert [(row.name, row.samples, row.total_share) for row in rows] == [("go", 5, 0.5), ("run", 4, 0.9)]


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ("work (lib/job.py:40)", Frame("work", "lib/job.py", 40)),
        ("A.run.<locals>.<lambda> (app.py:3)", Frame("A.run.<locals>.<lambda>", "app.py", 3)),
        ("memcpy (libc.so.6)", Frame("memcpy", "libc.so.6")),
        ("f(int, char) (x.cpp:7)", Frame("f(int, char)", "x.cpp", 7)),
        ("0x7f087144524a (libc.so.6)", Frame("[unresolved]", "libc.so.6")),
        ("exec (<string>:1)", Frame("exec", "<string>", 1)),
        ("bare", Frame("bare")),
        ("f ()", Frame("f ()")),
        ("processing (a.py:1)", Frame("processing", "a.py", 1)),
        ("process (a.py:1)", Frame("process", "a.py", 1)),
        ("thread (a.py:1)", Frame("thread", "a.py", 1)),
        ("  spaces   within  (a.py:1) ", Frame("spaces within", "a.py", 1)),
    ],
)
def test_frames(text: str, frame: Frame) -> None:
    assert parse_frame(text) == frame
    assert parse_frame(frame.text) == frame


@pytest.mark.parametrize(
    "bad",
    [
        "a (x.py:1);b (x.py:2)",
        "a (x.py:1) -3",
        "a (x.py:1) 0",
        "a (x.py:1) 1.5",
        "a (x.py:1) ٣",
        f"a (x.py:1) {10**18}",
        " 12",
        ";;; 12",
        "12",
        "a;" * folded.LINE_LIMIT_BYTES + " 1",
        "\x00\x01",
    ],
)
def test_a_truncated_or_garbled_line_is_skipped(bad: str) -> None:
    lines = RAW.splitlines()
    stacks = read("\n".join([*lines[:2], bad, *lines[2:]]))
    assert (stacks.samples, stacks.unread_lines, stacks.omitted) == (100, 1, 0)


def test_lines_of_one_stack_are_added_up() -> None:
    stacks = read(RAW + "\n\n" + RAW)
    assert (stacks.samples, len(stacks.stacks), len(stacks.frames)) == (200, 4, 6)


def test_a_deep_stack_keeps_its_ends() -> None:
    stacks = read(";".join(f"f{depth}" for depth in range(5000)) + " 3")
    [(stack, count)] = stacks.stacks
    assert (len(stack), count) == (folded.DEPTH_LIMIT, 3)
    assert [stacks.frames[index].name for index in (stack[0], stack[-2], stack[-1])] == ["f0", "f510", "f4999"]


@pytest.mark.parametrize(
    ("limit", "value", "omitted"),
    [("STACKS_LIMIT", 2, 20), ("FRAMES_LIMIT", 4, 10), ("ENTRIES_LIMIT", 6, 20)],
)
def test_kept_stacks_are_bounded(limit: str, value: int, omitted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folded, limit, value)
    stacks = read(RAW)
    assert (stacks.samples, stacks.omitted) == (100 - omitted, omitted)
    assert sum(row.self_share for row in function_rows(stacks)) == pytest.approx(1.0)


def test_reading_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folded, "TOTAL_LIMIT_BYTES", 60)
    stacks = read(RAW * 3)
    assert stacks.samples == 80 and stacks.unread_lines == 1, "a whole line is read though it goes over the limit"


def test_without_samples_there_are_no_rows() -> None:
    assert function_rows(read("")) == ()


parts = st.sampled_from(["a (x.py:1)", "b (x.py:2)", "c", 'process 1:"x', 'y"', "thread (1): t", ""]) | st.text(
    max_size=9
)
lines = st.builds(lambda frames, count: f"{';'.join(frames)} {count}", st.lists(parts, max_size=6), st.integers(-1, 9))


@given(st.lists(lines | st.text(max_size=20), max_size=12).map("\n".join) | st.binary(max_size=100))
def test_no_content_raises_and_shares_are_valid(text: str | bytes) -> None:
    stacks = read_folded(io.BytesIO(text.encode("utf-8", errors="replace") if isinstance(text, str) else text))
    rows = function_rows(stacks)
    for row in rows:
        assert row.total_share is not None and 0 <= row.self_share <= row.total_share <= 1
    assert sum(row.self_share for row in rows) <= 1 + 1e-9


@pytest.mark.parametrize(
    "token", [";", " ", "(", ")", " (", ":1", "a (", 'process 1:";', 'process 1:"x;', "a;", "a (x:1);", "0x"]
)
def test_parsing_time_is_linear_in_the_length(token: str) -> None:
    line = (token * folded.LINE_LIMIT_BYTES)[: folded.LINE_LIMIT_BYTES - 20]
    began_s = time.process_time()
    function_rows(read(f"{line} 1\n{line}a (b:1) 2\n" * 5))
    assert time.process_time() - began_s < 4


def test_parsing_time_of_semicolons_is_linear_in_the_length() -> None:
    line = 'process 1:"x' + ";" * (folded.LINE_LIMIT_BYTES - 20) + " 1\n"
    began_s = time.process_time()
    assert read(line * 10).samples == 10
    assert time.process_time() - began_s < 4


def test_the_output_of_a_real_py_spy_is_parsed(tmp_path: Path) -> None:
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        pytest.skip("no py-spy is installed")
    app = tmp_path / "busy.py"
    app.write_text(
        "import time\n"
        "def spin(end):\n"
        "    while time.monotonic() < end:\n"
        "        sum(range(1000))\n"
        "def main():\n"
        "    spin(time.monotonic() + 2)\n"
        "main()\n"
    )
    command = [spy, "record", "--rate", "50", "--format", "raw", "--threads", "--output"]
    made = subprocess.run(
        [*command, tmp_path / "raw", "--", sys.executable, app],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if not (tmp_path / "raw").exists():
        pytest.skip(f"py-spy may not look at its own child here: {made.stderr[-200:]}")
    with (tmp_path / "raw").open("rb") as stream:
        stacks = read_folded(stream)
    assert stacks.samples > 10 and stacks.unread_lines == 0
    # The start of Python has a function `main`, too.
    rows = {row.name: row for row in function_rows(stacks, 50) if row.file.endswith("busy.py")}
    assert rows["spin"].self_share > 0.5 and rows["spin"].line in (3, 4)
    assert rows["main"].self_share < 0.1 and (rows["main"].total_share or 0) > 0.5
