"""NVML, through nvidia-ml-py: imported late, and what a GPU does not have is no error.

Source: "NVIDIA Management Library (NVML) API Reference".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from ctypes import CDLL
from importlib import import_module
from typing import Any

import msgspec

from profileapp.collect.seam import Emit, Provision, RunContext, Subject
from profileapp.errors import Unavailable
from profileapp.model.series import Series

# nvmlReturn_t: not supported, no permission, function not found, no data, argument version mismatch, deprecated.
_NOT_HAD = frozenset({3, 4, 13, 21, 25, 26})
_LIBRARY = "libnvidia-ml.so.1"
_NO_LIBRARY = f"no NVML on this agent: {_LIBRARY}, which comes with the NVIDIA driver, is not found"
_DRIVER_NOT_LOADED = 9
_LIBRARY_NOT_FOUND = 12


class Gpu(msgspec.Struct, frozen=True):
    """One GPU: its number in NVML's order (that of the PCI bus) as a label, and NVML's handle."""

    label: str
    handle: Any


Look = Callable[[int], Sequence[tuple[Series, float]]]
"""Asks one GPU for one thing at a moment (monotonic clock, ns); nothing where the GPU does not have it."""


def load_pynvml() -> Any:
    """The module. Raises Unavailable where it is not installed, or has nothing to talk to."""
    try:
        # First, as nobody should be told to install a package that would then find no driver.
        CDLL(_LIBRARY)
    except OSError as error:
        raise Unavailable(_NO_LIBRARY) from error
    try:
        return import_module("pynvml")
    except ImportError as error:
        raise Unavailable("the Python package nvidia-ml-py is not installed (pip install nvidia-ml-py)") from error


class Nvml:
    """NVML from `open` to `close`. Several may be open at a time: the library counts."""

    def __init__(self, load: Callable[[], Any] = load_pynvml) -> None:
        self._load = load
        self._module: Any = None

    def open(self) -> tuple[Gpu, ...]:
        """The GPUs. Raises Unavailable with the reason where there is none."""
        module = self._load()
        try:
            module.nvmlInit()
        except module.NVMLError as error:
            raise Unavailable(_why_not(error)) from error
        self._module = module
        found = []
        refusal = ""
        for index in range(module.nvmlDeviceGetCount()):
            try:
                found.append(Gpu(str(index), module.nvmlDeviceGetHandleByIndex(index)))
            except module.NVMLError as error:
                refusal = f" that can be used (GPU {index}: {error})"
        if not found:
            raise Unavailable(f"NVML finds no GPU{refusal}")
        return tuple(found)

    def ask(self, gpu: Gpu, functions: Sequence[str], *arguments: int) -> Any | None:
        """What the first of `functions` answers that this library and GPU have; None where they have none.

        Raises pynvml.NVMLError where something is wrong, such as a GPU that was lost.
        """
        for name in functions:
            function = getattr(self._module, name, None)
            if function is None:
                continue
            try:
                return function(gpu.handle, *arguments)
            except self._module.NVMLError as error:
                if error.value not in _NOT_HAD:
                    raise
            except getattr(self._module, "NVMLLibraryMismatchError", ()):
                # What the package makes of a function that is newer than the driver.
                continue
        return None

    def close(self) -> None:
        """May be called twice, and without `open`."""
        if self._module is not None:
            module, self._module = self._module, None
            module.nvmlShutdown()


class NvmlSource:
    """What the sources have in common: each gives its metric and what it looks at."""

    metric = ""
    source = "nvml"
    part = ""
    preference = 20
    fastest_s = 0.02

    def __init__(self, load: Callable[[], Any] = load_pynvml) -> None:
        self._nvml = Nvml(load)
        self._looks: list[Look] = []

    def looks_at(self, gpu: Gpu) -> Iterable[Look]:
        """What there is to look at on a GPU; what gives nothing at first is not asked again."""
        raise NotImplementedError

    def open(self, run: RunContext, emit: Emit) -> Provision:
        self._run, self._emit = run, emit
        self._looks = [look for gpu in self._nvml.open() for look in self.looks_at(gpu) if self.gives(look)]
        if not self._looks:
            raise Unavailable(f"NVML gives nothing of {self.metric} on this GPU")
        return Provision()

    def attach(self, subject: Subject) -> None:
        self.sample(time.monotonic_ns())

    def sample(self, now_ns: int) -> None:
        failure: Exception | None = None
        for look in self._looks:
            try:
                for series, value in look(now_ns):
                    self._emit(series, value, now_ns)
            except Exception as error:
                # What the other GPUs say is worth having.
                failure = error
        if failure:
            raise failure

    def detach(self) -> None:
        """Nothing is held for one repeat alone."""

    def close(self) -> None:
        self._looks = []
        self._nvml.close()

    def gives(self, look: Look) -> bool:
        """Whether there is anything to look at, before the app starts."""
        try:
            return bool(look(time.monotonic_ns()))
        except Exception as error:
            # One thing that cannot be asked for must not take the rest along.
            self._run.warn(f"{self.metric}: a part is left out, NVML fails at it ({error})")
            return False


def _why_not(error: Any) -> str:
    if error.value == _LIBRARY_NOT_FOUND:
        return _NO_LIBRARY
    if error.value == _DRIVER_NOT_LOADED:
        return "the NVIDIA driver is installed, but not loaded"
    return f"NVML does not start: {error}"
