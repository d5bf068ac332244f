"""Trees of /sys, /proc and /etc of three Jetson boards and three generations of JetPack.

Sources: the Jetson Linux Developer Guide of each release, the kernel's documentation of thermal zones, devfreq and
the INA3221, and trees that users of these boards have published.
"""

from __future__ import annotations

from pathlib import Path

CORES = 4
MIB = 1024 * 1024


class FakeJetson:
    """One board below `root`. `write` changes a file in place, visible to a reader that has it open."""

    def __init__(self, root: Path, files: dict[str, str], *, common: bool = True) -> None:
        self.root = root
        for name, content in {**(_common() if common else {}), **files}.items():
            self.write(name, content)

    def write(self, name: str, content: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())

    def remove(self, name: str) -> None:
        (self.root / name).unlink()

    def link(self, name: str, target: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).symlink_to(target)


def nano(root: Path) -> FakeJetson:
    """Jetson Nano, JetPack 4.6.1: INA3221 by the iio driver, the fan by a separate driver."""
    ina = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    return FakeJetson(
        root,
        {
            "proc/device-tree/model": "NVIDIA Jetson Nano Developer Kit\0",
            "proc/device-tree/compatible": "nvidia,p3449-0000-b00+p3448-0000-b00\0nvidia,tegra210\0",
            **_zones({"AO-therm": 41000, "CPU-therm": 33500, "GPU-therm": 32000, "PLL-therm": 31500}),
            **_zones({"PMIC-Die": 100000, "thermal-fan-est": 32750}, first=4),
            "sys/class/devfreq/57000000.gpu/device/of_node/name": "gpu\0",
            "sys/class/devfreq/57000000.gpu/device/load": "437\n",
            **_clocks("sys/class/devfreq/57000000.gpu", 460_800_000, 76_800_000, 921_600_000),
            f"{ina}/rail_name_0": "POM_5V_IN\n",
            f"{ina}/in_power0_input": "4210\n",
            f"{ina}/rail_name_1": "POM_5V_GPU\n",
            f"{ina}/in_power1_input": "815\n",
            f"{ina}/rail_name_2": "POM_5V_CPU\n",
            f"{ina}/in_power2_input": "1304\n",
            "sys/devices/pwm-fan/cur_pwm": "128\n",
            **_coolers({"pwm-fan": 1, "cpu-balanced": 0, "gpu-balanced": 0}),
            "sys/kernel/debug/clk/emc/clk_rate": "1600000000\n",
            "etc/nv_tegra_release": "# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t210ref, EABI: aarch64, "
            "DATE: Sat Feb 19 17:05:08 UTC 2022\n",
            "etc/nvpmodel.conf": _power_modes({0: "MAXN", 1: "5W"}),
            "var/lib/nvpmodel/status": "pmode:0000",
            "usr/local/cuda/version.txt": "CUDA Version 10.2.300\n",
        },
    )


def xavier_nx(root: Path) -> FakeJetson:
    """Jetson Xavier NX, JetPack 5.1.1: INA3221 by hwmon, a fan with a tachometer."""
    gpu = "sys/class/devfreq/17000000.gv11b"
    return FakeJetson(
        root,
        {
            "proc/device-tree/model": "NVIDIA Jetson Xavier NX Developer Kit\0",
            "proc/device-tree/compatible": "nvidia,p3449-0000+p3668-0001\0nvidia,p3668-0001\0nvidia,tegra194\0",
            **_zones({"AO-therm": 36500, "CPU-therm": 38000, "GPU-therm": 37000, "AUX-therm": 36500}),
            **_zones({"PMIC-Die": 50000, "thermal-fan-est": 37250}, first=4),
            f"{gpu}/device/of_node/name": "gv11b\0",
            f"{gpu}/device/load": "995\n",
            **_clocks(gpu, 1_109_250_000, 114_750_000, 1_109_250_000),
            **_ina3221("hwmon4", "VDD_IN", (5080, 1210), "VDD_CPU_GPU_CV", (5080, 400), "VDD_SOC", (5072, 250)),
            "sys/class/hwmon/hwmon2/name": "pwmfan\n",
            "sys/class/hwmon/hwmon2/pwm1": "51\n",
            "sys/class/hwmon/hwmon1/name": "pwm_tach\n",
            "sys/class/hwmon/hwmon1/rpm": "1940\n",
            **_coolers({"pwm-fan": 2, "cpu-throttle-alert": 0, "gpu-throttle-alert": 0, "hot-surface-alert": 1}),
            "sys/class/hwmon/hwmon3/name": "soctherm_oc\n",
            "sys/class/hwmon/hwmon3/oc1_event_cnt": "3\n",
            "sys/class/hwmon/hwmon3/oc3_event_cnt": "0\n",
            "etc/nv_tegra_release": "# R35 (release), REVISION: 3.1, GCID: 32827747, BOARD: t186ref, EABI: aarch64, "
            "DATE: Sun Mar 19 15:19:21 UTC 2023\n",
            "etc/nvpmodel.conf": _power_modes({0: "MODE_15W_2CORE", 1: "MODE_15W_4CORE", 8: "MODE_20W_6CORE"}),
            "var/lib/nvpmodel/status": "pmode:0008",
            "var/lib/dpkg/status": "Package: nvidia-jetpack\nStatus: install ok installed\nVersion: 5.1.1-b56\n\n",
            "usr/local/cuda/version.json": '{"cuda": {"name": "CUDA SDK", "version": "11.4.19"}}\n',
        },
    )


