"""Memory and load of a GPU, by CUDA's driver library: the load knows what it allocated, and how long its kernel ran."""

from __future__ import annotations

import ctypes
import time
from typing import Any

from profileapp.selftest.load import MIB, Account, CannotRun, Load, Quantity

LIBRARY = "libcuda.so.1"
_CONTEXT_BYTES = 2 * MIB
"""The granularity of the driver's allocations."""
_CUDA_SUCCESS = 0
_CUDA_OUT_OF_MEMORY = 2

_MEMORY = Quantity("GPU memory, held less before", "bytes", "bytes", "growth", "gpu.memory.used", "", _CONTEXT_BYTES)


def _memory(mib: int, *, quick: bool) -> Load:
    args = (str(mib), "2", "2")
    about = f"{mib} MiB of GPU memory"
    return Load(f"gpu-memory-{mib}", about, "gpu", args, args if quick else None, (_MEMORY,), metrics=("gpu-memory",))


LOADS = (_memory(64, quick=True), _memory(1024, quick=False), _memory(8192, quick=False))


def run(args: tuple[str, ...]) -> Account:
    """Args: MiB, seconds before, seconds held."""
    try:
        driver = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise CannotRun(f"no CUDA driver is in the app's file system ({LIBRARY})") from error
    return hold(driver, int(args[0]) * MIB, float(args[1]), float(args[2]))


def hold(driver: Any, size_bytes: int, before_s: float, held_s: float) -> Account:
    """Allocates on the first GPU with the driver's API, and holds. Raises CannotRun.

    Source: CUDA Driver API, cuDevicePrimaryCtxRetain, cuMemAlloc_v2, cuMemsetD8_v2.
    """
    device, context, pointer = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
    for name, answer in (
        ("cuInit", driver.cuInit(0)),
        ("cuDeviceGet", driver.cuDeviceGet(ctypes.byref(device), 0)),
        ("cuDevicePrimaryCtxRetain", driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)),
        ("cuCtxSetCurrent", driver.cuCtxSetCurrent(context)),
    ):
        if answer != _CUDA_SUCCESS:
            raise CannotRun(f"{name} answered with error {answer}")
    before = _rest(before_s)
    answer = driver.cuMemAlloc_v2(ctypes.byref(pointer), ctypes.c_size_t(size_bytes))
    if answer == _CUDA_OUT_OF_MEMORY:
        raise CannotRun("the GPU has too little free memory")
    if answer == _CUDA_SUCCESS:
        # An integrated GPU takes memory when it is first written to.
        answer = driver.cuMemsetD8_v2(pointer, ctypes.c_ubyte(1), ctypes.c_size_t(size_bytes))
    if answer != _CUDA_SUCCESS:
        raise CannotRun(f"CUDA gave no memory: error {answer}")
    held = _rest(held_s)
    driver.cuMemFree_v2(pointer)
    return Account({"bytes": float(size_bytes)}, {"before": before, "held": held})


def _rest(length_s: float) -> tuple[int, int]:
    began_ns = time.time_ns()
    time.sleep(length_s)
    return began_ns, time.time_ns()
