"""The kind of Jetson that an agent is, and its settings: module, release, power mode, clocks, fan.

Sources: Jetson Linux Developer Guide (`/etc/nv_tegra_release`, nvpmodel and its files, jetson_clocks; its table of
modules and their part numbers); NVIDIA's JetPack archive and Jetson Linux archive, for which JetPack a release belongs
to; NVIDIA's Jetson.GPIO, for the names that device trees of JetPack 3 and 4 have instead of a part number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from profileapp.collect.device_tree import is_jetson
from profileapp.collect.jetson import files as jetson_files
from profileapp.collect.jetson.throttle import power_mode_number
from profileapp.model.run import Jetson

_READ_LIMIT_BYTES = 256 * 1024
_PACKAGES_LIMIT_BYTES = 64 * 1024 * 1024

_MODULES = {
    "p2180": "TX1",
    "p3310": "TX2",
    "p3489-0000": "TX2i",
    "p3489-0888": "TX2 4GB",
    "p3636-0001": "TX2 NX",
    "p3448-0000": "Nano",
    "p3448-0002": "Nano",
    "p3448-0003": "Nano 2GB",
    "p2888-0001": "AGX Xavier 16GB",
    "p2888-0003": "AGX Xavier 32GB",
    "p2888-0004": "AGX Xavier 32GB",
    "p2888-0005": "AGX Xavier 64GB",
    "p2888-0006": "AGX Xavier 8GB",
    "p2888-0008": "AGX Xavier Industrial",
    "p3668-0000": "Xavier NX",
    "p3668-0001": "Xavier NX",
    "p3668-0003": "Xavier NX 16GB",
    "p3701-0000": "AGX Orin",
    "p3701-0001": "AGX Orin",
    "p3701-0002": "AGX Orin",
    "p3701-0004": "AGX Orin 32GB",
    "p3701-0005": "AGX Orin 64GB",
    "p3701-0008": "AGX Orin Industrial",
    "p3767-0000": "Orin NX 16GB",
    "p3767-0001": "Orin NX 8GB",
    "p3767-0003": "Orin Nano 8GB",
    "p3767-0004": "Orin Nano 4GB",
    "p3767-0005": "Orin Nano 8GB",
    "p3834-0008": "Thor T5000",
}
_BOARDS = {
    "jetson-cv": "TX1",
    "p2371-2180": "TX1",
    "quill": "TX2",
    "lightning": "TX2",
    "storm": "TX2",
    "p2771-0000": "TX2",
    "p2771-0888": "TX2 4GB",
    "jetson-nano": "Nano",
    "p3450-0000": "Nano",
    "p3450-0002": "Nano",
    "p2972-0000": "AGX Xavier",
    "galen": "AGX Xavier",
    "jetson-xavier": "AGX Xavier",
}
"""Names of developer kits in device trees that name no module."""
_MODULE = re.compile(r"nvidia,(?:.*\+)?(p(?:2180|3310|3489|3636|3448|2888|3668|3701|3767|3834)-[0-9]{4})")

_JETPACKS = {
    "24.1": "2.2",
    "24.2": "2.3",
    "24.2.1": "2.3.1",
    "27.1": "3.0",
    "28.1": "3.1",
    "28.2": "3.2",
    "28.2.1": "3.3",
    "28.4": "3.3.3",
    "31.0.1": "4.0 DP",
    "31.0.2": "4.1 DP",
    "31.1": "4.1.1 DP",
    "32.1": "4.2",
    "32.2": "4.2.1",
    "32.2.1": "4.2.2",
    "32.2.3": "4.2.3",
    "32.3.1": "4.3",
    "32.4.2": "4.4 DP",
    "32.4.3": "4.4",
    "32.4.4": "4.4.1",
    "32.5": "4.5",
    "32.5.1": "4.5.1",
    "32.5.2": "4.5.1",
    "32.6.1": "4.6",
    "32.7.1": "4.6.1",
    "32.7.2": "4.6.2",
    "32.7.3": "4.6.3",
    "32.7.4": "4.6.4",
    "32.7.5": "4.6.5",
    "32.7.6": "4.6.6",
    "34.1": "5.0 DP",
    "34.1.1": "5.0.1 DP",
    "35.1": "5.0.2",
    "35.2.1": "5.1",
    "35.3.1": "5.1.1",
    "35.4.1": "5.1.2",
    "35.5": "5.1.3",
    "35.6": "5.1.4",
    "35.6.1": "5.1.5",
    "35.6.2": "5.1.5",
    "35.6.3": "5.1.5",
    "35.6.4": "5.1.6",
    "36.2": "6.0 DP",
    "36.3": "6.0",
    "36.4": "6.1",
    "36.4.3": "6.2",
    "36.4.4": "6.2.1",
    "36.4.7": "6.2.1",
    "36.5": "6.2.2",
    "36.5.2": "6.2.3",
    "38.2": "7.0",
    "38.2.1": "7.0",
    "38.2.2": "7.0",
    "38.4": "7.1",
    "39.2": "7.2",
    "39.2.1": "7.2.1",
}
"""JetPack by release of Jetson Linux, without a final `.0`. `DP`: a developer preview. Security releases of Jetson
Linux alone (32.5.2, 35.6.2, 36.4.7, …) belong to the JetPack before them."""


def jetson_facts(root: Path) -> Jetson | None:
    """Facts of the board below `root`; None if it is not a Jetson. What cannot be read stays empty."""
    if not is_jetson(root):
        return None
    l4t = l4t_release(_text(root / "etc/nv_tegra_release"))
    return Jetson(
        module=module_name(_text(root / "proc/device-tree/compatible")),
        l4t=l4t,
        jetpack=_installed_jetpack(root / "var/lib/dpkg/status") or _JETPACKS.get(l4t.removesuffix(".0"), ""),
        power_mode=power_mode(_text(root / "var/lib/nvpmodel/status"), _text(root / "etc/nvpmodel.conf")),
        clocks_locked=_clocks_locked(root),
        fan=_fan(root),
    )


def l4t_release(text: str) -> str:
    """`36.3.0` from `# R36 (release), REVISION: 3.0, …`; "" for any other text."""
    found = re.match(r"# R(\d{1,3}) \(release\), REVISION: ([\d.]{1,20})", text)
    return f"{found[1]}.{found[2]}" if found else ""


def module_name(compatible: str) -> str:
    """The module's name in the device tree's list, `Xavier NX (p3668-0001)`, or else the board's, `TX1 (jetson-cv)`."""
    names = compatible.split("\0")
    for name in names:
        found = _MODULE.search(name)
        if found:
            number = found[1]
            known = _MODULES.get(number) or _MODULES.get(number.partition("-")[0])
            return f"{known} ({number})" if known else number
    boards = (name.removeprefix("nvidia,").partition("+")[0] for name in names if name.startswith("nvidia,"))
    return next((f"{_BOARDS[board]} ({board})" for board in boards if board in _BOARDS), "")


