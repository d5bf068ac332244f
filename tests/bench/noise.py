"""How often a build is falsely reported as worse, and how often a loss of a tenth is found.

Builds are drawn from recorded noise of `python -m tests.bench.noise BUILDS FILE.csv`, which runs the unchanged
example repeatedly; RECORDED is one such file. A build has five repeats of each value. Whole builds are drawn, which
keeps the correlation of repeats within a build, and none is drawn twice: a build in its own history would always be
near it.
"""

from __future__ import annotations

import csv
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import fmean, stdev

from profileapp.judge.baseline import alpha_of, compare
from profileapp.judge.verdict import judge_folder
from profileapp.model.clock import Clock
from profileapp.model.run import HeadlineValue, Run
from profileapp.model.target import App, Target
from tests.bench.measure import Measure

ROOT = Path(__file__).parents[2]
RECORDED = {
    "a quiet machine": Path(__file__).with_name("noise_quiet.csv"),
    "a busy one": Path(__file__).with_name("noise_busy.csv"),
}
"""The busy one had work of others on its two cores, more in some builds than in others."""
EXAMPLE = ROOT / "examples" / "objectcounter"
REPEATS = 5
BUILDS = 2000
"""Simulated ones, of each row."""
SHIFT = 0.10
STEADY = 0.008
"""Numbers that scatter by no more from build to build are what POWER is promised for, however short the history."""
HISTORIES = (8, 12, 15, 24)
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
Build = dict[Key, list[float]]
"""The repeats of each number."""


def record(builds: int, path: Path) -> None:
    """Writes the file, complete after each build."""
    with tempfile.TemporaryDirectory() as scratch, path.open("w", newline="") as out:
        folder = Path(scratch)
        subprocess.run([sys.executable, EXAMPLE / "make_dataset.py", folder / "images"], check=True)
        (folder / "sage.yaml").write_text(SAGE_YAML)
        command = f"{sys.executable} {EXAMPLE / 'app.py'} --input {folder / 'images'}"
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(COLUMNS)
        arguments = [
            "run",
            "sage.yaml",
            "--runtime",
            "process",
            "--command",
            command,
            "--out",
            "profile",
            "--no-report",
        ]
        for build in range(1, builds + 1):
            subprocess.run(
                [sys.executable, "-m", "profileapp", *arguments], cwd=folder, check=True, capture_output=True
            )
            for target in ("fast", "paced"):
                for number in judge_folder(folder / "profile" / target).run.numbers:
                    for repeat, value in enumerate(number.repeats, start=1):
                        rows.writerow(
                            (build, target, number.title, number.statistic, number.unit, repeat, f"{value:.6g}")
                        )
            out.flush()


def alarms() -> list[Measure]:
    """For each length of the history: false alarms of a build, the power for a shift of SHIFT, and how far it goes."""
    return [measure for where, path in RECORDED.items() for measure in _alarms_on(where, _read(path))]


def _alarms_on(where: str, builds: list[Build]) -> list[Measure]:
    chance = random.Random(20)  # noqa: S311 (the same at each call)
    measures = []
    for runs in HISTORIES:
        false = sum(bool(_called(_drawn(builds, runs, chance))) for _ in range(BUILDS)) / BUILDS
        measures.append(
            Measure(
                f"on {where} builds called worse or better, nothing changed, {runs} earlier runs",
                f"{false * 100:.2f} %",
                f"{BUILDS} builds of {len(builds[0])} numbers drawn from {len(builds)} recorded ones",
                false * 100,
                FALSE_LIMIT * 100,
                " %",
            )
        )
        found = _power(builds, runs, chance)
        power = ", ".join(
            f"{key[0]} {key[1]} ({scatter_of(builds, key):.1%}) {share * 100:.0f} %" for key, share in found.items()
        )
        steady = {key: share for key, share in found.items() if scatter_of(builds, key) <= STEADY}
        worst = min(steady, key=lambda key: steady[key])
        measures.append(
            Measure(
                f"on {where} a shift of {SHIFT:.0%} missed in {worst[1]} of {worst[0]}, which scatters by at most "
                f"{STEADY:.1%}, {runs} earlier runs, {REPEATS} repeats",
                f"found, of all: {power}",
                f"noise of the recorded shape: found up to a scatter of {_reach(builds, runs, chance):.1%}",
                (1 - steady[worst]) * 100,
                (1 - POWER) * 100,
                " %",
            )
        )
    return measures


