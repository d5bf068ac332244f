"""Profiles an app from a helper container in its PID namespace, for a worker without the right to inspect processes."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec

from profileapp.collect.api import HelperProgram, Helpers, Mount
from profileapp.collect.functions.in_container import SAMPLES_LIMIT_BYTES
from profileapp.collect.functions.profiler import AppSamples, ProfilerSettings

_PROGRAM = "/opt/py-spy"
_FOLDER = "/tmp"  # noqa: S108  (the helper's own, in its memory)
_OUTPUT_LIMIT_BYTES = SAMPLES_LIMIT_BYTES + 1024 * 1024


class HelperProfiler:
    """Profiles all of the container `container_id` from now until `end`. Raises Unavailable.

    What the app uses before the helper has started is in its CPU time, but in no sample.
    """

    def __init__(self, helpers: Helpers, settings: ProfilerSettings, container_id: str) -> None:
        inside = msgspec.structs.replace(settings, program=_PROGRAM, contained=False)
        program = HelperProgram(
            "profileapp.collect.functions.in_container",
            (msgspec.json.encode(inside).decode(), _FOLDER),
            # To inspect the app's processes, and to read symbols of programs of any owner.
            capabilities=("SYS_PTRACE", "DAC_OVERRIDE"),
            container_id=container_id,
            mounts=(Mount(str(Path(settings.program).resolve()), _PROGRAM),),
        )
        self._printed = Printed(_OUTPUT_LIMIT_BYTES)
        self._helper = helpers.start(program, self._printed.add)

    def end(self, limit_bytes: int) -> AppSamples:
        """Stops the helper. Returns at most `limit_bytes` of samples; none, with the reason, if it printed none."""
        problem = self._helper.stop()
        try:
            found = msgspec.msgpack.decode(self._printed.content(), type=AppSamples)
        except msgspec.DecodeError:
            return AppSamples(output=problem or "the helper container printed no samples")
        if sum(len(process.folded) for process in found.processes) > limit_bytes:
            return AppSamples(output="the samples exceed the limit")
        return found


class Printed:
    """Collects the output of a helper up to a limit; the rest is discarded. Thread-safe."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._content = bytearray()
        self._lock = threading.Lock()

    def add(self, content: bytes) -> None:
        """Appends output."""
        with self._lock:
            self._content += content[: self._limit_bytes - len(self._content)]

    def content(self) -> bytes:
        """The output so far."""
        with self._lock:
            return bytes(self._content)
