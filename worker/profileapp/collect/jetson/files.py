"""Finds the files in which a Jetson's kernel reports temperatures, clocks, GPU load, power rails and the fan.

Sources: Jetson Linux Developer Guide, "Power Management" and "Thermal Management"; the kernel's own documentation of
`thermal/sysfs-api`, `ABI/testing/sysfs-class-devfreq`, `hwmon/sysfs-interface` and `hwmon/ina3221`. The location of a
file differs by board and release, so it is found by its type, not by its address on the bus.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from profileapp.collect.kernel_file import KernelFile
from profileapp.collect.system import series as names
from profileapp.model.series import Series

SENSOR_OFF_C = -200.0
"""Lower values are not temperatures: sensors that are off read -256."""

_TEXT_BYTES = 256
# The GPU's name in the device tree: depending on the board's family it is `gpu` or the name of the chip's design.
_GPU_NAMES = frozenset({"gpu", "gm20b", "gp10b", "gv11b", "ga10b", "gb10b"})
# Instead of one device, Thor's driver has a clock domain for each of the GPU's clusters and its video engines.
_GPU_CLUSTER = "gpu-gpc-0"
_VIDEO_DOMAIN = re.compile(r"gpu-(nvd)-[0-9]+")
# Thor's name for the device that sets the memory controller's clock ("bandwidth manager").
_BANDWIDTH_MANAGER = "bwmgr"
_ENDINGS_OF_SENSORS = ("-therm", "-thermal", "_thermal")
_EMC_CLOCKS = (
    f"sys/class/devfreq/{_BANDWIDTH_MANAGER}/cur_freq",
    "sys/kernel/debug/bpmp/debug/clk/emc/rate",
    "sys/kernel/debug/clk/emc/clk_rate",
)
_OLD_FAN = "sys/devices/pwm-fan/cur_pwm"
_FULL_PWM = 255


class Gauge:
    """One series, read from one file or from the product of two (voltage and current)."""

    __slots__ = ("_by", "_file", "_scale", "series")

    def __init__(self, series: Series, file: KernelFile, scale: float, by: KernelFile | None = None) -> None:
        self.series = series
        self._file = file
        self._by = by
        self._scale = scale

    def as_series(self, series: Series) -> Gauge:
        """The same readings under another series; only one of the two may be closed."""
        return Gauge(series, self._file, self._scale, self._by)

    def read(self) -> float | None:
        """The value in the series' unit; None while the kernel provides none (a sleeping part)."""
        try:
            number = self._file.read_number()
            return number * self._scale if self._by is None else number * self._by.read_number() * self._scale
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        """Closes the files. May be called twice."""
        self._file.close()
        if self._by:
            self._by.close()


def temperatures(root: Path) -> list[Gauge]:
    """`system.temperature` of every thermal zone, in °C; the files are in thousandths."""
    found = []
    for zone in _folders(root / "sys/class/thermal", "thermal_zone*"):
        name = _text(zone / "type").lower()
        for suffix in _ENDINGS_OF_SENSORS:
            name = name.removesuffix(suffix)
        # An estimate from several sensors, which controls the fan.
        if name and not name.startswith("thermal-fan-est"):
            found += _gauge(names.TEMPERATURE.of(sensor=name), zone / "temp", 1e-3)
    return found


def gpu_load(root: Path, new_series: Callable[[str], Series]) -> list[Gauge]:
    """Load of each GPU, in %; the files are in thousandths. `new_series` returns the series for a GPU's number.

    Thor's kernel has no such file: NVML provides the load of its GPU.
    """
    files = [folder / "device/load" for folder in gpus(root)]
    return _numbered(files, new_series, 0.1)


def has_gpu_load(root: Path) -> bool:
    """Whether the kernel has a file with a GPU's load; this user may not be allowed to read it."""
    return any((folder / "device/load").exists() for folder in gpus(root))


def gpu_clocks(root: Path, new_series: Callable[[str], Series]) -> list[Gauge]:
    """Clock of each GPU, in Hz."""
    return _numbered([folder / "cur_freq" for folder in gpus(root)], new_series, 1.0)


def engine_clocks(root: Path) -> list[Gauge]:
    """Clocks of other parts that scale, in Hz: video engines and the memory controller."""
    found = []
    for folder in _folders(root / "sys/class/devfreq", "*"):
        name = _device_name(folder)
        if name and name not in _GPU_NAMES and name not in (_GPU_CLUSTER, _BANDWIDTH_MANAGER):
            domain = _VIDEO_DOMAIN.fullmatch(name)
            engine = domain[1] if domain else name
            found += _gauge(names.ENGINE_CLOCK.of(engine=engine), folder / "cur_freq", 1.0)
    for path in _EMC_CLOCKS:
        emc = _gauge(names.EMC_CLOCK.series, root / path, 1.0)
        if emc:
            return found + emc
    return found


