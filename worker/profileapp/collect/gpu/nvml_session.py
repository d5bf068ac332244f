"""NVML, through nvidia-ml-py: imported late, and what a GPU does not have is no error.

Sources: "NVIDIA Management Library (NVML) API Reference"; NVIDIA, "CUDA for Tegra" and the DGX Spark user guide, for
GPUs that share the memory of the CPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from ctypes import CDLL
from importlib import import_module
from typing import Any

import msgspec

from profileapp.collect.api import BaseCollector, Emit, LaunchRequirements, RunContext
from profileapp.errors import Unavailable
from profileapp.model.series import Series

# nvmlReturn_t: not supported, no permission, function not found, no data, argument version mismatch, deprecated.
_UNAVAILABLE = frozenset({3, 4, 13, 21, 25, 26})
_LIBRARY = "libnvidia-ml.so.1"
_NO_LIBRARY = f"no NVML on this agent: {_LIBRARY}, which comes with the NVIDIA driver, is not found"
_DRIVER_NOT_LOADED = 9
_LIBRARY_NOT_FOUND = 12
_GPU_IS_LOST = 15
FAILURES_IN_A_ROW = 5
"""After as many failed samples in a row a GPU is given up, alone."""
# What NVML calls the GPU of a Jetson: `Orin (nvgpu)`, until JetPack 7, and `NVIDIA Thor`.
_INTEGRATED_NAMES = ("(nvgpu)", "thor")


class DeviceMemory(msgspec.Struct, frozen=True):
    """Memory of a GPU's own. `used_bytes` is without what the driver reserves, where NVML tells the two apart."""

    used_bytes: int
    total_bytes: int


class Gpu(msgspec.Struct, frozen=True):
    """One GPU: its number in NVML's order (that of the PCI bus) as a label, and NVML's handle."""

    label: str
    handle: Any


Reader = Callable[[int], Sequence[tuple[Series, float]]]
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
                if error.value not in _UNAVAILABLE:
                    raise
            except getattr(self._module, "NVMLLibraryMismatchError", ()):
                # What the package makes of a function that is newer than the driver.
                continue
        return None

    def memory(self, gpu: Gpu) -> DeviceMemory | None:
        """Of the GPU itself; None where it shares that of the CPU.

        Version 2 of the call (driver 510 on) has what the driver reserves in a field of its own, version 1 in `used`.
        """
        function = ("nvmlDeviceGetMemoryInfo",)
        version = getattr(self._module, "nvmlMemory_v2", None)
        memory = self.ask(gpu, function, version) if isinstance(version, int) else None
        if memory is None:
            memory = self.ask(gpu, function)
        return None if memory is None else DeviceMemory(memory.used, memory.total)

    def name(self, gpu: Gpu) -> str:
        """`NVIDIA RTX A6000`, `Orin (nvgpu)`; "" where it is not told."""
        name = self.ask(gpu, ("nvmlDeviceGetName",))
        return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name or "")

    def is_discrete(self, gpu: Gpu) -> bool:
        """Whether it has memory of its own, and so a card and a power supply of its own."""
        name = self.name(gpu).lower()
        return not any(word in name for word in _INTEGRATED_NAMES) and self.memory(gpu) is not None

    def is_lost(self, error: Exception) -> bool:
        """Whether an error says that a GPU has fallen off the bus: it comes back with the next boot only."""
        return getattr(error, "value", None) == _GPU_IS_LOST

    def close(self) -> None:
        """May be called twice, and without `open`."""
        if self._module is not None:
            module, self._module = self._module, None
            module.nvmlShutdown()


def discrete_gpus(nvml: Nvml) -> tuple[Gpu, ...]:
    """Those that stand beside a board's own GPU, if any; opens `nvml`, and leaves it open only where there are some."""
    found: tuple[Gpu, ...] = ()
    try:
        found = tuple(gpu for gpu in nvml.open() if nvml.is_discrete(gpu))
    except Exception:
        # A board whose NVML does not work has no discrete GPU that anybody could use.
        found = ()
    if not found:
        nvml.close()
    return found


def leave_to_nvml(load: Callable[[], Any]) -> None:
    """Raises Unavailable on a board with a discrete GPU: apps run on that, and NVML measures it."""
    nvml = Nvml(load)
    if discrete_gpus(nvml):
        nvml.close()
        raise Unavailable("this board has a discrete GPU, which NVML measures")


class NvmlSource(BaseCollector):
    """What the sources have in common: each gives its metric and what it looks at."""

    metric = ""
    source = "nvml"
    preference = 20
    min_interval_s = 0.02

    def __init__(self, load: Callable[[], Any] = load_pynvml) -> None:
        self._nvml = Nvml(load)
        self._readers: dict[str, list[Reader]] = {}
        self._failures: dict[str, int] = {}

    def readers_of(self, gpu: Gpu) -> Iterable[Reader]:
        """What there is to look at on a GPU; what gives nothing at first is not asked again."""
        raise NotImplementedError

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        self._run, self._emit = run, emit
        self._failures = {}
        for gpu in self._nvml.open():
            looks = [read_sample for read_sample in self.readers_of(gpu) if self.gives(read_sample)]
            if looks:
                self._readers[gpu.label] = looks
        if not self._readers:
            raise Unavailable(f"NVML gives nothing of {self.metric} on this GPU")
        return LaunchRequirements()

    def sample(self, now_ns: int) -> None:
        failure: Exception | None = None
        for gpu, looks in list(self._readers.items()):
            failed = self._sample_one(looks, now_ns)
            self._failures[gpu] = self._failures.get(gpu, 0) + 1 if failed else 0
            if failed is None:
                continue
            failure = failed
            # What the other GPUs say is worth having: this one is given up alone, the last one by who asks for samples.
            is_given_up = self._nvml.is_lost(failed) or self._failures[gpu] >= FAILURES_IN_A_ROW
            if is_given_up and len(self._readers) > 1:
                del self._readers[gpu]
                self._run.warn(f"{self.metric}: GPU {gpu} is given up, its series end here ({failed})")
        if failure and not any(self._failures.get(gpu) == 0 for gpu in self._readers):
            raise failure

    def _sample_one(self, looks: Sequence[Reader], now_ns: int) -> Exception | None:
        """Samples of one GPU; the last error, if any."""
        failure: Exception | None = None
        for read_sample in looks:
            try:
                for series, value in read_sample(now_ns):
                    self._emit(series, value, now_ns)
            except Exception as error:
                failure = error
        return failure

    def close(self) -> None:
        self._readers = {}
        self._nvml.close()

    def gives(self, read_sample: Reader) -> bool:
        """Whether there is anything to look at, before the app starts."""
        try:
            return bool(read_sample(time.monotonic_ns()))
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
