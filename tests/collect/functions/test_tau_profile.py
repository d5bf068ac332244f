"""Profiles of TAU in every format, written by hand and recorded."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect.functions import tau_profile
from profileapp.collect.functions.tau_functions import tau_functions
from profileapp.collect.functions.tau_profile import TauFile, TauProfile, TauTimer, parse_tau_file, read_tau_profiles
from tests.helpers.paths import RECORDED

PROFILES = RECORDED / "tau"
recorded = pytest.mark.skipif(not PROFILES.is_dir(), reason="no recorded output beside the checkout")

HEADER = "# Name Calls Subrs Excl Incl ProfileCalls # <metadata><attribute><name>Metric Name</name><value>TIME</value>"
FLAT = """\
5 templated_functions_MULTI_TIME
# Name Calls Subrs Excl Incl ProfileCalls # <metadata></metadata>
".TAU application" 1 1 1000 1000000 0 GROUP="TAU_USER"
"int main(int, char **) C [{/src/main.c} {5,1}-{17,1}]  " 1 6 199000 999000 0 GROUP="TAU_DEFAULT"
"say "hi", twice [{app.py}{3}]" 2 0 300000.5 300000.5 0 GROUP="PYTHON"
"swap(int*) [{/src/x.cpp} {173,0}] [THROTTLED]" 100001 0 499999.5 499999.5 0 GROUP="TAU_DISABLE"
"MPI_Init()  " 1 0 0 0 0 GROUP="MPI"
0 aggregates
2 userevents
# eventname numevents max min mean sumsqr
"Message size for broadcast" 2 6 2 4 40
"Heap "used"" 1 8 8 8 64
"""
SAMPLED = """\
9 templated_functions_MULTI_TIME
# Name Calls Subrs Excl Incl ProfileCalls #
".TAU application" 1 0 100000 100000 0 GROUP="TAU_DEFAULT"
".TAU application => [CONTEXT] .TAU application" 3 0 0 90000 0 GROUP="TAU_SAMPLE_CONTEXT"
"[CONTEXT] .TAU application" 3 0 0 90000 0 GROUP="TAU_SAMPLE_CONTEXT"
".TAU application => [CONTEXT] .TAU application => [SAMPLE] f [{/a.c} {10}]" 2 0 60000 60000 0 GROUP="TAU_SAMPLE"
"[SAMPLE] f [{/a.c} {10}]" 2 0 60000 60000 0 GROUP="TAU_SAMPLE"
"[SAMPLE] f [{/a.c} {12}]" 1 0 30000 30000 0 GROUP="TAU_SAMPLE"
"[SUMMARY] f [{/a.c}]" 3 0 90000 90000 0 GROUP="TAU_SAMPLE"
"[UNWIND] main [{/a.c} {3}]" 3 0 90000 90000 0 GROUP="TAU_UNWIND"
"[SAMPLE] UNRESOLVED /lib/libc.so" 0 0 5000 5000 0 GROUP="TAU_SAMPLE"
0 aggregates
"""


def parse(text: str, metric: str = "") -> TauFile:
    return parse_tau_file(io.BytesIO(text.encode()), metric)


def profile_of(tmp_path: Path, **files: str) -> TauProfile:
    for name, text in files.items():
        (tmp_path / name.replace("_", ".")).write_text(text)
    [profile] = read_tau_profiles(tmp_path).metrics
    return profile


def test_a_flat_profile() -> None:
    file = parse(FLAT)
    assert (file.metric, file.unread_lines, file.missing_rows, file.omitted) == ("TIME", 0, 0, 0)
    assert [timer.name for timer in file.timers] == [
        ".TAU application",
        "int main(int, char **) C [{/src/main.c} {5,1}-{17,1}]",
        'say "hi", twice [{app.py}{3}]',
        "swap(int*) [{/src/x.cpp} {173,0}] [THROTTLED]",
        "MPI_Init()",
    ]
    assert file.timers[2] == TauTimer('say "hi", twice [{app.py}{3}]', ("PYTHON",), 2, 300000.5, 300000.5, 1)
    broadcast, heap = file.events
    assert (broadcast.name, broadcast.count, broadcast.min, broadcast.max, broadcast.mean, broadcast.stddev) == (
        "Message size for broadcast", 2, 2, 6, 4, 2,
    )  # fmt: skip
    assert (heap.name, heap.stddev) == ('Heap "used"', 0)


def test_functions_are_sorted_by_exclusive_time(tmp_path: Path) -> None:
    rows = tau_functions([profile_of(tmp_path, profile_0_0_0=FLAT)])
    assert [(row.name, row.file, row.line, row.group, row.calls) for row in rows] == [
        ("swap(int*) [THROTTLED]", "/src/x.cpp", 173, "TAU_DISABLE", 100001),
        ('say "hi", twice', "app.py", 3, "PYTHON", 2),
        ("int main(int, char **)", "/src/main.c", 5, "TAU_DEFAULT", 1),
        (".TAU application", "", 0, "TAU_USER", 1),
        ("MPI_Init()", "", 0, "MPI", 1),
    ]
    main = rows[2]
    assert (main.self_share, main.total_share) == pytest.approx((0.199, 0.999))
    assert (main.exclusive_s, main.inclusive_s, main.samples) == pytest.approx((0.199, 0.999, None))


def test_threads_are_added_up(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, profile_0_0_0=FLAT, profile_0_0_1=FLAT, profile_10_0_0=FLAT)
    assert (profile.threads, profile.total) == (3, 3_000_000)
    main = next(timer for timer in profile.timers if "main" in timer.name)
    assert (main.calls, main.exclusive, main.inclusive, main.threads) == (3, 597000, 2997000, 3)
    row = next(row for row in tau_functions([profile]) if "main" in row.name)
    assert (row.self_share, row.inclusive_s) == pytest.approx((0.199, 2.997))


def test_events_of_threads_are_added_up(tmp_path: Path) -> None:
    other = FLAT.replace('broadcast" 2 6 2 4 40', 'broadcast" 1 10 10 10 100')
    profile = profile_of(tmp_path, profile_0_0_0=FLAT, profile_1_0_0=other)
    event = next(event for event in profile.events if "broadcast" in event.name)
    # Standard deviation of 2, 6 and 10.
    assert (event.count, event.min, event.max, event.mean) == pytest.approx((3, 2, 10, 6))
    assert event.stddev == pytest.approx(3.26599, abs=1e-4)


def test_sampled_functions_have_one_row_with_their_hottest_line(tmp_path: Path) -> None:
    rows = tau_functions([profile_of(tmp_path, profile_0_0_0=SAMPLED)])
    assert [(row.name, row.file, row.line, row.calls, row.samples) for row in rows] == [
        (".TAU application", "", 0, 1, None),
        ("f", "/a.c", 10, None, 3),
        ("UNRESOLVED /lib/libc.so", "", 0, None, 0),
    ]
    assert (rows[1].self_share, rows[1].exclusive_s) == pytest.approx((0.9, 0.09))
    assert rows[1].total_share is None and rows[1].inclusive_s is None, "samples have no callers"


def test_summaries_without_samples_are_used(tmp_path: Path) -> None:
    alone = "\n".join(line for line in SAMPLED.splitlines() if "[SAMPLE]" not in line)
    rows = tau_functions([profile_of(tmp_path, profile_0_0_0=alone)])
    assert [(row.name, row.samples) for row in rows] == [(".TAU application", None), ("f", 3)]


def test_each_metric_has_a_folder(tmp_path: Path) -> None:
    for metric in ("TIME", "LINUX_TIMERS", "PAPI_FP_OPS"):
        (tmp_path / f"MULTI__{metric}").mkdir()
        (tmp_path / f"MULTI__{metric}" / "profile.0.0.0").write_text(FLAT.replace("MULTI_TIME", f"MULTI_{metric}"))
    found = read_tau_profiles(tmp_path)
    assert [(each.metric, each.is_time) for each in found.metrics] == [
        ("LINUX_TIMERS", True), ("PAPI_FP_OPS", False), ("TIME", True),
    ]  # fmt: skip
    assert found.problems == ()
    counters = [each for each in found.metrics if not each.is_time]
    assert tau_functions(counters) == (), "counts are no time"
    assert len(tau_functions(found.metrics)) == 5


@pytest.mark.parametrize(
    ("first_lines", "folder_metric", "metric"),
    [
        ("garbage\n# Name <metadata></metadata>\n", "P_WALL_CLOCK_TIME", "P_WALL_CLOCK_TIME"),
        ("garbage\n" + HEADER.replace("TIME", "GET_TIME_OF_DAY") + "\n", "", "GET_TIME_OF_DAY"),
        ("5 templated_functions\n", "X", "TIME"),
        ("", "", "TIME"),
    ],
)
def test_the_metric_is_read_from_four_places(first_lines: str, folder_metric: str, metric: str) -> None:
    file = parse(first_lines + '"f" 1 0 1 1 0 GROUP="A"\n', folder_metric)
    assert (file.metric, len(file.timers)) == (metric, 1)


@pytest.mark.parametrize(
    "bad",
    [
        '"f" 1 0 1',
        '"f" 1 0 1 x 0 GROUP="A"',
        '"f" 1 0 nan 1 0 GROUP="A"',
        '"f" 1 0 inf 1 0 GROUP="A"',
        '"f" 1 0 -1 1 0 GROUP="A"',
        '"f" 1 0 1e300 1 0 GROUP="A"',
        '"f" 1 0 1 1 0 GROUP="A',
        'f 1 0 1 1 0 GROUP="A"',
        '"" 1 0 1 1 0 GROUP="A"',
        "\x00\x01\x02",
        '"' + "x" * tau_profile.LINE_LIMIT_BYTES + '" 1 0 1 1 0 GROUP="A"',
    ],
)
def test_a_truncated_or_garbled_line_is_skipped(bad: str, tmp_path: Path) -> None:
    lines = FLAT.splitlines()
    (tmp_path / "profile.0.0.0").write_text("\n".join([*lines[:3], bad, *lines[3:]]))
    found = read_tau_profiles(tmp_path)
    assert len(found.metrics[0].timers) == 5 and len(found.metrics[0].events) == 2
    assert found.problems == ("TAU TIME: 1 lines are truncated or garbled and were skipped",)


def test_a_truncated_file_reports_its_missing_rows(tmp_path: Path) -> None:
    (tmp_path / "profile.0.0.0").write_text(FLAT[: FLAT.index('"swap') + 20])
    found = read_tau_profiles(tmp_path)
    assert len(found.metrics[0].timers) == 3
    assert found.problems == (
        "TAU TIME: 1 lines are truncated or garbled and were skipped",
        "TAU TIME: 2 functions are announced but missing",
    )


def test_rows_after_the_announced_functions_are_not_read() -> None:
    header, names, *rows = [f"{line}\n".encode() for line in FLAT.splitlines()]
    phantom = b'"left over" 1 0 40000000 40000000 0 GROUP="TAU_USER"\n'
    announced = int(header.split()[0])
    complete = parse_tau_file(io.BytesIO(b"".join([header, names, *rows])))
    longer = parse_tau_file(io.BytesIO(b"".join([header, names, *rows[:announced], phantom * 9, *rows[announced:]])))
    assert (longer.timers, longer.events) == (complete.timers, complete.events)
    assert longer.unread_lines == 9


def test_metadata_may_be_of_any_length() -> None:
    file = parse(FLAT.replace("<metadata>", "<metadata>" + "x" * 1_000_000))
    assert (len(file.timers), file.unread_lines) == (5, 0)


def test_aggregates_are_ignored() -> None:
    assert parse(FLAT.replace("0 aggregates", '1 aggregates\n"all of it" 1 2 3')).unread_lines == 0


def test_links_are_not_followed_and_pipes_do_not_block(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "profile.0.0.0").write_text(FLAT)
    place = tmp_path / "profiles"
    place.mkdir()
    (place / "profile.0.0.0").symlink_to(secret / "profile.0.0.0")
    (place / "MULTI__TIME").symlink_to(secret)
    os.mkfifo(place / "profile.0.0.1")
    found = read_tau_profiles(place)
    assert found.metrics == () and len(found.problems) == 2
    assert read_tau_profiles(tmp_path / "nowhere").metrics == ()


def test_reading_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tau_profile, "NAMES_LIMIT", 4)
    monkeypatch.setattr(tau_profile, "FILES_LIMIT", 2)
    monkeypatch.setattr(tau_profile, "FILE_LIMIT_BYTES", 2000)
    for thread in range(3):
        (tmp_path / f"profile.0.0.{thread}").write_text(FLAT)
    (tmp_path / "profile.0.0.1").write_text(FLAT * 10)
    found = read_tau_profiles(tmp_path)
    assert len(found.metrics[0].timers) == 4
    assert found.problems == (
        f"profile.0.0.1 was not read: its {len(FLAT) * 10} bytes exceed the limit",
        f"{tmp_path.name}: only the first 2 of 3 profiles were read",
        "TAU TIME: 3 rows beyond the first 4 were omitted",
    )


@given(st.binary(max_size=400) | st.lists(st.sampled_from(FLAT.splitlines()) | st.text(max_size=30)).map("\n".join))
def test_no_content_raises(content: bytes | str) -> None:
    file = parse_tau_file(io.BytesIO(content.encode() if isinstance(content, str) else content))
    fold = tau_profile._Fold("TIME")
    fold.add(file)
    fold.add(file)
    for row in tau_functions([fold.profile()]):
        assert 0 <= row.self_share <= 1


@pytest.mark.parametrize(
    "token", ['"', '" ', "[{", "{}", "1 ", 'GROUP="', "=> ", "|", "#", "<name>Metric Name</name><"]
)
def test_parsing_time_is_linear_in_the_length(token: str) -> None:
    line = token * (tau_profile.LINE_LIMIT_BYTES // len(token) - 60 // len(token))
    text = f'{line}\n"{line[:-60]}" 1 0 1 1 0 GROUP="A"\n' * 20
    began_s = time.process_time()
    fold = tau_profile._Fold("TIME")
    fold.add(parse(text))
    tau_functions([fold.profile()])
    assert time.process_time() - began_s < 4


@recorded
def test_every_recorded_line_is_recognised() -> None:
    folders = [path.parent for path in PROFILES.rglob("profile.0.0.0")]
    folders += [PROFILES / "given" / "multi-papi"]
    assert len(folders) >= 9
    for folder in folders:
        found = read_tau_profiles(folder)
        assert found.metrics and found.problems == (), folder


@recorded
@pytest.mark.parametrize(
    ("folder", "name", "file", "line", "calls", "exclusive_s", "inclusive_s", "self_share"),
    [
        ("mpi-factoring", "update_factors(_compressed_matrix_t*, _factors_t*, int, int, double, double&, "
         "unsigned long&)", "/home/bot/mpi-factoring/mpisvd/main.cpp", 404, 256, 712.359731, 760.568402, 0.5352),
        ("mpi-factoring", "MPI_Sendrecv()", "", 0, 256, 513.614781, 513.614781, 0.3859),
        ("given/cpi-mpi-callpath", "MPI_Finalize()", "", 0, 4, 0.019161, 0.130567, 0.0895),
        ("given/fortran-throttled", "MAIN", "main.f90", 1, 1, 0.000446, 335.881637, 0.0),
        ("given/wrap-param", "int __wrap_dgemm(int)", "wb.c", 5, 6, 0.000122, 0.000122, 0.0),
        ("given/multi-papi", "int main()", "hw2_prog.c", 6, 1, 0.0377375673828125, 0.0432354677734375, 0.8728),
        ("lattice-boltzmann", "int collision(const t_param, t_speed *, t_speed *, unsigned char *)",
         "d2q9-bgk.pomp.c", 289, 40000, 81.150788, 81.150788, 0.7289),
        ("lab1-mpi", "taupreload_main", "", 0, 1, 9.912083, 9.912083, 0.99996),
    ],
)  # fmt: skip
def test_values_of_recorded_profiles(
    folder: str, name: str, file: str, line: int, calls: int, exclusive_s: float, inclusive_s: float, self_share: float
) -> None:
    rows = tau_functions(read_tau_profiles(PROFILES / folder).metrics)
    [row] = [row for row in rows if row.name == name]
    assert (row.file, row.line, row.calls) == (file, line, calls)
    assert (row.exclusive_s, row.inclusive_s) == pytest.approx((exclusive_s, inclusive_s))
    assert row.self_share == pytest.approx(self_share, abs=1e-4)


@recorded
def test_callpaths_groups_and_events_of_recorded_profiles() -> None:
    [callpaths] = read_tau_profiles(PROFILES / "given" / "cpi-mpi-callpath").metrics
    assert sum(timer.is_callpath for timer in callpaths.timers) == 11
    opened = next(timer for timer in callpaths.timers if timer.name.endswith("=> MPI_File_open()"))
    assert (opened.groups, opened.exclusive, opened.threads) == (("TAU_CALLPATH", "MPI"), 108474, 4)
    assert [(event.name, event.count, event.mean) for event in callpaths.events] == [
        ("Message size for broadcast", 4, 4), ("Message size for reduce", 4, 8),
    ]  # fmt: skip
    [parameters] = read_tau_profiles(PROFILES / "given" / "wrap-param").metrics
    assert sum(timer.is_parameter for timer in parameters.timers) == 3
    counters = read_tau_profiles(PROFILES / "given" / "multi-papi").metrics
    assert [each.metric for each in counters] == ["LINUX_TIMERS", "PAPI_FP_OPS", "PAPI_L2_DCM"]
    assert counters[1].total == 7293427
