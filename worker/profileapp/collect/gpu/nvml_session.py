"""NVML, through nvidia-ml-py: imported late; a feature that a GPU lacks is not an error.

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
_NO_LIBRARY = f"no NVML on this agent: {_LIBRARY}, which is part of the NVIDIA driver, was not found"
_DRIVER_NOT_LOADED = 9
_LIBRARY_NOT_FOUND = 12
_GPU_IS_LOST = 15
FAILURES_IN_A_ROW = 5
"""After this many failed samples in a row a GPU is dropped; the others continue."""
# NVML's names for the GPU of a Jetson: `Orin (nvgpu)`, until JetPack 7, and `NVIDIA Thor`.
_INTEGRATED_NAMES = ("(nvgpu)", "thor")


class DeviceMemory(msgspec.Struct, frozen=True):
    """A GPU's own memory. `used_bytes` excludes what the driver reserves, if NVML separates the two."""

    used_bytes: int
    total_bytes: int


class Gpu(msgspec.Struct, frozen=True):
    """One GPU: its number in NVML's order (that of the PCI bus) as a label, and NVML's handle."""

    label: str
    handle: Any


Reader = Callable[[int], Sequence[tuple[Series, float]]]
"""Reads one quantity of one GPU at a time (monotonic clock, ns); empty if the GPU does not provide it."""


def load_pynvml() -> Any:
    """The module. Raises Unavailable if it is not installed, or there is no driver."""
    try:
        # Checked first: no error may suggest to install a package that would then find no driver.
        CDLL(_LIBRARY)
    except OSError as error:
        raise Unavailable(_NO_LIBRARY) from error
    try:
        return import_module("pynvml")
    except ImportError as error:
        raise Unavailable("the Python package nvidia-ml-py is not installed (pip install nvidia-ml-py)") from error


class Nvml:
    """NVML from `open` to `close`. Several may be open at the same time: the library counts its users."""

    def __init__(self, load: Callable[[], Any] = load_pynvml) -> None:
        self._load = load
        self._module: Any = None

    def open(self) -> tuple[Gpu, ...]:
        """The GPUs. Raises Unavailable with the reason if there are none."""
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
            raise Unavailable(f"NVML found no GPU{refusal}")
        return tuple(found)

    def ask(self, gpu: Gpu, functions: Sequence[str], *arguments: int) -> Any | None:
        """The result of the first of `functions` that this library and GPU support; None if they support none.

        Raises pynvml.NVMLError for real failures, such as a lost GPU.
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
                # The package raises this for a function that is newer than the driver.
                continue
        return None

    def memory(self, gpu: Gpu) -> DeviceMemory | None:
        """The GPU's own memory; None if it shares the CPU's.

        Version 2 of the call (driver 510 on) reports the driver's reserved memory separately, version 1 within `used`.
        """
        function = ("nvmlDeviceGetMemoryInfo",)
        version = getattr(self._module, "nvmlMemory_v2", None)
        memory = self.ask(gpu, function, version) if isinstance(version, int) else None
        if memory is None:
            memory = self.ask(gpu, function)
        return None if memory is None else DeviceMemory(memory.used, memory.total)

    def name(self, gpu: Gpu) -> str:
        """The product name, such as `NVIDIA RTX A6000` or `Orin (nvgpu)`; "" if unknown."""
        name = self.ask(gpu, ("nvmlDeviceGetName",))
        return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name or "")

    def is_discrete(self, gpu: Gpu) -> bool:
        """Whether it has dedicated memory, and therefore a separate card and power supply."""
        name = self.name(gpu).lower()
        return not any(word in name for word in _INTEGRATED_NAMES) and self.memory(gpu) is not None

    def is_lost(self, error: Exception) -> bool:
        """Whether an error means that a GPU has fallen off the bus: only a reboot brings it back."""
        return getattr(error, "value", None) == _GPU_IS_LOST

    def close(self) -> None:
        """May be called twice, and without `open`."""
        if self._module is not None:
            module, self._module = self._module, None
            module.nvmlShutdown()


def discrete_gpus(nvml: Nvml) -> tuple[Gpu, ...]:
    """The GPUs besides a board's integrated one, if any. Opens `nvml`, and leaves it open only if there are some."""
    found: tuple[Gpu, ...] = ()
    try:
        found = tuple(gpu for gpu in nvml.open() if nvml.is_discrete(gpu))
    except Exception:
        # A board without a working NVML has no usable discrete GPU.
        found = ()
    if not found:
        nvml.close()
    return found


def leave_to_nvml(load: Callable[[], Any]) -> None:
    """Raises Unavailable on a board with a discrete GPU: apps run on it, and NVML measures it."""
    nvml = Nvml(load)
    if discrete_gpus(nvml):
        nvml.close()
        raise Unavailable("this board has a discrete GPU, which NVML measures")


class NvmlSource(BaseCollector):
    """Base class of the NVML sources: each defines its metric and its readers."""

    metric = ""
    source = "nvml"
    preference = 20
    min_interval_s = 0.02

    def __init__(self, load: Callable[[], Any] = load_pynvml) -> None:
        self._nvml = Nvml(load)
        self._readers: dict[str, list[Reader]] = {}
        self._failures: dict[str, int] = {}

    def readers_of(self, gpu: Gpu) -> Iterable[Reader]:
        """The readers of a GPU; one that returns nothing at first is not used again."""
        raise NotImplementedError

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        self._run, self._emit = run, emit
        self._failures = {}
        for gpu in self._nvml.open():
            readers = [read_sample for read_sample in self.readers_of(gpu) if self.has_data(read_sample)]
            if readers:
                self._readers[gpu.label] = readers
        if not self._readers:
            raise Unavailable(f"NVML provides no {self.metric} on this GPU")
        return LaunchRequirements()

    def sample(self, now_ns: int) -> None:
        failure: Exception | None = None
        for gpu, readers in list(self._readers.items()):
            failed = self._sample_one(readers, now_ns)
            self._failures[gpu] = self._failures.get(gpu, 0) + 1 if failed else 0
            if failed is None:
                continue
            failure = failed
            # Only this GPU is dropped, since the others' data is still useful; the sampler drops the last one.
            is_given_up = self._nvml.is_lost(failed) or self._failures[gpu] >= FAILURES_IN_A_ROW
            if is_given_up and len(self._readers) > 1:
                del self._readers[gpu]
                self._run.warn(f"{self.metric}: GPU {gpu} is no longer measured, its series end here ({failed})")
        if failure and not any(self._failures.get(gpu) == 0 for gpu in self._readers):
            raise failure

    def _sample_one(self, readers: Sequence[Reader], now_ns: int) -> Exception | None:
        """Emits samples of one GPU. Returns the last error, if any."""
        failure: Exception | None = None
        for read_sample in readers:
            try:
                for series, value in read_sample(now_ns):
                    self._emit(series, value, now_ns)
            except Exception as error:
                failure = error
        return failure

    def close(self) -> None:
        self._readers = {}
        self._nvml.close()

    def has_data(self, read_sample: Reader) -> bool:
        """Whether a reader returns anything, before the app starts."""
        try:
            return bool(read_sample(time.monotonic_ns()))
        except Exception as error:
            # One failing reader must not disable the others.
            self._run.warn(f"{self.metric}: a part is omitted, since NVML fails to read it ({error})")
            return False


def _why_not(error: Any) -> str:
    if error.value == _LIBRARY_NOT_FOUND:
        return _NO_LIBRARY
    if error.value == _DRIVER_NOT_LOADED:
        return "the NVIDIA driver is installed, but not loaded"
    return f"NVML cannot be initialised: {error}"
