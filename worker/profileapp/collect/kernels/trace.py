"""The app's kernels, copies and CUDA calls, from an additional repeat under nsys, or nvprof on old JetPacks.

Sources: NVIDIA, "Nsight Systems User Guide" (`nsys profile`, `nsys export`), "Profiler User's Guide" (nvprof).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from profileapp.collect.api import AppHandle, Argv, BaseCollector, Emit, LaunchRequirements, Mount, RunContext, Trace
from profileapp.collect.kernels.database import read_kernel_database
from profileapp.collect.kernels.fold import KernelFold, KernelReport
from profileapp.collect.kernels.report import read_kernel_report
from profileapp.collect.trace_tool import find_program, output_folder, tool_mount
from profileapp.errors import AgentError, Unavailable
from profileapp.record.table_files import write_kernels

NSYS_VARIABLE = "PROFILEAPP_NSYS"
NVPROF_VARIABLE = "PROFILEAPP_NVPROF"
EXPORT_TIMEOUT_S = 300.0
FILES_LIMIT = 64
_OUTPUT = "gpu-kernels"
_NOTHING = "the tool wrote no report: did the app use CUDA? The tool's output is in app.log"


class _KernelTrace(BaseCollector):
    """The common part of nsys and nvprof."""

    metric = "gpu-summary"
    part = "kernels"
    source = ""
    preference = 0
    min_interval_s = 0.01
    _variable = ""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        self._run = run
        program = find_program(self.source, self._environ.get(self._variable, ""), self._environ)
        if program is None:
            raise Unavailable(
                f"{self.source} is not on this agent's PATH, nor in the folder that {self._variable} names"
            )
        self._program = program
        tool = tool_mount(self._folder(program)) if run.contained else None
        self._output, self._seen, output = output_folder(run, _OUTPUT)
        mounts: tuple[Mount, ...] = (tool, output) if tool else (output,)
        return LaunchRequirements({}, mounts, Trace(self._wrap, self._collect_results))

    def attach(self, app: AppHandle) -> None:
        """Does nothing: the tool started the app."""

    def sample(self, now_ns: int) -> None:
        """Does nothing: the tool reports at the end."""

    def close(self) -> None:
        """Does nothing: the folder is deleted with the run."""

    def _folder(self, program: Path) -> Path:
        """The folder of the agent that a container needs to run the tool."""
        raise NotImplementedError

    def _argv(self) -> Argv:
        """The tool's argv, which precedes the app's."""
        raise NotImplementedError

    def _reports(self) -> Iterator[KernelReport]:
        """The parsed output of the tool. Raises AgentError, OSError."""
        raise NotImplementedError

    def _wrap(self, argv: Argv) -> Argv:
        if not argv:
            raise Unavailable("the image has neither entrypoint nor command")
        return (*self._argv(), *argv)

    def _collect_results(self) -> None:
        fold = KernelFold()
        unread_lines = omitted = 0
        try:
            for report in self._reports():
                unread_lines += report.unread_lines
                omitted += report.omitted
                for row in report.rows:
                    fold.add(row.kind, row.name, row.calls, row.total, row.min, row.max)
        except (AgentError, OSError) as error:
            raise Unavailable(str(error)) from error
        report = fold.report()
        if unread_lines:
            self._run.warn(f"gpu-summary kernels: {unread_lines} lines of {self.source} were not recognised")
        if omitted + report.omitted:
            self._run.warn(f"gpu-summary kernels: {omitted + report.omitted} rows beyond the limit were dropped")
        if not report.rows:
            raise Unavailable(_NOTHING)
        write_kernels(self._run.artifacts, report.rows)

    def _written(self, pattern: str) -> list[Path]:
        """Files in the folder. The app can write to it too, so links are not followed."""
        found = (path for path in self._output.glob(pattern) if path.is_file() and not path.is_symlink())
        return sorted(found)[:FILES_LIMIT]

    def _time_limit_s(self) -> float:
        return self._run.target.timeout_s


class Nsys(_KernelTrace):
    """Rows of kernels.csv from Nsight Systems (JetPack 5 or newer)."""

    source = "nsys"
    preference = 20
    _variable = NSYS_VARIABLE

    def _folder(self, program: Path) -> Path:
        """The installation's folder: INSTALLATION/bin/nsys starts INSTALLATION/target-linux-*/nsys."""
        folder = program.parent
        return folder if folder.name.startswith("target-") else folder.parent

    def _argv(self) -> Argv:
        # CUDA only: sampling the CPU and tracing system calls would slow the app down more.
        argv = (
            str(self._program),
            "profile",
            "--trace=cuda",
            "--sample=none",
            "--cpuctxsw=none",
            "--force-overwrite=true",
            f"--output={self._seen}/report",
        )
        limit_s = self._time_limit_s()
        # nsys then ends the app itself, and finishes its report before the container is stopped.
        return (*argv, f"--duration={max(1, int(limit_s) - 1)}") if limit_s else argv

    def _reports(self) -> Iterator[KernelReport]:
        for path in (*self._written("*.nsys-rep"), *self._written("*.qdrep")):
            # Work on a copy, since the app may still write to the original.
            database = self._run.scratch / f"{_OUTPUT}.sqlite"
            self._export(path, database)
            try:
                yield read_kernel_database(database)
            finally:
                with suppress(OSError):
                    database.unlink()

    def _export(self, report: Path, database: Path) -> None:
        argv = [str(self._program), "export", "--type=sqlite", "--force-overwrite=true", "--output", str(database)]
        try:
            done = subprocess.run(
                [*argv, str(report)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=EXPORT_TIMEOUT_S,
                check=False,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired as error:
            raise AgentError(f"nsys export takes longer than {EXPORT_TIMEOUT_S:.0f} s") from error
        if done.returncode:
            stderr_text = " ".join(done.stderr.decode(errors="replace").split())[:300]
            raise AgentError(f"nsys export failed with exit code {done.returncode}: {stderr_text}")


class Nvprof(_KernelTrace):
    """Rows of kernels.csv from nvprof (JetPack 3 and 4)."""

    source = "nvprof"
    preference = 10
    _variable = NVPROF_VARIABLE

    def _folder(self, program: Path) -> Path:
        """CUDA/bin/nvprof needs the libraries of CUDA/extras and CUDA/lib64."""
        return program.parent.parent

    def _argv(self) -> Argv:
        argv = (
            str(self._program),
            "--csv",
            "--profile-child-processes",
            f"--log-file={self._seen}/report-%p.csv",
        )
        limit_s = self._time_limit_s()
        return (*argv, f"--timeout={max(1, int(limit_s) - 1)}") if limit_s else argv

    def _reports(self) -> Iterator[KernelReport]:
        for path in self._written("report-*.csv"):
            yield read_kernel_report(path)
