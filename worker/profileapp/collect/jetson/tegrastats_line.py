"""Parses a line of tegrastats, of any board and release, into readings.

Source: NVIDIA Jetson Linux Developer Guide, "tegrastats Utility", and lines recorded on TX1 to Thor. Most tokens are
name and value pairs, and the value's format identifies its type:

    RAM 7035/62841MB (lfb 2x4MB)             memory in MiB, though labelled MB; the largest free blocks
    SWAP 86/31420MB (cached 0MB)
    IRAM 0/252kB(lfb 252kB)                  memory of the video engines
    CPU [32%@883,off] · cpu [17%,13%]@408    load and clock of each core; a core that is off has no reading
    GR3D_FREQ 0%@[305,305] · EMC_FREQ @3199  load and clocks (MHz) of an engine, either may be missing
    NVENC off · APE 174 · VDE 0 · PVA0_FREQ 115   an engine that is off; engines with only a clock
    GR3D2_FREQ 99%@1274                      the second of Orin's graphics clusters (GPC), not a second GPU
    EDP limit 1734                           the highest clock (MHz) that the power supply allows the cores (TX1)
    MTS fg 1% bg 9%                          the CPU's binary translation (Denver), foreground and background
    gpu@43.375C · cpu@34.3C/34.8C            temperature, from JetPack 7 on with its peak; -256C: the sensor is off
    VDD_IN 4199/4027 · VDD_IN 2763mW/2846mW  power of a rail in mW: now, mean since tegrastats began (and peak)
"""

from __future__ import annotations

import re
from typing import NamedTuple

from profileapp.collect.system import series as names
from profileapp.model.series import DeclaredSeries, Series

Reading = tuple[Series, float]
_Rail = tuple[Series, Series, Series]

MIB = 1024 * 1024
SENSOR_OFF_C = -200.0
"""Lower values are not temperatures: sensors that are off read -256."""
LINE_LIMIT = 16 * 1024
NUMBER_LIMIT = 1e12
"""A load, a clock in MHz or a power in mW beyond it is garbled; so is `nan`."""

_AMOUNTS = {
    "RAM": (names.MEMORY_USED.series, names.MEMORY_TOTAL.series),
    "SWAP": (names.SWAP_USED.series, names.SWAP_TOTAL.series),
    "IRAM": (names.IRAM_USED.series, names.IRAM_TOTAL.series),
}
_BYTES = {"B": 1, "kB": 1024, "MB": MIB, "GB": 1024 * MIB}
_AMOUNT = re.compile(r"([0-9]{1,9})/([0-9]{1,9})(kB|MB|GB)(?:\(lfb)?")
_SIZE = re.compile(r"(?:([0-9]{1,6})x)?([0-9]{1,9})(B|kB|MB|GB)\)")
# Decides whether an unrecognised token is a name followed by a number.
_WORD = re.compile(r"[A-Z][A-Z0-9_]{1,39}")
_NUMBER = re.compile(r"(-?[0-9]{1,12}(?:\.[0-9]{1,6})?)[A-Za-z]{0,4}")
# Engines whose clock old releases print as a bare number.
_CLOCK_ALONE = ("ape", "vic", "nvdec", "nvenc", "nvjpg", "msenc", "ofa", "pva", "vde")
_CLUSTERS_OF_GPU = {"gr3d": "", "gr3d2": "2"}
# Boards give several unconnected rails the same name (`NC 0mW/0mW … NC 0mW/0mW`).
_NO_RAIL = "NC"


class _OfEngines(NamedTuple):
    """The same quantity of the GPU, of the memory controller, and of any other engine."""

    gpu: DeclaredSeries
    emc: DeclaredSeries
    engine: DeclaredSeries


_LOADS = _OfEngines(names.GPU_UTIL, names.EMC_UTIL, names.ENGINE_UTIL)
_CLOCKS = _OfEngines(names.GPU_CLOCK, names.EMC_CLOCK, names.ENGINE_CLOCK)


class _Core:
    """Cached readings of one core: by the text of each load and each clock."""

    __slots__ = ("_frequency", "_util", "frequencies", "utils")

    TEXTS_LIMIT = 1000

    def __init__(self, util: Series, frequency: Series) -> None:
        self._util = util
        self._frequency = frequency
        self.utils: dict[str, Reading] = {}
        self.frequencies: dict[str, Reading] = {}

    def cache_util(self, text: str) -> Reading:
        """The load from `32`."""
        return self._cache(self.utils, text, (self._util, _number(text)))

    def cache_frequency(self, text: str) -> Reading:
        """The clock from `@883`."""
        if not text.startswith("@"):
            raise ValueError(text)
        return self._cache(self.frequencies, text, (self._frequency, _number(text[1:]) * 1e6))

    def _cache(self, known: dict[str, Reading], text: str, reading: Reading) -> Reading:
        if len(known) >= self.TEXTS_LIMIT:
            known.clear()
        known[text] = reading
        return reading


