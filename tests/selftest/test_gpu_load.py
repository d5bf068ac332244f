"""The GPU load, with a fake driver."""

from __future__ import annotations

from typing import Any

import pytest

from profileapp.selftest.load import MIB, CannotRun
from profileapp.selftest.loads.gpu import hold


class FakeDriver:
    """A fake CUDA driver library: every function returns 0, except those in `answers`."""

    def __init__(self, **answers: int) -> None:
        self.answers = answers
        self.calls: list[str] = []
        self.allocated = 0

    def __getattr__(self, name: str) -> Any:
        def function(*arguments: Any) -> int:
            self.calls.append(name)
            if name == "cuMemAlloc_v2" and not self.answers.get(name):
                self.allocated = arguments[1].value
            return self.answers.get(name, 0)

        return function


def test_it_allocates_and_frees_what_it_reports() -> None:
    driver = FakeDriver()
    account = hold(driver, 64 * MIB, 0.01, 0.01)
    assert driver.allocated == account.values["bytes"] == 64 * MIB
    assert account.spans["before"][1] <= account.spans["held"][0]
    # An integrated GPU takes memory when it is written to.
    assert driver.calls[-3:] == ["cuMemAlloc_v2", "cuMemsetD8_v2", "cuMemFree_v2"]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"cuInit": 100}, "cuInit answered with error 100"),
        ({"cuMemAlloc_v2": 2}, "too little free memory"),
        ({"cuMemsetD8_v2": 700}, "error 700"),
    ],
)
def test_without_a_gpu_there_is_a_reason(answers: dict[str, int], reason: str) -> None:
    with pytest.raises(CannotRun, match=reason):
        hold(FakeDriver(**answers), MIB, 0, 0)