def power_mode(status: str, configuration: str) -> str:
    """Name and number of nvpmodel's current power mode: `MODE_30W (2)`."""
    number = power_mode_number(status.encode())
    if number is None:
        return ""
    for found in re.finditer(r"<\s*POWER_MODEL\s+ID=(\d{1,4})\s+NAME=([\w.+-]{1,60})\s*>", configuration):
        if int(found[1]) == number:
            return f"{found[2]} ({number})"
    return str(number)


def _clocks_locked(root: Path) -> bool | None:
    """Whether CPU and GPU clocks are locked, as by jetson_clocks; None if unknown."""
    cpus = [path.parent for path in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_min_freq")]
    gpus = jetson_files.gpus(root)
    bounds = [(_text(each / "scaling_min_freq"), _text(each / "scaling_max_freq")) for each in cpus]
    bounds += [(_text(each / "min_freq"), _text(each / "max_freq")) for each in gpus]
    return all(least == most for least, most in bounds) if bounds else None


def _fan(root: Path) -> str:
    values = {}
    for gauge in jetson_files.fans(root):
        value = gauge.read()
        gauge.close()
        if value is not None:
            values[gauge.series.unit] = value
    return ", ".join(f"{value:.0f} {unit}" for unit, value in sorted(values.items()))


def _installed_jetpack(status: Path) -> str:
    """The version of the package nvidia-jetpack, without its build; "" if it is not installed."""
    try:
        with status.open(encoding="utf-8", errors="replace") as lines:
            return _version_of("nvidia-jetpack", _bounded(lines, _PACKAGES_LIMIT_BYTES))
    except OSError:
        return ""


def _version_of(package: str, lines: Iterable[str]) -> str:
    found = False
    for line in lines:
        if line.startswith("Package: "):
            found = line.removeprefix("Package: ").strip() == package
        elif found and line.startswith("Version: "):
            return re.split(r"[-+]", line.removeprefix("Version: ").strip())[0][:40]
    return ""


def _bounded(lines: Iterable[str], limit: int) -> Iterable[str]:
    seen = 0
    for line in lines:
        seen += len(line)
        if seen > limit:
            return
        yield line


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(_READ_LIMIT_BYTES).decode("utf-8", errors="replace").strip("\n ")
    except OSError:
        return ""
