"""Summaries of nvprof and nsys of every generation, written by hand and recorded."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect.kernels import fold as kernel_fold
from profileapp.collect.kernels import report as kernel_report
from profileapp.collect.kernels.fold import KernelFold, KernelReport
from profileapp.collect.kernels.report import parse_kernel_report, read_kernel_report
from profileapp.errors import AgentError
from tests.helpers.paths import RECORDED

KERNELS = RECORDED / "gpu-summary" / "given"
recorded = pytest.mark.skipif(not KERNELS.is_dir(), reason="no recorded output beside the checkout")

NVPROF_CSV = """\
==12== Profiling result:
"Type","Time(%)","Time","Calls","Avg","Min","Max","Name"
,%,ms,,us,us,ms,
"GPU activities",75.0,300.5,6000,50.08,43.0,1.9,"void add<int, 3>(int*, ""x"")"
"GPU activities",25.0,100.0,10,10000.0,9000.0,12.0,"[CUDA memcpy HtoD]"
"API calls",100.0,1000.0,4,250000.0,1.5,900.0,"cudaMalloc"
"OpenACC (excl)",100.0,1.0,4,250.0,1.5,0.9,"acc_launch@x.c:3"

==12== Unified Memory profiling result:
"Device","Count","Avg Size","Min Size","Max Size","Total Size","Total Time",""
"TITAN Xp (0)",4,512.0KB,4.0KB,1.0MB,2.0MB,0.000000,"Host To Device"
"TITAN Xp (0)",,,,,19B,0.000000,"Gpu page fault groups"
Total CPU Page faults: 49
"""
NVPROF_TEXT = """\
==12== Profiling result:
            Type  Time(%)      Time     Calls       Avg       Min       Max  Name
 GPU activities:   75.00%  300.50ms      6000  50.083us  43.000us  1.9000ms  void add<int, 3>(int*, "x")
                   25.00%  100.00ms        10  10.000ms  9.0000ms  12.000ms  [CUDA memcpy HtoD]
      API calls:  100.00%  1.00000s         4  250.00ms  1.5000us  900.00ms  cudaMalloc
 OpenACC (excl):  100.00%  1.0000ms         4  250.00us  1.5000us  900.00us  acc_launch@x.c:3

==12== Unified Memory profiling result:
Device "TITAN Xp (0)"
   Count  Avg Size  Min Size  Max Size  Total Size  Total Time  Name
       4  512.00KB  4.0000KB  1.0000MB  2.000000MB  725.1520us  Host To Device
      18         -         -         -           -  2.988352ms  Gpu page fault groups
Total CPU Page faults: 49
"""
NVPROF_OF_CUDA_7 = """\
==12== Profiling result:
Time(%)      Time     Calls       Avg       Min       Max  Name
 75.00%  300.50ms      6000  50.083us  43.000us  1.9000ms  void add<int, 3>(int*, "x")
 25.00%  100.00ms        10  10.000ms  9.0000ms  12.000ms  [CUDA memcpy HtoD]

==12== API calls:
Time(%)      Time     Calls       Avg       Min       Max  Name
100.00%  1.00000s         4  250.00ms  1.5000us  900.00ms  cudaMalloc
"""
NSYS_2023 = """\
Processing [a.sqlite] with [/opt/nsys/reports/cuda_gpu_kern_sum.py]...
Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name
100.0,300500000,6000,50083.3,50000.0,43000,1900000,10.0,"void add<int, 3>(int*, ""x"")"

Processing [a.sqlite] with [/opt/nsys/reports/cuda_gpu_mem_time_sum.py]...
Time (%),Total Time (ns),Count,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Operation
100.0,100000000,10,10000000.0,10000000.0,9000000,12000000,0.0,[CUDA memcpy Host-to-Device]

