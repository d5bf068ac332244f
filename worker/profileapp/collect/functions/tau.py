"""TAU's profile of the app: time and number of calls by function. Runs the app once more, under tau_exec.

Source: TAU User Guide, "tau_exec", "tau_python" and its environment variables.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from profileapp.collect.api import AppHandle, Argv, BaseCollector, Emit, LaunchRequirements, RunContext, Trace
from profileapp.collect.functions.tau_functions import tau_functions
from profileapp.collect.functions.tau_profile import read_tau_profiles
from profileapp.collect.trace_tool import find_program, output_folder, tool_mount
from profileapp.errors import Unavailable
from profileapp.record.table_files import merge_functions

FOLDER_VARIABLE = "PROFILEAPP_TAU"
_PYTHON = re.compile(r"python(3(\.\d+)?)?")
_PREFIX = "shared"
# `disable` is the library that is linked to switch TAU off.
_OTHER_TAGS = frozenset({"mpi", "disable"})
# At a timeout TAU writes its profile from within the app, by a signal handler. Its scripts, which wait for the app,
# must not end earlier, so they ignore the signal, which all of them receive (Docker's init, tini, forwards it).
_IN_A_SHELL = ("/bin/sh", "-c", 'trap "" TERM; exec "$@"', "sh")
_ENVIRONMENT = {
    "TAU_PROFILE": "1",
    "TAU_PROFILE_FORMAT": "profile",
    "TAU_TRACE": "0",
    "TAU_TRACK_SIGNALS": "1",
    "TINI_KILL_PROCESS_GROUP": "1",
}


class Tau(BaseCollector):
    """Rows of functions.csv with the metric `tau`, of the time spent in each function over all threads."""

    metric = "tau"
    source = "tau_exec"
    preference = 10
    min_interval_s = 0.01

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        self._run = run
        program = find_program("tau_exec", self._environ.get(FOLDER_VARIABLE, ""), self._environ)
        if program is None:
            raise Unavailable(f"TAU is not installed on this agent, or {FOLDER_VARIABLE} is not set to its folder")
        # PREFIX/ARCHITECTURE/bin/tau_exec; its scripts also use files next to the architecture's folder.
        self._program = program
        self._bindings = sorted(path.name for path in (program.parent.parent / "lib").glob(f"{_PREFIX}*"))
        if not self._bindings:
            raise Unavailable(f"no shared libraries next to {program}: build TAU with shared libraries")
        mounts = (tool_mount(program.parent.parent.parent),) if run.contained else ()
        self._output, seen, output = output_folder(run, "tau")
        return LaunchRequirements(
            {**_ENVIRONMENT, "PROFILEDIR": seen}, (*mounts, output), Trace(self._wrap, self._collect_results)
        )

    def attach(self, app: AppHandle) -> None:
        """Does nothing: TAU is already loaded into the app."""

    def sample(self, now_ns: int) -> None:
        """Does nothing: TAU writes its profile at the end."""

    def close(self) -> None:
        """Does nothing: the folder is deleted with the run."""

    def _wrap(self, argv: Argv) -> Argv:
        if not argv:
            raise Unavailable("the image has no entrypoint and no command")
        python = _PYTHON.fullmatch(Path(argv[0]).name)
        if python and (tags := self._tags("python")):
            return (*_IN_A_SHELL, str(self._program.with_name("tau_python")), "-T", tags, *argv[1:])
        tags = self._tags("")
        if not tags:
            raise Unavailable("this TAU is built only for MPI or Python, and the app uses neither")
        return (*_IN_A_SHELL, str(self._program), "-T", tags, "-ebs", *argv)

    def _tags(self, wanted: str) -> str:
        """The `-T` argument that selects tau_exec's libraries; "" if there are none of that kind."""
        for binding in self._bindings:
            tags = [tag for tag in binding.split("-")[1:] if tag]
            if not _OTHER_TAGS & set(tags) and ("python" in tags) == (wanted == "python"):
                return ",".join(["serial", *tags])
        return ""

    def _collect_results(self) -> None:
        profiles = read_tau_profiles(self._output)
        for problem in profiles.problems:
            self._run.warn(f"tau: {problem}")
        rows = tau_functions(profiles.metrics)
        if not rows:
            raise Unavailable(
                "TAU wrote no profile: it does so when the app ends or receives SIGTERM; TAU's output is in app.log"
            )
        merge_functions(self._run.artifacts, self.metric, rows)
