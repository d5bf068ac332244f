"""A model of the boards: trees of /sys, /proc and debugfs, lines of tegrastats and answers of NVML, with expected
values.

A `Board` states the truth once: temperatures, clocks, rails, memory by process. `files` writes it as the kernel of
that board and release does, `tegrastats_line` as its tegrastats prints it, `nvml` as its driver answers; `expected`
lists the values and the source that each metric must have. None of these uses the code under test.

A user who is not root does not see debugfs, and with JetPack 4's power monitor driver none of the rails.

Sources: the Jetson Linux Developer Guide of each release, NVIDIA's kernels and device trees, the recorded lines of
tegrastats, and trees that users of these boards have published.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from profileapp.errors import Unavailable
from tests.helpers.fake_jetson import FakeJetson
from tests.helpers.fake_nvml import MEMORY_V2, FakeNvml, memory, memory_v2, process

GIB, MIB, KIB = 2**30, 2**20, 2**10
APP_PID, APP_CONTAINER = 4711, "abc123"
CUDA_OTHERS = 700 * MIB
"""What others hold before the app starts, as CUDA sees it."""
TICKS_BUSY, TICKS_IDLE = 75, 25

Truth = dict[str, tuple[float, str]]
"""Value and unit by the title of a series. Of energy the value is W: what its counter must rise by in a second."""


class Gpu(msgspec.Struct, frozen=True):
    """A GPU that NVML lists. `own_bytes` 0: it shares the memory of the CPU."""

    name: str
    own_bytes: int = 0
    util: int | None = None
    sm_mhz: int = 0
    celsius: int = 0
    power_mw: int | None = None
    app_bytes: int = 0
    others_bytes: int = 0
    reserved_bytes: int = 0


class Board(msgspec.Struct, frozen=True):
    """State of one board. Rails are in mW; `rails_by` is the driver of their monitors."""

    name: str
    compatible: tuple[str, ...]
    l4t: tuple[int, str]
    jetpack: str
    module: str
    cores: int
    cpu_khz: int
    memory_kib: int
    temperatures: dict[str, int] = {}
    """Thousandths of °C by the kernel's name of the zone."""
    other_zones: dict[str, int] = {}
    """Zones that are no temperature of anything."""
    zone_ending: str = "-therm"
    gpu_folder: str = ""
    gpu_name: str = ""
    """Its name in the device tree; "" where the devfreq folder has no node."""
    gpu_load: int | None = None
    gpu_hz: int = 0
    clusters: int = 1
    engines: dict[str, tuple[str, int]] = {}
    """Folder below devfreq and Hz, by the name that a user sees."""
    emc_file: str = ""
    emc_hz: int = 0
    rails: dict[str, int] = {}
    rails_by: Literal["iio", "hwmon", ""] = ""
    input_rails: tuple[str, ...] = ()
    """Those whose sum is what the board draws."""
    fan_pwm: int | None = None
    fan_rpm: int | None = None
    fan_is_old: bool = False
    coolers: dict[str, int] = {}
    power_mode: int | None = None
    has_nvmap: bool = True
    nvmap_app_kib: int = 0
    nvmap_others_kib: int = 0
    has_tegrastats: bool = True
    tegrastats_load: bool = True
    gpus: tuple[Gpu, ...] = ()

    def tree(self, root: Path, as_root: bool) -> FakeJetson:
        """Writes the files that this kind of user can read on this board."""
        return FakeJetson(root, self.files(as_root), common=False)

    def files(self, as_root: bool) -> dict[str, str]:
        files = {
            "proc/stat": self.proc_stat(0, 0),
            "proc/meminfo": f"MemTotal:  {self.memory_kib} kB\nMemFree:  1024 kB\n"
            f"MemAvailable:  {self.memory_kib // 2} kB\nSwapTotal:  0 kB\nSwapFree:  0 kB\n",
            f"proc/{APP_PID}/stat": f"{APP_PID} (app) S 1 {APP_PID} {APP_PID} {' '.join(['0'] * 60)}\n",
            f"proc/{APP_PID}/cgroup": f"0::/docker/{APP_CONTAINER}\n",
            "proc/7/cgroup": "0::/user.slice\n",
        }
        if self.compatible:
            files["proc/device-tree/compatible"] = "\0".join(self.compatible) + "\0"
            files["proc/device-tree/model"] = f"NVIDIA {self.name}\0"
            release, revision = self.l4t
            files["etc/nv_tegra_release"] = f"# R{release} (release), REVISION: {revision}, GCID: 1, BOARD: x\n"
        for core in range(self.cores):
            folder = f"sys/devices/system/cpu/cpu{core}/cpufreq"
            for which, khz in (("cur", self.cpu_khz), ("min", self.cpu_khz // 4), ("max", self.cpu_khz)):
                files[f"{folder}/scaling_{which}_freq"] = f"{khz}\n"
        zones = {f"{name}{self.zone_ending}": value for name, value in self.temperatures.items()} | self.other_zones
        for number, (name, thousandths) in enumerate(zones.items()):
            files[f"sys/class/thermal/thermal_zone{number}/type"] = f"{name}\n"
            files[f"sys/class/thermal/thermal_zone{number}/temp"] = f"{thousandths}\n"
        for number, (name, state) in enumerate(self.coolers.items()):
            files[f"sys/class/thermal/cooling_device{number}/type"] = f"{name}\n"
            files[f"sys/class/thermal/cooling_device{number}/cur_state"] = f"{state}\n"
        files |= self._devfreq_files() | self._fan_files()
        if self.rails_by == "hwmon":
            files |= _hwmon_rails(self.rails)
        if self.rails_by == "iio" and as_root:
            files |= _iio_rails(self.rails)
        if self.emc_file and (as_root or "debug" not in self.emc_file):
            files[self.emc_file] = f"{self.emc_hz}\n"
        if self.has_nvmap and as_root:
            total = self.nvmap_app_kib + self.nvmap_others_kib
            files["sys/kernel/debug/nvmap/iovmm/clients"] = (
                "CLIENT                        PROCESS      PID        SIZE\n"
                f"user                             other        7 {self.nvmap_others_kib:10}K\n"
                f"user                               app     {APP_PID} {self.nvmap_app_kib:10}K\n"
                f"total                                           {total:10}K\n"
            )
        if self.power_mode is not None:
            files["var/lib/nvpmodel/status"] = f"pmode:{self.power_mode:04}"
            files["etc/nvpmodel.conf"] = f"< POWER_MODEL ID={self.power_mode} NAME=THIS_ONE >\n"
        return files

    def _devfreq_files(self) -> dict[str, str]:
        files: dict[str, str] = {}
        clocks = dict(self.engines.values())
        if self.gpu_folder:
            clocks[self.gpu_folder] = self.gpu_hz
        for folder, hz in clocks.items():
            path = f"sys/class/devfreq/{folder}"
            for which, value in (("cur", hz), ("min", hz // 4), ("max", hz)):
                files[f"{path}/{which}_freq"] = f"{value}\n"
        if self.gpu_name:
            files[f"sys/class/devfreq/{self.gpu_folder}/device/of_node/name"] = f"{self.gpu_name}\0"
        if self.gpu_load is not None:
            files[f"sys/class/devfreq/{self.gpu_folder}/device/load"] = f"{self.gpu_load}\n"
        return files

    def _fan_files(self) -> dict[str, str]:
        files: dict[str, str] = {}
        if self.fan_pwm is not None and self.fan_is_old:
            files["sys/devices/pwm-fan/cur_pwm"] = f"{self.fan_pwm}\n"
        elif self.fan_pwm is not None:
            files["sys/class/hwmon/hwmon0/name"] = "pwmfan\n"
            files["sys/class/hwmon/hwmon0/pwm1"] = f"{self.fan_pwm}\n"
        if self.fan_rpm is not None:
            files["sys/class/hwmon/hwmon1/name"] = "pwm_tach\n"
            files["sys/class/hwmon/hwmon1/rpm"] = f"{self.fan_rpm}\n"
        return files

    def proc_stat(self, busy: int, idle: int) -> str:
        """/proc/stat of cores that have each been busy and idle for the given ticks since boot."""
        cores = [f"cpu{core} {100 + busy} 0 50 {900 + idle} 0 0 0 0 0 0" for core in range(self.cores)]
        total = f"cpu  {self.cores * (100 + busy)} 0 {self.cores * 50} {self.cores * (900 + idle)} 0 0 0 0 0 0"
        return "\n".join([total, *cores, "intr 1"]) + "\n"

    def tegrastats_line(self, as_root: bool) -> str:
        """The line that this board's release prints for this kind of user."""
        total_mib = self.memory_kib // 1024
        mhz = round(self.cpu_khz / 1000)
        fields = [f"RAM {total_mib // 2}/{total_mib}MB (lfb 4x4MB)"]
        fields.append("CPU [" + ",".join(f"{TICKS_BUSY}%@{mhz}" for _ in range(self.cores)) + "]")
        if as_root:
            fields.append(f"EMC_FREQ 3%@{round(self.emc_hz / 1e6)}")
        fields += self._gpu_fields(as_root)
        fields += [f"{name}@{value / 1000:g}C" for name, value in self.temperatures.items()]
        if self.rails_by == "hwmon" or as_root:
            fields += [f"{name} {mw}mW/{mw}mW" for name, mw in self.rails.items()]
        return " ".join(fields)

    def _gpu_fields(self, as_root: bool) -> list[str]:
        mhz = round(self.gpu_hz / 1e6)
        if not self.tegrastats_load:
            return [f"GR3D_FREQ @[{mhz},{mhz},{mhz}]"] if as_root else []
        load = round((self.gpu_load or 0) / 10)
        if not as_root and self.rails_by == "iio":
            return [f"GR3D_FREQ {load}%"]
        return [f"GR3D_FREQ {load}%@{mhz}"] + [f"GR3D{n}_FREQ {load}%@{mhz}" for n in range(2, self.clusters + 1)]

    def nvml(self) -> Callable[[], Any]:
        """A loader of the driver's library. Raises Unavailable if the release has none."""
        if not self.gpus:
            return _no_nvml
        fake = FakeNvml(*map(_answers, self.gpus))
        return lambda: fake


def _answers(gpu: Gpu) -> dict[str, Any]:
    answers: dict[str, Any] = {"nvmlDeviceGetName": gpu.name, "nvmlDeviceGetComputeRunningProcesses": []}
    if gpu.app_bytes or gpu.others_bytes:
        answers["nvmlDeviceGetComputeRunningProcesses"] = [
            process(APP_PID, gpu.app_bytes),
            process(7, gpu.others_bytes),
        ]
    if gpu.own_bytes:
        used = gpu.app_bytes + gpu.others_bytes
        answers["nvmlDeviceGetMemoryInfo"] = memory(used + gpu.reserved_bytes, gpu.own_bytes)
        answers[f"nvmlDeviceGetMemoryInfo:{MEMORY_V2}"] = memory_v2(used, gpu.reserved_bytes, gpu.own_bytes)
    if gpu.util is not None:
        answers["nvmlDeviceGetUtilizationRates"] = msgspec.defstruct("Rates", [("gpu", int), ("memory", int)])(
            gpu.util, 11
        )
        answers["nvmlDeviceGetClockInfo:1"] = gpu.sm_mhz
        answers["nvmlDeviceGetTemperature:0"] = gpu.celsius
    if gpu.power_mw is not None:
        answers["nvmlDeviceGetPowerUsage"] = gpu.power_mw
    return answers


def _no_nvml() -> Any:
    raise Unavailable("no NVML on this agent: libnvidia-ml.so.1, which is part of the NVIDIA driver, was not found")


def _hwmon_rails(rails: dict[str, int]) -> dict[str, str]:
    """Three rails on each INA3221 monitor, at 5 V; `VIN` alone on an INA238, which reports µW."""
    files: dict[str, str] = {}
    channels = [(name, mw) for name, mw in rails.items() if name != "VIN"]
    for index, (name, mw) in enumerate(channels):
        folder, channel = f"sys/class/hwmon/hwmon{4 + index // 3}", index % 3 + 1
        files[f"{folder}/name"] = "ina3221\n"
        files[f"{folder}/in7_label"] = "sum of shunt voltages\n"
        files[f"{folder}/in{channel}_label"] = f"{name}\n"
        files[f"{folder}/in{channel}_enable"] = "1\n"
        files[f"{folder}/in{channel}_input"] = "5000\n"
        files[f"{folder}/curr{channel}_input"] = f"{mw // 5}\n"
    if "VIN" in rails:
        files["sys/class/hwmon/hwmon9/name"] = "ina238\n"
        files["sys/class/hwmon/hwmon9/label"] = "VIN\n"
        files["sys/class/hwmon/hwmon9/power1_input"] = f"{rails['VIN'] * 1000}\n"
    return files


def _iio_rails(rails: dict[str, int]) -> dict[str, str]:
    files: dict[str, str] = {}
    for index, (name, mw) in enumerate(rails.items()):
        folder = f"sys/bus/i2c/drivers/ina3221x/1-004{index // 3}/iio:device{index // 3}"
        files[f"{folder}/rail_name_{index % 3}"] = f"{name}\n"
        files[f"{folder}/in_power{index % 3}_input"] = f"{mw}\n"
    return files


_DEBUG_EMC = "sys/kernel/debug/bpmp/debug/clk/emc/rate"
_NVGPU = (Gpu("Orin (nvgpu)"),)

BOARDS = (
    Board(
        "Jetson TX1", ("nvidia,jetson-cv", "nvidia,tegra210"), (32, "7.1"), "4.6.1", "TX1 (jetson-cv)", 4, 1734000,
        4059712,
        {"AO": 39500, "CPU": 33000, "GPU": 31000, "PLL": 32500}, {"PMIC-Die": 100000, "thermal-fan-est": 32000},
        gpu_folder="57000000.gpu", gpu_name="gpu", gpu_load=437, gpu_hz=998_400_000,
        emc_file="sys/kernel/debug/clk/emc/clk_rate", emc_hz=1_600_000_000,
        rails={"VDD_IN": 5210, "VDD_GPU": 1100, "VDD_CPU": 900}, rails_by="iio", input_rails=("vdd_in",),
        fan_pwm=80, fan_is_old=True, power_mode=0,
        coolers={"pwm-fan": 1, "CORE-floor": 1, "DFLL-floor": 1, "vdd-gpu-vts": 2, "cpu-balanced": 0},
        nvmap_app_kib=300_000, nvmap_others_kib=64_000,
    ),
    Board(
        "Jetson TX2", ("nvidia,p2597-0000+p3310-1000", "nvidia,tegra186"), (32, "7.1"), "4.6.1", "TX2 (p3310-1000)", 6,
        2035200, 8042496, {"BCPU": 36000, "MCPU": 36000, "GPU": 34500, "PLL": 36000}, {"PMIC-Die": 100000},
        gpu_folder="17000000.gp10b", gpu_name="gp10b", gpu_load=905, gpu_hz=1_300_500_000, emc_file=_DEBUG_EMC,
        emc_hz=1_866_000_000, rails={"VDD_SYS_GPU": 4100, "VDD_SYS_SOC": 900, "VDD_IN": 9870}, rails_by="iio",
        input_rails=("vdd_in",), fan_pwm=120, fan_rpm=2210, fan_is_old=True, power_mode=3,
        coolers={"tegra-eqos": 3, "pwm-fan": 2, "mcpu-balanced": 0, "gpu-balanced": 0}, nvmap_app_kib=900_000,
    ),
    Board(
        "Jetson Nano", ("nvidia,p3449-0000-b00+p3448-0000-b00", "nvidia,jetson-nano", "nvidia,tegra210"), (32, "7.6"),
        "4.6.6", "Nano (p3448-0000)", 4, 1479000, 4051048, {"AO": 39500, "CPU": 33500, "GPU": 32000, "PLL": 31500},
        {"PMIC-Die": 100000, "thermal-fan-est": 32750}, gpu_folder="57000000.gpu", gpu_name="gpu", gpu_load=620,
        gpu_hz=921_600_000, emc_file="sys/kernel/debug/clk/emc/clk_rate", emc_hz=1_600_000_000,
        rails={"POM_5V_IN": 4210, "POM_5V_GPU": 815, "POM_5V_CPU": 1304}, rails_by="iio", input_rails=("pom_5v_in",),
        fan_pwm=128, fan_is_old=True, power_mode=0,
        coolers={"CORE-floor": 1, "DFLL-floor": 1, "vdd-gpu-vts": 2, "pwm-fan": 1, "gpu-balanced": 0},
        nvmap_app_kib=512_000, nvmap_others_kib=8_000,
    ),
    Board(
        "Jetson Xavier NX", ("nvidia,p3449-0000+p3668-0001", "nvidia,p3668-0001", "nvidia,tegra194"), (35, "6.4"),
        "5.1.6",
        "Xavier NX (p3668-0001)", 6, 1907200, 7007232, {"AO": 36500, "CPU": 38000, "GPU": 37000, "AUX": 36500},
        {"PMIC-Die": 50000, "thermal-fan-est": 37250}, gpu_folder="17000000.gv11b", gpu_name="gv11b", gpu_load=995,
        gpu_hz=1_109_250_000, emc_file=_DEBUG_EMC, emc_hz=1_866_000_000,
        rails={"VDD_IN": 11250, "VDD_CPU_GPU_CV": 4500, "VDD_SOC": 1500}, rails_by="hwmon", input_rails=("vdd_in",),
        fan_pwm=51, fan_rpm=1940, power_mode=8,
        coolers={"pwm-fan": 2, "cpu-throttle-alert": 0, "gpu-throttle-alert": 0, "hot-surface-alert": 1},
        nvmap_app_kib=1_000_000,
    ),
    Board(
        "Jetson AGX Xavier", ("nvidia,p2972-0000", "nvidia,p2822-0000+p2888-0004", "nvidia,tegra194"), (35, "4.1"),
        "5.1.2",
        "AGX Xavier 32GB (p2888-0004)", 8, 2265600, 31_000_000, {"AO": 36000, "CPU": 37500, "GPU": 36500},
        gpu_folder="17000000.gv11b", gpu_name="gv11b", gpu_load=510, gpu_hz=1_377_000_000, emc_file=_DEBUG_EMC,
        emc_hz=2_133_000_000,
        rails={"GPU": 6000, "CPU": 3000, "SOC": 2500, "CV": 500, "VDDRQ": 1500, "SYS5V": 2500}, rails_by="hwmon",
        input_rails=("gpu", "cpu", "soc", "cv", "vddrq", "sys5v"), fan_pwm=77, fan_rpm=1500, power_mode=2,
        coolers={"pwm-fan": 1, "cpu-balanced": 0, "gpu-balanced": 0, "hot-surface-alert": 0}, nvmap_app_kib=2_000_000,
    ),
    Board(
        "Jetson Orin Nano", ("nvidia,p3768-0000+p3767-0005-super", "nvidia,p3767-0005", "nvidia,tegra234"), (36, "4.7"),
        "6.2.1", "Orin Nano 8GB (p3767-0005)", 6, 1510400, 7800000,
        {"cpu": 48500, "gpu": 47312, "soc0": 46000, "tj": 48500}, zone_ending="-thermal", gpu_folder="17000000.gpu",
        gpu_name="gpu", gpu_load=640, gpu_hz=624_750_000, engines={"vic": ("15340000.vic", 115_200_000)},
        emc_file=_DEBUG_EMC, emc_hz=2_133_000_000, rails={"VDD_IN": 7250, "VDD_CPU_GPU_CV": 2500, "VDD_SOC": 1500},
        rails_by="hwmon", input_rails=("vdd_in",), fan_pwm=102, fan_rpm=1800, power_mode=0,
        coolers={"pwm-fan": 1, "cpufreq-cpu0": 0, "devfreq-17000000.gpu": 0, "cpu-throttle-alert": 0},
        nvmap_app_kib=1_500_000, nvmap_others_kib=90_000, gpus=_NVGPU,
    ),
    Board(
        "Jetson Orin NX", ("nvidia,p3768-0000+p3767-0000", "nvidia,p3767-0000", "nvidia,tegra234"), (36, "5.0"),
        "6.2.2",
        "Orin NX 16GB (p3767-0000)", 8, 1984000, 16_000_000, {"cpu": 50000, "gpu": 49000, "tj": 50000},
        zone_ending="-thermal", gpu_folder="17000000.gpu", gpu_name="gpu", gpu_load=999, gpu_hz=918_000_000,
        emc_file=_DEBUG_EMC, emc_hz=3_199_000_000, rails={"VDD_IN": 14000, "VDD_CPU_GPU_CV": 6000, "VDD_SOC": 2500},
        rails_by="hwmon", input_rails=("vdd_in",), fan_pwm=255, fan_rpm=4000, power_mode=0,
        coolers={"pwm-fan": 3, "cpu-throttle-alert": 0}, nvmap_app_kib=3_000_000, gpus=_NVGPU,
    ),
    Board(
        "Jetson AGX Orin", ("nvidia,p3737-0000+p3701-0005", "nvidia,p3701-0005", "nvidia,tegra234"), (36, "4.3"), "6.2",
        "AGX Orin 64GB (p3701-0005)", 12, 2201600, 64_000_000, {"cpu": 47312, "gpu": 45000, "soc0": 44781, "tj": 47312},
        zone_ending="-thermal", gpu_folder="17000000.gpu", gpu_name="gpu", gpu_load=870, gpu_hz=1_301_000_000,
        clusters=2,
        engines={"vic": ("15340000.vic", 115_200_000)}, emc_file=_DEBUG_EMC, emc_hz=3_199_000_000,
        rails={"VDD_GPU_SOC": 9000, "VDD_CPU_CV": 4000, "VIN_SYS_5V0": 5000, "VDDQ_VDD2_1V8AO": 1000}, rails_by="hwmon",
        input_rails=("vdd_gpu_soc", "vdd_cpu_cv", "vin_sys_5v0"), fan_pwm=90, fan_rpm=1200, power_mode=0,
        coolers={"pwm-fan": 1, "cpu-throttle-alert": 0, "gpu-throttle-alert": 0}, nvmap_app_kib=4_000_000, gpus=_NVGPU,
    ),
    Board(
        "IGX Orin with a discrete GPU", ("nvidia,p3740-0002+p3701-0008", "nvidia,p3701-0008", "nvidia,tegra234"),
        (36, "4.3"), "6.2", "AGX Orin Industrial (p3701-0008)", 12, 1971200, 64_000_000,
        {"cpu": 45000, "gpu": 40000, "tj": 45000}, zone_ending="-thermal", gpu_folder="17000000.gpu", gpu_name="gpu",
        gpu_load=0, gpu_hz=306_000_000, emc_file=_DEBUG_EMC, emc_hz=3_199_000_000,
        rails={"VDD_GPU_SOC": 5000, "VDD_CPU_CV": 2000, "VIN_SYS_5V0": 4000}, rails_by="hwmon",
        input_rails=("vdd_gpu_soc", "vdd_cpu_cv", "vin_sys_5v0"), power_mode=0, coolers={"cpu-throttle-alert": 0},
        gpus=(
            Gpu("NVIDIA RTX A6000", 48 * GIB, 85, 1800, 71, 240_000, 9 * GIB, 2 * GIB, 450 * MIB),
        ),
    ),
    Board(
        "Jetson AGX Thor", ("nvidia,p4071-0000+p3834-0008", "nvidia,p3834-0008", "nvidia,tegra264"), (38, "4.0"), "7.1",
        "Thor T5000 (p3834-0008)", 14, 2601000, 128_000_000, {"cpu": 34500, "gpu": 36000, "tj": 36000},
        zone_ending="-thermal", gpu_folder="gpu-gpc-0", gpu_hz=1_575_000_000,
        engines={"nvd": ("gpu-nvd-0", 1_692_000_000)}, emc_file="sys/class/devfreq/bwmgr/cur_freq",
        emc_hz=4_266_000_000,
        rails={"VDD_GPU": 22000, "VDD_CPU_SOC_MSS": 9000, "VIN_SYS_5V0": 7000, "VIN": 45000}, rails_by="hwmon",
        input_rails=("vin",), fan_pwm=60, fan_rpm=1100, power_mode=0, coolers={"pwm-fan": 1, "cpufreq-cpu0": 0},
        tegrastats_load=False, gpus=(Gpu("NVIDIA Thor", 0, 62, 1575, 36, None, 3 * GIB, GIB),),
    ),
    Board(
        "DGX Spark", (), (0, ""), "", "", 20, 3900000, 128_000_000, has_nvmap=False, has_tegrastats=False,
        gpus=(Gpu("NVIDIA GB10", 0, 94, 2411, 64, 68_000, 40 * GIB, GIB),),
    ),
)  # fmt: skip


def expected(board: Board, metric: str, as_root: bool) -> tuple[str, Truth]:
    """The source that must provide a metric, and the expected values; no source if the metric must be skipped."""
    return {"system": _system, "gpu-summary": _gpu_summary, "gpu-memory": _gpu_memory, "energy": _energy}[metric](
        board, as_root
    )


def _system(board: Board, as_root: bool) -> tuple[str, Truth]:
    sees_rails = board.rails_by == "hwmon" or (as_root and board.rails_by == "iio")
    truth: Truth = {"system.cpu.util": (TICKS_BUSY, "%"), "system.memory.used": (board.memory_kib * KIB / 2, "bytes")}
    truth |= {f"system.cpu.util[{core}]": (TICKS_BUSY, "%") for core in range(board.cores)}
    if not board.compatible:
        return "psutil", truth
    truth |= {f"system.temperature[{name.lower()}]": (value / 1e3, "°C") for name, value in board.temperatures.items()}
    truth |= {f"system.cpu.frequency[{core}]": (board.cpu_khz * 1e3, "Hz") for core in range(board.cores)}
    truth["system.throttled[heat]"] = (0, "")
    truth["system.power-mode"] = (board.power_mode or 0, "")
    if sees_rails:
        truth |= {f"system.power[{name.lower()}]": (mw / 1e3, "W") for name, mw in board.rails.items()}
    if board.gpu_load is None or not sees_rails:
        if board.gpu_load is not None:
            truth["system.gpu.util"] = (board.gpu_load / 10, "%")
        elif as_root:
            truth["system.gpu.clock"] = (board.gpu_hz, "Hz")
        return "tegrastats", truth
    truth["system.gpu.util"] = (board.gpu_load / 10, "%")
    truth["system.gpu.clock"] = (board.gpu_hz, "Hz")
    truth |= {f"system.engine.clock[{name}]": (hz, "Hz") for name, (_, hz) in board.engines.items()}
    if as_root:
        truth["system.emc.clock"] = (board.emc_hz, "Hz")
    if board.fan_pwm is not None:
        truth["system.fan.drive"] = (board.fan_pwm / 255 * 100, "%")
    if board.fan_rpm is not None:
        truth["system.fan.speed"] = (board.fan_rpm, "rpm")
    return "jetson-kernel", truth


def _gpu_summary(board: Board, _as_root: bool) -> tuple[str, Truth]:
    measured = [(number, gpu) for number, gpu in enumerate(board.gpus) if gpu.util is not None]
    if measured:
        truth: Truth = {}
        for number, gpu in measured:
            truth[f"gpu.util[{number}]"] = (gpu.util or 0, "%")
            truth[f"gpu.clock.sm[{number}]"] = (gpu.sm_mhz * 1e6, "Hz")
            truth[f"gpu.temperature[{number}]"] = (gpu.celsius, "°C")
        return "nvml", truth
    degrees = {name.lower(): value / 1e3 for name, value in board.temperatures.items()}
    return "jetson-kernel", {
        "gpu.util[0]": ((board.gpu_load or 0) / 10, "%"),
        "gpu.clock.sm[0]": (board.gpu_hz, "Hz"),
        "gpu.temperature[0]": (degrees["gpu"], "°C"),
    }


def _gpu_memory(board: Board, as_root: bool) -> tuple[str, Truth]:
    total = board.memory_kib * KIB
    for number, gpu in enumerate(board.gpus):
        if gpu.app_bytes:
            return "nvml", {
                f"gpu.memory.used[{number}]": (gpu.app_bytes + gpu.others_bytes, "bytes"),
                f"gpu.memory.allocated[{number}]": (gpu.app_bytes, "bytes"),
                f"gpu.memory.total[{number}]": (gpu.own_bytes or total, "bytes"),
            }
    app, others = board.nvmap_app_kib * KIB, board.nvmap_others_kib * KIB
    return ("nvmap" if as_root else "pycuda"), {
        "gpu.memory.used[0]": (app + (others if as_root else CUDA_OTHERS), "bytes"),
        "gpu.memory.allocated[0]": (app, "bytes"),
        "gpu.memory.total[0]": (total, "bytes"),
    }


def _energy(board: Board, as_root: bool) -> tuple[str, Truth]:
    cards = {number: gpu for number, gpu in enumerate(board.gpus) if gpu.power_mw is not None}
    if not board.rails:
        return "nvml", {f"energy.total[{number}]": ((gpu.power_mw or 0) / 1e3, "J") for number, gpu in cards.items()}
    if board.rails_by == "iio" and not as_root:
        return "", {}
    truth: Truth = {f"energy.rail[{name.lower()}]": (mw / 1e3, "J") for name, mw in board.rails.items()}
    board_w = sum(mw / 1e3 for name, mw in board.rails.items() if name.lower() in board.input_rails)
    truth["energy.total"] = (board_w + sum((gpu.power_mw or 0) / 1e3 for gpu in cards.values()), "J")
    if cards:
        truth["energy.board"] = (board_w, "J")
        truth |= {f"energy.total[{number}]": ((gpu.power_mw or 0) / 1e3, "J") for number, gpu in cards.items()}
    return "jetson-kernel", truth