Processing [a.sqlite] with [/opt/nsys/reports/cuda_gpu_mem_size_sum.py]...
Total (MB),Count,Avg (MB),Med (MB),Min (MB),Max (MB),StdDev (MB),Operation
2.097152,4,0.524288,0.5,0.004096,1.048576,0.000,[CUDA Unified Memory memcpy Host-to-Device]

Processing [a.sqlite] with [/opt/nsys/reports/cuda_api_sum.py]...
Time (%),Total Time (ns),Num Calls,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name
100.0,1000000000,4,250000000.0,1.0,1500,900000000,0.0,cudaMalloc

Processing [a.sqlite] with [/opt/nsys/reports/osrt_sum.py]...
Time (%),Total Time (ns),Num Calls,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name
100.0,1000000000,4,250000000.0,1.0,1500,900000000,0.0,curious_poll

Processing [a.sqlite] with [/opt/nsys/reports/nvtx_sum.py]...
Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Style,Range
100.0,1000000000,4,250000000.0,1.0,1500,900000000,0.0,PushPop,step

Processing [a.sqlite] with [/opt/nsys/reports/openacc_sum.py]... SKIPPED: a.sqlite does not contain OpenACC event data.
"""
NSYS_2022 = """\
Running [/opt/nsys/reports/gpukernsum.py a.sqlite]...
Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),GridXYZ,BlockXYZ,Name
60.0,180300000,3600,50083.3,50000.0,44000,1900000,10.0, 896    1    1, 256    1    1,"void add<int, 3>(int*, ""x"")"
40.0,120200000,2400,50083.3,50000.0,43000,900000,10.0, 448    1    1, 256    1    1,"void add<int, 3>(int*, ""x"")"

Running [/opt/nsys/reports/gpumemtimesum.py a.sqlite]...
Time (%),Total Time (ns),Count,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Operation
100.0,"100,000,000",10,"10,000,000.0",1.0,"9,000,000","12,000,000",0.0,[CUDA memcpy HtoD]

Running [/opt/nsys/reports/gpumemsizesum.py a.sqlite]...
Total (MB),Count,Avg (MB),Med (MB),Min (MB),Max (MB),StdDev (MB),Operation
2.097152,4,0.524288,0.5,0.004096,1.048576,0.000,[CUDA Unified Memory memcpy HtoD]

Running [/opt/nsys/reports/cudaapisum.py a.sqlite]...
Time (%),Total Time (ns),Num Calls,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name
100.0,1000000000,4,250000000.0,1.0,1500,900000000,0.0,cudaMalloc
"""
NSYS_2020 = """\
Time(%),Total Time,Instances,Average,Minimum,Maximum,Name
100.0,300500000,6000,50083.3,43000,1900000,void add<int, 3>(int*, "x")

Time(%),Total Time,Operations,Average,Minimum,Maximum,Operation
100.0,100000000,10,10000000.0,9000000,12000000,[CUDA memcpy HtoD]

Total,Operations,Average,Minimum,Maximum,Operation
2048.000,4,512.000,4.000,1024.000,[CUDA Unified Memory memcpy HtoD]

Time(%),Total Time,Num Calls,Average,Minimum,Maximum,Name
100.0,1000000000,4,250000000.0,1500,900000000,cudaMalloc

Time(%),Total Time,Num Calls,Average,Minimum,Maximum,Name
100.0,1000000000,4,250000000.0,1500,900000000,poll
"""
NSYS_TEXT = """\
[3/8] Executing 'osrt_sum' stats report

 Time (%)  Total Time (ns)  Num Calls    Avg (ns)     Min (ns)   Max (ns)      Name
 --------  ---------------  ---------  -------------  --------  -----------  -----
    100.0    1,000,000,000          4  250,000,000.0     1,500  900,000,000  custom

