"""How often a build is called worse though nothing changed, and how often a loss of a tenth is found.

Builds are drawn from recorded noise: that of `python -m tests.bench.noise BUILDS FILE.csv`, which runs the example
again and again with nothing changed; RECORDED is one such file. A build has five repeats of each number. Whole builds
are drawn, with replacement, so that what the repeats of a build have in common stays in them.
"""

from __future__ import annotations

import csv
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import fmean

from tests.bench.measure import Measure

from profileapp.judge.baseline import hold
from profileapp.judge.verdict import judge_folder
from profileapp.model.clock import Clock
from profileapp.model.run import Number, Run
from profileapp.model.target import App, Target

ROOT = Path(__file__).parents[2]
RECORDED = Path(__file__).with_name("noise.csv")
EXAMPLE = ROOT / "examples" / "objectcounter"
REPEATS = 5
BUILDS = 2000
"""Simulated ones, of each row."""
SHIFT = 0.10
HISTORIES = (6, 10, 15)
"""So many earlier runs."""
POWER = 0.9
FALSE_LIMIT = 0.01
COLUMNS = ("build", "target", "title", "statistic", "unit", "repeat", "value")
SAGE_YAML = f"""name: noise
version: "1"
profiling:
  targets:
    - {{name: fast, args: "--use-cpu"}}
    - {{name: paced, args: "--use-cpu --interval 0.05"}}
  metrics: [container]
  defaults: {{timeout: 1500ms, repeat: {REPEATS}, interval: 100ms, warmup: 200ms}}
"""

Key = tuple[str, str, str, str]
"""Target, title, statistic and unit of a number."""


def record(builds: int, path: Path) -> None:
    """Writes the file, whole after each build."""
    with tempfile.TemporaryDirectory() as scratch, path.open("w", newline="") as out:
        folder = Path(scratch)
        subprocess.run([sys.executable, EXAMPLE / "make_dataset.py", folder / "images"], check=True)
        (folder / "sage.yaml").write_text(SAGE_YAML)
        command = f"{sys.executable} {EXAMPLE / 'app.py'} --input {folder / 'images'}"
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(COLUMNS)
        words = ["run", "sage.yaml", "--runtime", "process", "--command", command, "--out", "profile", "--no-report"]
        for build in range(1, builds + 1):
            subprocess.run([sys.executable, "-m", "profileapp", *words], cwd=folder, check=True, capture_output=True)
            for target in ("fast", "paced"):
                for number in judge_folder(folder / "profile" / target).run.numbers:
                    for repeat, value in enumerate(number.repeats, start=1):
                        rows.writerow(
                            (build, target, number.title, number.statistic, number.unit, repeat, f"{value:.6g}")
                        )
            out.flush()


def alarms() -> list[Measure]:
    """For each length of the history the rate of false alarms of a build, and the power for a shift of SHIFT."""
    builds = _read(RECORDED)
    chance = random.Random(20)  # noqa: S311 (the same at each call)
    measures = []
    for runs in HISTORIES:
        false = sum(_is_called(builds, runs, 1.0, chance) for _ in range(BUILDS)) / BUILDS
        found = _power(builds, runs, chance)
        measures.append(
            Measure(
                f"builds of {len(builds[0])} numbers called worse or better, nothing changed, {runs} earlier runs",
                f"{false * 100:.2f} %",
                f"{BUILDS} builds drawn from {len(builds)} recorded ones",
                false * 100,
                FALSE_LIMIT * 100,
                " %",
            )
        )
        worst = min(found, key=lambda key: found[key])
        power = ", ".join(f"{key[0]} {key[1]} {share * 100:.0f} %" for key, share in found.items())
        measures.append(
            Measure(
                f"a shift of {SHIFT:.0%} missed in {worst[1]} of {worst[0]}, {runs} earlier runs, {REPEATS} repeats",
                f"found: {power}",
                "",
                (1 - found[worst]) * 100,
                (1 - POWER) * 100,
                " %",
            )
        )
    return measures


def _power(builds: list[dict[Key, list[float]]], runs: int, chance: random.Random) -> dict[Key, float]:
    """How often the shift is found, of each number alone, in a build in which all are held."""
    found: dict[Key, float] = {}
    for key in builds[0]:
        count = sum(_is_called(builds, runs, 1 + SHIFT, chance, key) for _ in range(BUILDS // 4))
        found[key] = count / (BUILDS // 4)
    return found


def _is_called(
    builds: list[dict[Key, list[float]]], runs: int, factor: float, chance: random.Random, only: Key | None = None
) -> bool:
    now = chance.choice(builds)
    earlier = [chance.choice(builds) for _ in range(runs)]
    for target in {key[0] for key in now}:
        held = hold(
            _run(now, target, runs + 1, factor, only),
            [_run(each, target, number) for number, each in enumerate(earlier, start=1)],
            "",
            len(now),
        )
        called = [
            one
            for one in held.numbers
            if one.state in ("worse", "better", "changed")
            and only in (None, (target, one.title, one.statistic, one.unit))
        ]
        if called:
            return True
    return False


def _run(build: dict[Key, list[float]], target: str, number: int, factor: float = 1.0, only: Key | None = None) -> Run:
    numbers = []
    for key, values in build.items():
        if key[0] == target:
            scaled = [value * (factor if only in (None, key) else 1.0) for value in values]
            numbers.append(Number(*key[1:], fmean(scaled), tuple(scaled)))
    return Run(
        id=str(number), app=App("noise"), target=Target(target), clock=Clock(0, 0), started_ns=number,
        numbers=tuple(numbers),
    )  # fmt: skip


def _read(path: Path) -> list[dict[Key, list[float]]]:
    builds: dict[str, dict[Key, list[float]]] = {}
    with path.open(newline="") as stream:
        for row in csv.DictReader(stream):
            key = (row["target"], row["title"], row["statistic"], row["unit"])
            builds.setdefault(row["build"], {}).setdefault(key, []).append(float(row["value"]))
    return list(builds.values())


if __name__ == "__main__":
    record(int(sys.argv[1]), Path(sys.argv[2]))