class _Watts(dict[str, float]):
    """Cache of W by the text of mW; the same numbers recur often."""

    TEXTS_LIMIT = 10_000

    def __missing__(self, text: str) -> float:
        if len(self) >= self.TEXTS_LIMIT:
            self.clear()
        milliwatts = float(text[:-2] if text[-2:] == "mW" else text)
        if not -NUMBER_LIMIT < milliwatts < NUMBER_LIMIT:
            raise ValueError(text)
        self[text] = watts = milliwatts / 1000
        return watts


class TegrastatsParser:
    """Turns lines into readings. Each series is created once and cached: there are few, whatever the lines contain.

    Most tokens of a line are identical to earlier ones, so their meaning is cached. `SERIES_LIMIT` and `CACHE_LIMIT`
    bound the memory that a garbled stream can use.
    """

    SERIES_LIMIT = 500
    CACHE_LIMIT = 20_000

    def __init__(self) -> None:
        self._series_by_key: dict[tuple[str, str], Series] = {}
        self._rails: dict[str, _Rail] = {}
        self._watts = _Watts()
        self._sensors: dict[str, tuple[Series, Series]] = {}
        self._cores: list[_Core] = []
        self._cached = 0
        self._clear_caches()

    def parse(self, line: str) -> tuple[list[Reading], list[str]]:
        """The readings of a line, and the tokens that were not recognised. Never raises.

        A truncated or garbled line yields its valid readings.
        """
        tokens = line[:LINE_LIMIT].split()
        if line[:1].isdigit():
            del tokens[: _timestamp_tokens(tokens)]
        # Reversed, so that each token is popped; "" is the value after the last token.
        tokens.append("")
        tokens.reverse()
        readings: list[Reading] = []
        raw: list[Reading] = []
        unknown: list[str] = []
        pairs, alone, rails, watts, pop = self._pairs, self._alone, self._rails, self._watts, tokens.pop
        while name := pop():
            values = pairs.get(name)
            if values is None:
                found = alone.get(name)
                if found is None and "@" in name:
                    found = self._temperature(name)
                if found is not None:
                    readings += found
                    continue
                value = pop()
                rail = rails.get(name)
                if rail is not None:
                    now, _, mean = value.partition("/")
                    try:
                        readings += (rail[0], watts[now]), (rail[1], watts[mean])
                    except ValueError:
                        # It has no mean, or a peak too; or it is not a rail here.
                        pass
                    else:
                        continue
            else:
                value = pop()
                found = values.get(value)
                if found is not None:
                    readings += found
                    continue
            if self._parse_new(name, value, readings, raw, unknown) == 1 or not value:
                tokens.append(value)
        # A line without a single recognised token is not from tegrastats.
        return readings + raw if readings else [], unknown

    def _parse_new(self, name: str, value: str, readings: list[Reading], raw: list[Reading], unknown: list[str]) -> int:
        """Parses a token that is not cached, recognised or not. Returns its length in tokens, value included."""
        try:
            return self._dispatch(name, value, readings)
        except ValueError:
            unknown.append(name)
        number = _NUMBER.fullmatch(value)
        if number is None or not _WORD.fullmatch(name):
            return 1
        try:
            self._add(raw, names.RAW, name.lower(), _number(number[1]), "word")
        except ValueError:
            return 1
        return 2

    def _dispatch(self, name: str, value: str, readings: list[Reading]) -> int:
        """Parses and caches a new token. Returns its length in tokens. Raises ValueError if it is not recognised."""
        if value.startswith("[") and name in ("CPU", "cpu"):
            self._cores_of(value, readings)
            return 2
        if (name, value) in (("MTS", "fg"), ("EDP", "limit")):
            return self._cache_alone(name, [], readings)
        if name == "limit":
            return self._cache(name, value, [(names.CPU_FREQUENCY_LIMIT.series, _number(value) * 1e6)], readings)
        if name.endswith("B)"):
            return self._cache_alone(name, [(names.IRAM_LARGEST_BLOCK.series, _size(name)[1])], readings)
        if name in _AMOUNTS:
            return self._cache(name, value, _amounts(name, value), readings)
        if name == "(lfb":
            return self._cache(name, value, _largest_blocks(value), readings)
        if name == "(cached":
            return self._cache(name, value, [(names.SWAP_CACHED.series, _size(value)[1])], readings)
        if value in ("off", "OFF"):
            return self._cache(name, value, [], readings)
        if value.endswith("%") and name in ("fg", "bg"):
            found: list[Reading] = []
            self._add(found, names.MTS_UTIL, name, _number(value[:-1]), "ground")
            return self._cache(name, value, found, readings)
        if "/" in value or value.endswith("mW"):
            return self._rail(name, value, readings)
        return self._cache(name, value, self._engine(name, value), readings)

    def _cache(self, name: str, value: str, found: list[Reading], readings: list[Reading]) -> int:
        self._count()
        self._pairs.setdefault(name, {})[value] = found
        readings += found
        return 2

    def _cache_alone(self, token: str, found: list[Reading], readings: list[Reading]) -> int:
        self._count()
        self._alone[token] = found
        readings += found
        return 1

    def _count(self) -> None:
        self._cached += 1
        if self._cached > self.CACHE_LIMIT:
            self._clear_caches()

    def _clear_caches(self) -> None:
        """Empties the caches in place: `parse` may be in the middle of a line."""
        if not self._cached:
            self._pairs: dict[str, dict[str, list[Reading]]] = {}
            self._alone: dict[str, list[Reading]] = {}
        self._pairs.clear()
        self._alone.clear()
        self._cached = 0

    def _temperature(self, token: str) -> list[Reading] | None:
        """Parses `gpu@43.375C` or `cpu@34.3C/34.8C`; None for anything else."""
        sensor, _, value = token.partition("@")
        found: list[Reading] = []
        try:
            known = self._sensors.get(sensor) or self._new_sensor(sensor)
            for made, text in zip(known, value.split("/"), strict=False):
                if text[-1:] != "C":
                    return None
                degrees = float(text[:-1])
                if SENSOR_OFF_C < degrees < NUMBER_LIMIT:
                    found.append((made, degrees))
                elif not degrees <= SENSOR_OFF_C:
                    return None
        except ValueError:
            return None
        self._sensors[sensor] = known
        self._count()
        self._alone[token] = found
        return found

    def _new_sensor(self, sensor: str) -> tuple[Series, Series]:
        if not sensor:
            raise ValueError(sensor)
        label = sensor.lower()
        return (
            self._series(names.TEMPERATURE, label, "sensor"),
            self._series(names.TEMPERATURE_PEAK, label, "sensor"),
        )

    def _cores_of(self, value: str, readings: list[Reading]) -> None:
        inside, closing, shared = value[1:].partition("]")
        if not closing:
            raise ValueError(value)
        tokens = inside.split(",")
        if len(self._cores) < len(tokens):
            self._extend_cores(len(tokens))
        total, on = 0.0, 0
        for core, token in zip(self._cores, tokens, strict=False):
            load, _, clock = token.partition("%")
            util = core.utils.get(load)
            if util is None:
                if load in ("off", "OFF"):
                    continue
                util = core.cache_util(load)
            readings.append(util)
            total += util[1]
            on += 1
            # A clock that all cores share follows the list of cores.
            clock = clock or shared
            if clock:
                readings.append(core.frequencies.get(clock) or core.cache_frequency(clock))
        if on:
            readings.append((names.CPU_UTIL.series, total / on))

    def _extend_cores(self, cores: int) -> None:
        for core in range(len(self._cores), cores):
            label = str(core)
            util = self._series(names.CPU_UTIL, label, "core")
            self._cores.append(_Core(util, self._series(names.CPU_FREQUENCY, label, "core")))

    def _rail(self, name: str, value: str, readings: list[Reading]) -> int:
        label, number = name.lower(), 2
        if name == _NO_RAIL:
            taken = {series.labels[0][1] for series, _ in readings if series.name == names.POWER.name}
            while label in taken:
                label, number = f"{name.lower()}.{number}", number + 1
        rail = (
            self._series(names.POWER, label, "rail"),
            self._series(names.POWER_MEAN, label, "rail"),
            self._series(names.POWER_PEAK, label, "rail"),
        )
        if not self._power(rail, value, readings):
            raise ValueError(value)
        if name != _NO_RAIL:
            self._rails[name] = rail
        return 2

    def _power(self, rail: _Rail, value: str, readings: list[Reading]) -> bool:
        """Parses `4199/4027`, `2763mW/2846mW`, `7953mW/8332mW/8710mW` or `1497mW`; False for anything else."""
        watts = self._watts
        now, slash, mean = value.partition("/")
        try:
            if not slash:
                readings.append((rail[0], watts[now]))
            elif "/" not in mean:
                readings += ((rail[0], watts[now]), (rail[1], watts[mean]))
            else:
                mean, _, peak = mean.partition("/")
                readings += ((rail[0], watts[now]), (rail[1], watts[mean]), (rail[2], watts[peak]))
        except ValueError:
            return False
        return True

    def _engine(self, name: str, value: str) -> list[Reading]:
        """Parses `N%`, `N%@MHZ`, `N%@[MHZ,MHZ]`, `@MHZ`, `@[…]`, or the clock alone."""
        if name in ("fg", "bg"):
            # Part of a truncated `MTS`.
            raise ValueError(name)
        engine = name.lower().removesuffix("_freq").removesuffix("_load")
        load, percent, rest = value.partition("%")
        if not percent:
            if not value.startswith("@") and not engine.startswith(_CLOCK_ALONE):
                raise ValueError(value)
            load, rest = "", f"@{value.removeprefix('@')}"
        clocks = [_number(clock) * 1e6 for clock in rest[1:].strip("[]").split(",")] if rest else []
        if rest and not rest.startswith("@"):
            raise ValueError(value)
        found: list[Reading] = []
        if load:
            self._engine_reading(engine, _LOADS, _number(load), found)
        if clocks:
            # Clocks of a GPU's parts; sleeping parts report 0.
            self._engine_reading(engine, _CLOCKS, max(clocks), found)
        return found

    def _engine_reading(self, engine: str, which: _OfEngines, value: float, found: list[Reading]) -> None:
        if engine in _CLUSTERS_OF_GPU:
            self._add(found, which.gpu, _CLUSTERS_OF_GPU[engine], value, "gpc")
        elif engine == "emc":
            self._add(found, which.emc, "", value, "")
        else:
            self._add(found, which.engine, engine, value, "engine")

    def _add(self, found: list[Reading], declared: DeclaredSeries, label: str, value: float, key: str) -> None:
        found.append((self._series(declared, label, key), value))

    def _series(self, declared: DeclaredSeries, label: str, key: str) -> Series:
        made = self._series_by_key.get((declared.name, label))
        if made is None:
            if len(self._series_by_key) >= self.SERIES_LIMIT:
                raise ValueError("too many series")
            made = declared.of(**{key: label}) if label else declared.series
            self._series_by_key[declared.name, label] = made
        return made