[4/8] Executing 'cuda_api_sum' stats report

 Time (%)  Total Time (ns)  Num Calls    Avg (ns)     Min (ns)   Max (ns)          Name
 --------  ---------------  ---------  -------------  --------  -----------  ----------
    100.0    1,000,000,000          4  250,000,000.0     1,500  900,000,000  cudaMalloc

 ** CUDA GPU Kernel Summary (cuda_gpu_kern_sum):

 Time (%)  Total Time (ns)  Instances  Avg (ns)  Min (ns)   Max (ns)              Name
 --------  ---------------  ---------  --------  --------  ---------  ---------------------------
    100.0      300,500,000      6,000  50,083.3    43,000  1,900,000  void add<int, 3>(int*, "x")

[6/8] Executing 'gpumemtimesum' stats report

 Time (%)  Total Time (ns)  Count    Avg (ns)    Min (ns)    Max (ns)       Operation
 --------  ---------------  -----  ------------  ---------  ----------  ------------------
    100.0      100,000,000     10  10,000,000.0  9,000,000  12,000,000  [CUDA memcpy HtoD]

 Total (MB)  Count  Avg (MB)  Min (MB)  Max (MB)             Operation
 ----------  -----  --------  --------  --------  ---------------------------------
   2.097152      4  0.524288  0.004096  1.048576  [CUDA Unified Memory memcpy HtoD]
