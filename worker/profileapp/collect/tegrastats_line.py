"""A line of tegrastats, of any board and release, as readings.

Source: NVIDIA Jetson Linux Developer Guide, "tegrastats Utility", and lines recorded on TX1 to Thor. Tokens are a name
and a value, and the value's form tells what it is:

    RAM 7035/62841MB (lfb 2x4MB)             memory in MiB, though it writes MB
    CPU [32%@883,off] · cpu [17%,13%]@408    load and clock of each core; a core that is off gives nothing
    GR3D_FREQ 0%@[305,305] · EMC_FREQ @3199  load and clocks (MHz) of an engine, either may be missing
    NVENC off · APE 174 · VIC_FREQ 729       an engine that is off; an engine of which only the clock is told
    MTS fg 1% bg 9%                          CPU's own translation of instructions, foreground and background
    gpu@43.375C · cpu@34.3C/34.8C            temperature, from JetPack 7 on with its peak; -256C: the sensor is off
    VDD_IN 4199/4027 · VDD_IN 2763mW/2846mW  power of a rail in mW: now, mean since tegrastats began (and peak)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from profileapp.model.series import Series, series

Reading = tuple[Series, float]
Key = TypeVar("Key")
Value = TypeVar("Value")

MIB = 1024 * 1024
SENSOR_OFF_C = -200.0
"""A temperature below it is no temperature: sensors that are off read -256."""
LINE_LIMIT = 16 * 1024

_MEMORY_USED = series("system.memory.used", "bytes", "system")
_MEMORY_TOTAL = series("system.memory.total", "bytes", "system")
_SWAP_USED = series("system.swap.used", "bytes", "system")
_CPU = series("system.cpu.util", "%", "system")
# Words whose value takes more than the next word, or that may stand in a line twice.
_NEVER_CACHED = frozenset({"CPU", "cpu", "RAM", "SWAP", "IRAM", "MTS", "NC"})
_WORD = re.compile(r"[A-Z][A-Z0-9_]{1,39}")
_NUMBER = re.compile(r"(-?[0-9]{1,12}(?:\.[0-9]{1,6})?)(?:%|[A-Za-z]{1,4})?")
# Engines of which old releases tell the clock as a bare number.
_CLOCK_ALONE = ("ape", "vic", "nvdec", "nvenc", "nvjpg", "msenc", "ofa")
_NAMES_OF_GPU = {"gr3d": "", "gr3d2": "2"}


class TegrastatsParser:
    """Turns lines into readings. Series are made once and kept: they are few, whatever the lines hold.

    `SERIES_LIMIT` bounds what a garbled stream could make of that.
    """

    SERIES_LIMIT = 500

    CACHE_LIMIT = 20_000

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], Series] = {}
        # Most tokens of a line stood in an earlier one, letter by letter: what they mean is looked up.
        self._cache: dict[tuple[str, str], tuple[list[Reading], int]] = {}
        self._cores_cache: dict[tuple[int, str, str], tuple[list[Reading], float]] = {}

    def parse(self, line: str) -> tuple[list[Reading], list[str]]:
        """The readings of a line, and the tokens that were not understood. Never raises.

        A line that is cut or garbled gives what of it makes sense.
        """
        tokens = line[:LINE_LIMIT].split()
        readings: list[Reading] = []
        unknown: list[str] = []
        raw: list[Reading] = []
        rails: set[str] = set()
        position = 0
        while position < len(tokens):
            name = tokens[position]
            value = tokens[position + 1] if position + 1 < len(tokens) and "@" not in name else ""
            known = self._cache.get((name, value))
            if known is not None:
                readings += known[0]
                position += known[1]
                continue
            found: list[Reading] = []
            try:
                words = self._take(name, value, tokens[position + 2 : position + 5], found, rails)
            except ValueError:
                unknown.append(name)
                position += 1 + self._raw(name, value, raw)
                continue
            if name not in _NEVER_CACHED:
                self._remember(self._cache, (name, value), (found, words))
            readings += found
            position += words
        # A line of which nothing at all is understood is none of tegrastats'.
        return readings + raw if readings else [], unknown

    def _raw(self, name: str, value: str, raw: list[Reading]) -> int:
        """A word that is not understood, with the number behind it, if there is one; how many words that number has."""
        number = _NUMBER.fullmatch(value)
        if number is None or not _WORD.fullmatch(name):
            return 0
        try:
            self._add(raw, "system.raw", name.lower(), float(number[1]), "", "word")
        except ValueError:
            return 0
        return 1

    def _remember(self, cache: dict[Key, Value], key: Key, value: Value) -> None:
        if len(cache) >= self.CACHE_LIMIT:
            cache.clear()
        cache[key] = value

    def _take(self, name: str, value: str, more: Sequence[str], readings: list[Reading], rails: set[str]) -> int:
        """Takes the token at hand; how many words it has. Raises ValueError where it is none that is known."""
        if "@" in name:
            return self._temperature(name, readings)
        if value.startswith("[") and name in ("CPU", "cpu"):
            return self._cores(value, readings)
        if name in ("RAM", "SWAP", "IRAM"):
            return _memory(name, value, more, readings)
        if name == "MTS":
            return self._translation(value, more, readings)
        if _is_time(name):
            return 2 if ":" in value else 1
        if value in ("off", "OFF"):
            return 2
        if "/" in value or value.endswith("mW"):
            return self._rail(name, value, rails, readings)
        return self._engine(name, value, readings)

    def _temperature(self, token: str, readings: list[Reading]) -> int:
        sensor, _, value = token.partition("@")
        celsius, letter, _ = value.partition("C")
        degrees = float(celsius)
        if not letter or not sensor:
            raise ValueError(token)
        if degrees > SENSOR_OFF_C:
            self._add(readings, "system.temperature", sensor.lower(), degrees, "°C", "sensor")
        return 1

    def _cores(self, value: str, readings: list[Reading]) -> int:
        inside, closing, shared = value[1:].partition("]")
        if not closing:
            raise ValueError(value)
        loads = []
        for core, text in enumerate(inside.split(",")):
            if text in ("off", "OFF"):
                continue
            known = self._cores_cache.get((core, text, shared))
            if known is None:
                known = self._core(core, text, shared)
                self._remember(self._cores_cache, (core, text, shared), known)
            readings += known[0]
            loads.append(known[1])
        if loads:
            readings.append((_CPU, sum(loads) / len(loads)))
        return 2

    def _core(self, core: int, text: str, shared: str) -> tuple[list[Reading], float]:
        load, _, clock = text.partition("%")
        clock = clock or shared
        found: list[Reading] = []
        self._add(found, _CPU.name, str(core), float(load), "%", "core")
        if clock.startswith("@"):
            self._add(found, "system.cpu.frequency", str(core), float(clock[1:]) * 1e6, "Hz", "core")
        return found, float(load)

    def _translation(self, value: str, more: Sequence[str], readings: list[Reading]) -> int:
        for ground, load in ((value, more[0]), (more[1], more[2])) if len(more) == 3 else ():
            if ground not in ("fg", "bg") or not load.endswith("%"):
                raise ValueError(value)
            self._add(readings, "system.mts.util", ground, float(load[:-1]), "%", "ground")
        if len(more) < 3:
            raise ValueError(value)
        return 5

    def _rail(self, name: str, value: str, rails: set[str], readings: list[Reading]) -> int:
        numbers = [float(part.removesuffix("mW")) / 1000 for part in value.split("/")]
        rail = name.lower()
        # Boards name several rails that lead nowhere alike (`NC 0mW/0mW … NC 0mW/0mW`).
        number = 2
        while rail in rails:
            rail, number = f"{name.lower()}.{number}", number + 1
        rails.add(rail)
        self._add(readings, "system.power", rail, numbers[0], "W", "rail")
        return 2

    def _engine(self, name: str, value: str, readings: list[Reading]) -> int:
        """`N%`, `N%@MHZ`, `N%@[MHZ,MHZ]`, `@MHZ`, `@[…]`, or the clock alone."""
        if name in ("fg", "bg"):
            # Of an `MTS` that was cut.
            raise ValueError(name)
        engine = name.lower().removesuffix("_freq").removesuffix("_load")
        load, percent, rest = value.partition("%")
        if not percent:
            if not value.startswith("@") and not engine.startswith(_CLOCK_ALONE):
                raise ValueError(value)
            load, rest = "", f"@{value.removeprefix('@')}"
        clocks = [float(clock) * 1e6 for clock in rest[1:].strip("[]").split(",")] if rest else []
        if rest and not rest.startswith("@"):
            raise ValueError(value)
        if load:
            self._engine_reading(engine, "util", float(load), "%", readings)
        if clocks:
            # Clocks of the parts of a GPU; those that sleep tell 0.
            self._engine_reading(engine, "clock", max(clocks), "Hz", readings)
        return 2

    def _engine_reading(self, engine: str, what: str, value: float, unit: str, readings: list[Reading]) -> None:
        if engine in _NAMES_OF_GPU:
            self._add(readings, f"system.gpu.{what}", _NAMES_OF_GPU[engine], value, unit, "gpu")
        elif engine == "emc":
            self._add(readings, f"system.emc.{what}", "", value, unit, "")
        else:
            self._add(readings, f"system.engine.{what}", engine, value, unit, "engine")

    def _add(self, readings: list[Reading], name: str, label: str, value: float, unit: str, key: str) -> None:
        made = self._made.get((name, label))
        if made is None:
            if len(self._made) >= self.SERIES_LIMIT:
                raise ValueError("too many series")
            made = Series(name, unit, "system", ((key, label),) if label else ())
            self._made[name, label] = made
        readings.append((made, value))


def _memory(name: str, value: str, more: Sequence[str], readings: list[Reading]) -> int:
    amount, _, behind = value.partition("B")
    used, slash, total = amount.partition("/")
    if not slash or total[-1:] not in ("M", "k"):
        raise ValueError(value)
    if name == "RAM":
        readings.append((_MEMORY_USED, float(used) * MIB))
        readings.append((_MEMORY_TOTAL, float(total[:-1]) * MIB))
    elif name == "SWAP":
        readings.append((_SWAP_USED, float(used) * MIB))
    else:
        float(used)
    # `(lfb 2x4MB)`, `(cached 0MB)`, or stuck to the amount: `252kB(lfb 252kB)`.
    if behind.startswith("(") and more[:1] and more[0].endswith(")"):
        return 3
    return 4 if len(more) > 1 and more[0].startswith("(") and more[1].endswith(")") else 2


def _is_time(word: str) -> bool:
    """`07-09-2024`, before `13:31:31`; or the latter alone where the former was cut."""
    return len(word) in (8, 10) and word[2:3] in ("-", ":") and word[5:6] == word[2:3] and word[:2].isdigit()
