"""Objects that Python's garbage collector skips."""

from __future__ import annotations

import gc

from profileapp.run.freeze_gc import freeze_gc


def test_a_full_collection_skips_earlier_objects() -> None:
    before = [[]]  # type: list[list[int]]
    assert any(one is before for one in gc.get_objects())
    try:
        freeze_gc()
        after = [[]]  # type: list[list[int]]
        searched = gc.get_objects()
        assert any(one is after for one in searched)
        assert not any(one is before for one in searched)
    finally:
        gc.unfreeze()
