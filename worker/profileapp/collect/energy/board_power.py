"""The rails that add up to a board's total power. Pure.

Sources: Jetson Linux Developer Guide, "Power Management", tables of the INA3221 channels by module; rail names of
recorded tegrastats lines. Several monitors are downstream of the board's input and measure part of its power again.
"""

from __future__ import annotations

from collections.abc import Iterable

_INPUTS = ("vin", "vdd_in", "pom_5v_in", "5v_in", "vdd_mux")
"""Rails that carry all of the module's (or board's) power, the widest first."""
# Any other rail of such a board, such as AGX Orin's VDDQ_VDD2_1V8AO, is fed by one of these.
_WHOLE_MODULES = (
    frozenset({"vdd_gpu_soc", "vdd_cpu_cv", "vin_sys_5v0"}),  # AGX Orin
    frozenset({"gpu", "cpu", "soc", "cv", "vddrq", "sys5v"}),  # AGX Xavier
    frozenset({"vdd_gpu", "vdd_cpu_soc_mss", "vin_sys_5v0"}),  # AGX Thor
)


def total_rails(rails: Iterable[str]) -> tuple[str, ...]:
    """The rails (in lower case) whose sum is the power of the whole module; empty where unknown."""
    known = frozenset(rails)
    for name in _INPUTS:
        if name in known:
            return (name,)
    for module in _WHOLE_MODULES:
        if module <= known:
            return tuple(sorted(module))
    return ()