def cpu_clocks(root: Path) -> list[Gauge]:
    """`system.cpu.frequency` of each core, in Hz; the files are in kHz."""
    found = []
    for folder in _folders(root / "sys/devices/system/cpu", "cpu[0-9]*"):
        clock = names.CPU_FREQUENCY.of(core=folder.name.removeprefix("cpu"))
        found += _gauge(clock, folder / "cpufreq/scaling_cur_freq", 1e3)
    return found


def rails(root: Path, new_series: Callable[[str], Series]) -> list[Gauge]:
    """Power of every rail, in W, from INA3221 and INA238 monitors. `new_series` returns the series of a rail's name."""
    found: list[Gauge] = []
    taken: set[str] = set()
    for name, files, scale in chain(_hwmon_rails(root), _iio_rails(root)):
        label = name.strip().lower()
        # Unconnected channels are called NC; there may be several.
        if not label or label == "nc" or label in taken:
            continue
        with suppress(OSError):
            opened = [KernelFile(path) for path in files]
            taken.add(label)
            found.append(Gauge(new_series(label), opened[0], scale, *opened[1:]))
    return found


def fans(root: Path) -> list[Gauge]:
    """The fan's drive, in % of full speed, and its measured speed, in revolutions per minute."""
    drives: list[Gauge] = []
    speeds: list[Gauge] = []
    speed, drive = names.FAN_SPEED.series, names.FAN_DRIVE.series
    for folder in _folders(root / "sys/class/hwmon", "hwmon*"):
        if _text(folder / "name") in ("pwmfan", "pwm-fan", "pwm_fan"):
            drives += _gauge(drive, folder / "pwm1", 100 / _FULL_PWM)
        for file in ("fan1_input", "rpm"):
            speeds += _gauge(speed, folder / file, 1.0)
    # Until JetPack 4 the drive is a separate file, with a tachometer (TX2, Xavier) or without (Nano).
    return (drives or _gauge(drive, root / _OLD_FAN, 100 / _FULL_PWM)) + speeds


def _hwmon_rails(root: Path) -> Iterator[tuple[str, tuple[Path, ...], float]]:
    """Name, files and factor to W of each rail: mV and mA of an INA3221 (JetPack 5 on), µW of an INA238 (Thor)."""
    for folder in _folders(root / "sys/class/hwmon", "hwmon*"):
        chip = _text(folder / "name")
        if chip == "ina3221":
            for channel in (1, 2, 3):
                if _text(folder / f"in{channel}_enable") != "0":
                    files = folder / f"in{channel}_input", folder / f"curr{channel}_input"
                    yield _text(folder / f"in{channel}_label"), files, 1e-6
        elif chip == "ina238":
            yield _text(folder / "label") or _text(folder / "in1_label"), (folder / "power1_input",), 1e-6


def _iio_rails(root: Path) -> Iterator[tuple[str, tuple[Path, ...], float]]:
    """The same, from the driver of JetPack 3 and 4, which reports mW."""
    for device in _folders(root / "sys/bus/i2c/drivers/ina3221x", "*-*"):
        for folder in _folders(device, "iio:device*") or _folders(device, "iio_device"):
            for channel in (0, 1, 2):
                yield _text(folder / f"rail_name_{channel}"), (folder / f"in_power{channel}_input",), 1e-3


def gpus(root: Path) -> list[Path]:
    """The devfreq folder of each integrated GPU, with its clock and the clock's limits."""
    folders = {folder: _device_name(folder) for folder in _folders(root / "sys/class/devfreq", "*")}
    devices = [folder for folder, name in folders.items() if name in _GPU_NAMES]
    return devices or [folder for folder, name in folders.items() if name == _GPU_CLUSTER]


def _device_name(devfreq: Path) -> str:
    """A device's name in the device tree; without one, the part after its address on the bus."""
    return _text(devfreq / "device/of_node/name") or devfreq.name.rpartition(".")[2]


def _numbered(files: list[Path], new_series: Callable[[str], Series], scale: float) -> list[Gauge]:
    return [gauge for number, path in enumerate(files) for gauge in _gauge(new_series(str(number)), path, scale)]


def _gauge(series: Series, path: Path, scale: float) -> list[Gauge]:
    """One gauge; an empty list if the file does not exist or cannot be read."""
    try:
        return [Gauge(series, KernelFile(path), scale)]
    except OSError:
        return []


def _folders(parent: Path, pattern: str) -> list[Path]:
    """Matching folders, in the order of the numbers in their names."""
    with suppress(OSError):
        return sorted(parent.glob(pattern), key=lambda path: (len(path.name), path.name))
    return []


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_TEXT_BYTES)
    except OSError:
        return b""


def _text(path: Path) -> str:
    return _bytes(path).decode("ascii", errors="replace").strip("\0\n ")
