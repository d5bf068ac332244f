"""Baselines on a part of the recorded noise; `python -m tests.bench noise` measures the same with many more builds."""

from __future__ import annotations

import random

import pytest

from tests.bench import noise

DRAWS = 150


@pytest.fixture(scope="module", params=noise.RECORDED)
def builds(request: pytest.FixtureRequest) -> list[noise.Build]:
    return noise._read(noise.RECORDED[request.param])


def test_the_judged_build_is_never_in_its_own_history(builds: list[noise.Build]) -> None:
    chance = random.Random(1)  # noqa: S311
    for _ in range(50):
        drawn = noise._drawn(builds, max(noise.HISTORIES), chance)
        assert len({id(each) for each in drawn}) == len(drawn) == max(noise.HISTORIES) + 1


def test_few_builds_are_false_positives(builds: list[noise.Build]) -> None:
    chance = random.Random(2)  # noqa: S311
    called = sum(bool(noise._called(noise._drawn(builds, 15, chance))) for _ in range(DRAWS))
    # At a true rate of 1 in 100, more than 7 of 150 have a probability of 1 in 1000.
    assert called <= 7


def test_a_change_of_a_tenth_is_found_in_steady_values_only(builds: list[noise.Build]) -> None:
    chance = random.Random(3)  # noqa: S311
    for key in builds[0]:
        found = noise._found(builds, key, 15, 20, chance)
        if noise.scatter_of(builds, key) <= noise.STEADY:
            assert found >= 0.9, key
        elif noise.scatter_of(builds, key) > 0.1:
            assert found <= 0.2, key