def scatter_of(builds: list[Build], key: Key) -> float:
    """The standard deviation of a value between builds, relative to its mean."""
    means = [fmean(build[key]) for build in builds]
    return stdev(means) / fmean(means)


def _drawn(builds: list[Build], runs: int, chance: random.Random) -> list[Build]:
    """The judged build, then its history: distinct other builds."""
    return chance.sample(builds, runs + 1)


def _called(drawn: list[Build], shifted: Key | None = None) -> set[Key]:
    """The values of the first build that are reported as worse or better; `shifted` is changed by SHIFT."""
    now, *earlier = drawn
    build = [
        (
            _run(now, target, len(drawn), shifted),
            [_run(each, target, number) for number, each in enumerate(earlier, start=1)],
        )
        for target in sorted({key[0] for key in now})
    ]
    alpha = alpha_of(build)
    return {
        (run.target.name, one.title, one.statistic, one.unit)
        for run, history in build
        for one in compare(run, history, "", alpha).numbers
        if one.state in ("worse", "better", "changed")
    }


def _power(builds: list[Build], runs: int, chance: random.Random) -> dict[Key, float]:
    """How often the shift of each value is found in a build in which all values are compared."""
    return {key: _found(builds, key, runs, BUILDS // 4, chance) for key in builds[0]}


def _found(builds: list[Build], key: Key, runs: int, draws: int, chance: random.Random) -> float:
    return sum(key in _called(_drawn(builds, runs, chance), key) for _ in range(draws)) / draws


def _reach(builds: list[Build], runs: int, chance: random.Random) -> float:
    """The largest scatter at which the shift is found with POWER, averaged over the shapes of all noisy values."""
    keys = [key for key in builds[0] if scatter_of(builds, key) > 0]
    low, high = 0.0, 0.05
    while high - low > 0.0005:
        middle = (low + high) / 2
        found = fmean(
            _found([build | _scaled(build, key, middle, builds) for build in builds], key, runs, BUILDS // 10, chance)
            for key in keys
        )
        low, high = (middle, high) if found >= POWER else (low, middle)
    return low


def _scaled(build: Build, key: Key, scatter: float, builds: list[Build]) -> Build:
    """One value of a build, with noise of the recorded shape and another size, around 1."""
    mean, size = fmean(fmean(each[key]) for each in builds), scatter_of(builds, key)
    return {key: [1 + (value / mean - 1) * scatter / size for value in build[key]]}


def _run(build: Build, target: str, number: int, shifted: Key | None = None) -> Run:
    numbers = []
    for key, values in build.items():
        if key[0] == target:
            scaled = [value * (1 + SHIFT) for value in values] if key == shifted else values
            numbers.append(HeadlineValue(*key[1:], fmean(scaled), tuple(scaled)))
    return Run(
        id=str(number), app=App("noise"), target=Target(target), clock=Clock(0, 0), started_ns=number,
        numbers=tuple(numbers),
    )  # fmt: skip


def _read(path: Path) -> list[Build]:
    builds: dict[str, Build] = {}
    with path.open(newline="") as stream:
        for row in csv.DictReader(stream):
            key = (row["target"], row["title"], row["statistic"], row["unit"])
            builds.setdefault(row["build"], {}).setdefault(key, []).append(float(row["value"]))
    return list(builds.values())


if __name__ == "__main__":
    record(int(sys.argv[1]), Path(sys.argv[2]))
