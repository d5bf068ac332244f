"""Reports CUDA's free memory, as a separate program: `python -I -m profileapp.collect.gpu.cuda_probe`.

Its first line is `ready`, or `unavailable REASON`, after which it ends. Then it answers each line `N` of its input with
`N FREE TOTAL`, plus another `FREE TOTAL` for each further GPU: bytes, in PCI bus order; or with
`failed REASON`, and ends. It also ends when its input ends. It keeps a context on each GPU, without which CUDA reports
nothing.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any


def main() -> int:
    """Runs until the input ends. Returns 1 if CUDA cannot be queried."""
    # Output of a library or the driver must not be mixed with the answers.
    with os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8", errors="replace") as answers:
        os.dup2(2, 1)
        try:
            driver = import_module("pycuda.driver")
            contexts = _contexts(driver)
        except Exception as error:
            answers.write(f"unavailable {_reason(error)}\n")
            return 1
        answers.write("ready\n")
        try:
            for line in sys.stdin:
                answers.write(" ".join((line.strip(), *map(str, _memory(driver, contexts)))) + "\n")
        except Exception as error:
            answers.write(f"failed {_one_line(error)}\n")
            return 1
    return 0


def _contexts(driver: Any) -> list[Any]:
    driver.init()
    contexts = []
    for index in range(driver.Device.count()):
        contexts.append(driver.Device(index).make_context())
        driver.Context.pop()
    if not contexts:
        raise RuntimeError("CUDA found no GPU")
    return contexts


def _memory(driver: Any, contexts: list[Any]) -> list[int]:
    numbers = []
    for context in contexts:
        context.push()
        try:
            numbers += driver.mem_get_info()
        finally:
            driver.Context.pop()
    return numbers


def _reason(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == "pycuda":
        return "the Python package pycuda is not installed (pip install pycuda, which needs the CUDA toolkit)"
    text = _one_line(error)
    if isinstance(error, ImportError):
        return f"pycuda cannot be loaded ({text})"
    return f"CUDA cannot be initialised ({text})"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


if __name__ == "__main__":
    sys.exit(main())