def agx_orin(root: Path) -> FakeJetson:
    """Jetson AGX Orin 64GB, JetPack 6.0: the GPU below bus@0, two INA3221, suspended devices."""
    gpu, vic = "sys/class/devfreq/17000000.gpu", "sys/class/devfreq/15340000.vic"
    return FakeJetson(
        root,
        {
            "proc/device-tree/model": "NVIDIA Jetson AGX Orin Developer Kit\0",
            "proc/device-tree/compatible": "nvidia,p3737-0000+p3701-0005\0nvidia,p3701-0005\0nvidia,tegra234\0",
            **_zones({"cpu-thermal": 47312, "gpu-thermal": -256000, "cv0-thermal": -256000, "soc0-thermal": 44781}),
            **_zones({"tj-thermal": 47312, "tboard-thermal": 36625}, first=4),
            f"{gpu}/device/of_node/name": "gpu\0",
            f"{gpu}/device/load": "0\n",
            **_clocks(gpu, 305_835_294, 305_835_294, 1_301_000_000),
            f"{vic}/device/of_node/name": "vic\0",
            f"{vic}/cur_freq": "115200000\n",
            **_ina3221("hwmon5", "VDD_GPU_SOC", (19880, 160), "VDD_CPU_CV", (19880, 40), "VIN_SYS_5V0", (4992, 1010)),
            **_ina3221("hwmon6", "NC", (0, 0), "VDDQ_VDD2_1V8AO", (4992, 120), "NC", (0, 0)),
            "sys/class/hwmon/hwmon2/name": "pwmfan\n",
            "sys/class/hwmon/hwmon2/pwm1": "255\n",
            **_coolers({"pwm-fan": 3, "cpu-throttle-alert": 1, "gpu-throttle-alert": 0}),
            "etc/nv_tegra_release": "# R36 (release), REVISION: 3.0, GCID: 36923193, BOARD: generic, EABI: aarch64, "
            "DATE: Fri Jul 19 23:24:25 UTC 2024\n",
            "etc/nvpmodel.conf": _power_modes({0: "MAXN", 1: "MODE_15W", 2: "MODE_30W", 3: "MODE_50W"}),
            "var/lib/nvpmodel/status": "fmode:quiet pmode:0002\n",
            "usr/local/cuda-12.2/version.json": '{"cuda": {"name": "CUDA SDK", "version": "12.2.20230823"}}\n',
        },
    )


BOARDS = (nano, xavier_nx, agx_orin)


def _common() -> dict[str, str]:
    clocks = {
        f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_{name}_freq": f"{khz}\n"
        for core in range(CORES)
        for name, khz in (("cur", 1190400), ("min", 115200), ("max", 1479000))
    }
    return {
        "proc/stat": proc_stat(0, 0),
        "proc/meminfo": "MemTotal:  4051048 kB\nMemFree:  512000 kB\nMemAvailable:  2000000 kB\n"
        "SwapTotal:  2025520 kB\nSwapFree:  2025000 kB\n",
        **clocks,
    }


def proc_stat(busy_ticks: int, idle_ticks: int) -> str:
    """/proc/stat of cores that have each been busy and idle for the given time since boot."""
    lines = [f"cpu{core} {100 + busy_ticks} 0 50 {900 + idle_ticks} 0 0 0 0 0 0" for core in range(CORES)]
    total = f"cpu  {CORES * (100 + busy_ticks)} 0 {CORES * 50} {CORES * (900 + idle_ticks)} 0 0 0 0 0 0"
    return "\n".join([total, *lines, "intr 1"]) + "\n"


def _zones(zones: dict[str, int], first: int = 0) -> dict[str, str]:
    return {
        f"sys/class/thermal/thermal_zone{number}/{file}": f"{content}\n"
        for number, (name, thousandths) in enumerate(zones.items(), first)
        for file, content in (("type", name), ("temp", thousandths))
    }


def _coolers(coolers: dict[str, int]) -> dict[str, str]:
    return {
        f"sys/class/thermal/cooling_device{number}/{file}": f"{content}\n"
        for number, (name, state) in enumerate(coolers.items())
        for file, content in (("type", name), ("cur_state", state))
    }


def _clocks(devfreq: str, now_hz: int, least_hz: int, most_hz: int) -> dict[str, str]:
    return {f"{devfreq}/{name}_freq": f"{hz}\n" for name, hz in (("cur", now_hz), ("min", least_hz), ("max", most_hz))}


def _ina3221(hwmon: str, *channels: str | tuple[int, int]) -> dict[str, str]:
    """Names with (mV, mA). The seventh voltage is the chip's sum, and no rail."""
    folder = f"sys/class/hwmon/{hwmon}"
    files = {f"{folder}/name": "ina3221\n", f"{folder}/in7_label": "sum of shunt voltages\n"}
    for number, (name, reading) in enumerate(zip(channels[::2], channels[1::2], strict=True), 1):
        assert isinstance(reading, tuple)
        files[f"{folder}/in{number}_label"] = f"{name}\n"
        files[f"{folder}/in{number}_enable"] = "1\n"
        files[f"{folder}/in{number}_input"] = f"{reading[0]}\n"
        files[f"{folder}/curr{number}_input"] = f"{reading[1]}\n"
    return files


def _power_modes(modes: dict[int, str]) -> str:
    lines = [f"< POWER_MODEL ID={number} NAME={name} >\nCPU_ONLINE CORE_0 1\n" for number, name in modes.items()]
    return "# the comment of nvpmodel.conf\n< PARAM TYPE=FILE NAME=CPU_ONLINE >\n" + "\n".join(lines)