def _amounts(name: str, value: str) -> list[Reading]:
    amount = _AMOUNT.fullmatch(value)
    if amount is None:
        raise ValueError(value)
    used, total = _AMOUNTS[name]
    factor = _BYTES[amount[3]]
    return [(used, int(amount[1]) * factor), (total, int(amount[2]) * factor)]


def _largest_blocks(value: str) -> list[Reading]:
    count, size_bytes = _size(value)
    if count is None:
        return [(names.IRAM_LARGEST_BLOCK.series, size_bytes)]
    return [(names.MEMORY_LARGEST_BLOCKS.series, count), (names.MEMORY_LARGEST_BLOCK.series, size_bytes)]


def _size(token: str) -> tuple[int | None, int]:
    """Parses `2x4MB)`: the count, or None without one, and bytes."""
    size = _SIZE.fullmatch(token)
    if size is None:
        raise ValueError(token)
    return int(size[1]) if size[1] else None, int(size[2]) * _BYTES[size[3]]


def _number(text: str) -> float:
    value = float(text)
    if not -NUMBER_LIMIT < value < NUMBER_LIMIT:
        raise ValueError(text)
    return value


def _timestamp_tokens(tokens: list[str]) -> int:
    """The number of leading tokens that are a timestamp: `07-09-2024 13:31:31`, or only the time."""
    return next((number for number, token in enumerate(tokens[:2]) if not _is_time(token)), min(2, len(tokens)))


def _is_time(token: str) -> bool:
    return len(token) in (8, 10) and token[2:3] in ("-", ":") and token[5:6] == token[2:3] and token[:2].isdigit()


SERIES = (
    names.CPU_UTIL,
    names.CPU_FREQUENCY,
    names.CPU_FREQUENCY_LIMIT,
    names.MEMORY_USED,
    names.MEMORY_TOTAL,
    names.MEMORY_LARGEST_BLOCK,
    names.MEMORY_LARGEST_BLOCKS,
    names.SWAP_USED,
    names.SWAP_TOTAL,
    names.SWAP_CACHED,
    names.IRAM_USED,
    names.IRAM_TOTAL,
    names.IRAM_LARGEST_BLOCK,
    names.TEMPERATURE,
    names.TEMPERATURE_PEAK,
    *_LOADS,
    *_CLOCKS,
    names.POWER,
    names.POWER_MEAN,
    names.POWER_PEAK,
    names.MTS_UTIL,
    names.RAW,
)
"""Every series that a line can contain."""