"""
COMBINED = """\
Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Category,Operation
60.0,1000000000,4,250000000.0,1.0,1500,900000000,0.0,CUDA_API,cudaMalloc
30.0,300500000,6000,50083.3,1.0,43000,1900000,0.0,CUDA_KERNEL,"void add<int, 3>(int*, ""x"")"
10.0,100000000,10,10000000.0,1.0,9000000,12000000,0.0,MEMORY_OPER,[CUDA memcpy HtoD]
"""

KERNEL = ("kernel", 'void add<int, 3>(int*, "x")', 6000, 0.3005, 43e-6, 1.9e-3)
COPY = ("memory time", "[CUDA memcpy HtoD]", 10, 0.1, 9e-3, 12e-3)
SIZE = ("memory size", "[CUDA Unified Memory memcpy HtoD]", 4, 2 * 1024**2, 4096, 1024**2)
API = ("api", "cudaMalloc", 4, 1.0, 1.5e-6, 0.9)


def parse(text: str) -> KernelReport:
    return parse_kernel_report(text.split("\n"))


def rows_of(report: KernelReport) -> list[tuple[object, ...]]:
    return [(row.kind, row.name, row.calls, row.total, row.min, row.max) for row in report.rows]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (NVPROF_CSV, [KERNEL, COPY, SIZE, API]),
        (NVPROF_TEXT, [KERNEL, COPY, SIZE, API]),
        (NVPROF_OF_CUDA_7, [KERNEL, COPY, API]),
        (NSYS_2023, [KERNEL, COPY, SIZE, API]),
        (NSYS_2022, [KERNEL, COPY, SIZE, API]),
        (NSYS_2020, [KERNEL, COPY, SIZE, API]),
        (NSYS_TEXT, [KERNEL, COPY, SIZE, API]),
        (COMBINED, [KERNEL, COPY, API]),
        (COMBINED + "\n" + NSYS_2023, [KERNEL, COPY, SIZE, API]),
        (NSYS_2023.replace("\n", "\r\n"), [KERNEL, COPY, SIZE, API]),
    ],
    ids=["nvprof-csv", "nvprof-text", "nvprof-7", "2023", "2022", "2020", "text", "combined", "not-twice", "crlf"],
)  # fmt: skip
def test_every_generation_gives_the_same_rows(text: str, expected: list[tuple[object, ...]]) -> None:
    report = parse(text)
    for found, wanted in zip(rows_of(report), expected, strict=True):
        assert found[:3] == wanted[:3]
        assert found[3:] == pytest.approx(wanted[3:])
    assert (report.unread_lines, report.omitted) == (0, 0)
    kernel = report.rows[0]
    assert (kernel.mean, kernel.share) == pytest.approx((0.3005 / 6000, 1.0))


def test_runs_in_one_file_are_added_up_and_shares_are_of_their_kind() -> None:
    other = NVPROF_TEXT.replace("void add<int, 3>", "void sub").replace("300.50ms", "100.00ms")
    report = parse(NVPROF_TEXT + "\n" + NVPROF_TEXT + "\napp: done, 3 Name\n" + other)
    kernels = [row for row in report.rows if row.kind == "kernel"]
    assert [(row.name, row.calls) for row in kernels] == [(KERNEL[1], 12000), ('void sub(int*, "x")', 6000)]
    assert [row.share for row in kernels] == pytest.approx([601 / 701, 100 / 701])
    assert [row.calls for row in report.rows if row.kind == "api"] == [12]


@pytest.mark.parametrize(
    "bad",
    [
        "100.0,3005",
        "100.0,many,5,1.0,1.0,1,1,1,f",
        "100.0,5,1.5,1.0,1.0,1,1,1,f",
        "100.0,5,0,1.0,1.0,1,1,1,f",
        "100.0,-5,1,1.0,1.0,1,1,1,f",
        "100.0,5,1,1.0,1.0,1,1,1,",
        "100.0,5 parsecs,1,1.0,1.0,1,1,1,f",
        "100.0,1e999,1,1.0,1.0,1,1,1,f",
        "100.0,nan,1,1.0,1.0,1,1,1,f",
        "x" * (kernel_report.LINE_LIMIT + 1),
        "what the app says",
        '"never closed',
    ],
)
def test_a_truncated_or_garbled_line_is_skipped(bad: str) -> None:
    lines = NSYS_2023.split("\n")
    report = parse_kernel_report([*lines[:2], bad, *lines[2:]])
    assert [row[:3] for row in rows_of(report)] == [KERNEL[:3], COPY[:3], SIZE[:3], API[:3]]
    assert report.unread_lines == 1


@pytest.mark.parametrize("aside", ["Total CPU Page faults: 43", "Total remote mappings to CPU: 12"])
def test_totals_of_unified_memory_are_skipped(aside: str) -> None:
    lines = NSYS_2023.split("\n")
    report = parse_kernel_report([*lines[:2], aside, *lines[2:]])
    assert (len(rows_of(report)), report.unread_lines) == (4, 0)


def test_rows_without_data_are_skipped() -> None:
    for text in ("", "No kernels were profiled.", "SKIPPED: a.sqlite does not contain CUDA kernel data."):
        assert parse(text) == KernelReport()


def test_kept_rows_are_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kernel_fold, "ROWS_LIMIT", 3)
    lines = NSYS_2023.split("\n")[:2] + [f"1.0,5,1,1.0,1.0,1,1,1,{'f' * 5000}{number}" for number in range(10)]
    lines += [f"1.0,5,1,1.0,1.0,1,1,1,f{number}" for number in range(5)]
    report = parse_kernel_report(lines)
    assert (len(report.rows), report.omitted) == (3, 3)
    assert max(len(row.name) for row in report.rows) <= kernel_fold.NAME_LIMIT
    monkeypatch.setattr(kernel_report, "FILE_LIMIT_BYTES", 100)
    (tmp_path / "long.csv").write_text(NSYS_2023)
    with pytest.raises(AgentError, match="larger than 100 bytes"):
        read_kernel_report(tmp_path / "long.csv")


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text(NSYS_2023)
    (tmp_path / "link.csv").symlink_to("real.csv")
    assert len(read_kernel_report(tmp_path / "real.csv").rows) == 4
    with pytest.raises(AgentError):
        read_kernel_report(tmp_path / "link.csv")


LINES = [line for text in (NVPROF_CSV, NVPROF_TEXT, NSYS_2023, NSYS_TEXT, COMBINED) for line in text.split("\n")]


@given(st.lists(st.sampled_from(LINES) | st.text(max_size=40), max_size=30))
def test_no_text_raises(lines: list[str]) -> None:
    for row in parse_kernel_report(lines).rows:
        assert row.calls >= 1 and 0 <= row.share <= 1 and row.name


@given(st.sampled_from(LINES), st.integers(0, 200), st.text(max_size=3), st.sampled_from(LINES))
def test_no_truncated_line_raises(header: str, at: int, put: str, row: str) -> None:
    parse_kernel_report([header, row[:at] + put + row[at + 1 :], header[:at] + put, row])


@pytest.mark.parametrize("token", ["-- ", "a,", '"', "(", " ", "/aaaa", "1.0% ", "GPU activities: ", ".py", "é(a):"])
def test_parsing_time_is_linear_in_the_length(token: str) -> None:
    line = (token * kernel_report.LINE_LIMIT)[: kernel_report.LINE_LIMIT - 6]
    header = NSYS_2023.split("\n")[1]
    began_s = time.process_time()
    parse_kernel_report([line, f"{line}Name", header, line, f"1,1,1,1,1,1,1,1,{line[:-20]}", NSYS_TEXT, line] * 3)
    assert time.process_time() - began_s < 4


def test_the_fold_refuses_invalid_rows() -> None:
    fold = KernelFold()
    assert not fold.add("kernel", "", 1, 1.0, 1.0, 1.0)
    assert not fold.add("kernel", "f", 0, 1.0, 1.0, 1.0)
    assert not fold.add("kernel", "f", 1, float("nan"), 1.0, 1.0)
    assert fold.report() == KernelReport()


@recorded
@pytest.mark.parametrize(
    ("file", "kernels", "copies", "sizes", "apis"),
    [
        ("nvprof.csv", 4, 3, 1, 0),
        ("nvprof.api-calls.csv", 4, 3, 1, 19),
        ("nvprof.txt", 4, 3, 1, 0),
        ("nvprof.old.csv", 2, 2, 0, 0),
        ("nvprof.runs.txt", 2, 0, 2, 14),
        ("nsys-2023.2.txt", 1, 2, 2, 5),
        ("nsys.csv", 1, 0, 0, 0),
    ],
)
def test_every_recorded_row_is_read(file: str, kernels: int, copies: int, sizes: int, apis: int) -> None:
    report = read_kernel_report(KERNELS / file)
    kinds = [row.kind for row in report.rows]
    assert [kinds.count(kind) for kind in ("kernel", "memory time", "memory size", "api")] == [
        kernels, copies, sizes, apis,
    ]  # fmt: skip
    assert report.unread_lines == 0


@recorded
def test_every_recorded_file_is_parsed() -> None:
    assert len(list(KERNELS.iterdir())) == 7


@recorded
def test_values_of_recorded_files() -> None:
    by_name = {
        (file, row.name): row
        for file in ("nvprof.csv", "nvprof.txt", "nvprof.old.csv", "nvprof.runs.txt", "nsys-2023.2.txt")
        for row in read_kernel_report(KERNELS / file).rows
        if row.kind != "memory time" or file == "nvprof.txt"
    }
    flux = by_name["nvprof.csv", "cuda_compute_flux(int, int*, float*, float*, float*)"]
    assert (flux.calls, flux.total, flux.mean, flux.min, flux.max) == pytest.approx(
        (6000, 0.268352752, 44.725e-6, 43.106e-6, 1.791976e-3), rel=1e-4
    )
    memset = by_name["nvprof.txt", "[CUDA memset]"]
    assert (memset.calls, memset.total) == pytest.approx((1, 1.12e-6))
    sor = next(row for (file, name), row in by_name.items() if file == "nvprof.old.csv" and name.startswith("red_sor"))
    assert sor.name.endswith("float, int, int, int)") and sor.total == pytest.approx(0.23743)
    force = by_name["nvprof.runs.txt", "bodyForce(Body*, float, int)"]
    assert (force.calls, force.total) == pytest.approx((20, 1.1108911))
    size = by_name["nsys-2023.2.txt", "[CUDA memcpy HtoD]"]
    assert (size.calls, size.total, size.unit) == (2, pytest.approx(8_389_000), "bytes")
