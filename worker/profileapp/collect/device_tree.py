"""Which NVIDIA chip a board has, from its device tree.

Source: the device tree specification, `compatible`; arch/arm64/boot/dts/nvidia of the kernel.
"""

from __future__ import annotations

from pathlib import Path

_READ_BYTES = 4096


def is_jetson(root: Path) -> bool:
    """Whether this is a board with a Tegra."""
    return bool(tegra_chips(root))


def tegra_chips(root: Path) -> tuple[str, ...]:
    """The chips that the board is compatible with, such as `nvidia,tegra234`; empty for other vendors' boards."""
    try:
        with (root / "proc/device-tree/compatible").open("rb") as stream:
            names = stream.read(_READ_BYTES).decode("ascii", errors="replace").split("\0")
    except OSError:
        return ()
    return tuple(name for name in names if name.startswith("nvidia,tegra"))
