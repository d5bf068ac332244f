"""The part of the module `pynvml` that the sources use, for made-up GPUs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

MEMORY_V2 = 0x02000028
NOT_SUPPORTED, LIBRARY_NOT_FOUND, DRIVER_NOT_LOADED, GPU_IS_LOST = 3, 12, 9, 15


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"NVML error {value}")
        self.value = value


class NVMLLibraryMismatchError(Exception):
    """Not a subclass of NVMLError, as in the real package."""


class FakeNvml:
    """A GPU is a dict from a function's name to its result: a value, or an exception that it raises.

    A GPU does not support functions that it does not list; functions in `missing` do not exist in the module.
    """

    NVMLError = NVMLError
    nvmlMemory_v2 = MEMORY_V2  # noqa: N815
    NVMLLibraryMismatchError = NVMLLibraryMismatchError

    def __init__(
        self, *gpus: dict[str, Any], missing: tuple[str, ...] = (), init_error: Exception | None = None
    ) -> None:
        self.gpus = list(gpus)
        self.opened = 0
        self._missing = missing
        self._init_error = init_error

    def nvmlInit(self) -> None:  # noqa: N802
        if self._init_error:
            raise self._init_error
        self.opened += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.opened -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> dict[str, Any]:  # noqa: N802
        if "unusable" in self.gpus[index]:
            raise NVMLError(GPU_IS_LOST)
        return self.gpus[index]

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvmlDevice") or name in self._missing:
            raise AttributeError(name)

        def function(gpu: dict[str, Any], *arguments: int) -> Any:
            answer = gpu.get(":".join((name, *map(str, arguments))), NVMLError(NOT_SUPPORTED))
            if isinstance(answer, Exception):
                raise answer
            return answer

        return function


def memory(used: int, total: int) -> SimpleNamespace:
    """As in the first version of the call: memory reserved by the driver is part of `used`."""
    return SimpleNamespace(used=used, free=total - used, total=total)


def memory_v2(used: int, reserved: int, total: int) -> SimpleNamespace:
    return SimpleNamespace(used=used, reserved=reserved, free=total - used - reserved, total=total)


def process(pid: int, used: int | None) -> SimpleNamespace:
    return SimpleNamespace(pid=pid, usedGpuMemory=used)
