"""Repeats in which the device was throttled or changed its power mode: they measure another device. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from profileapp.judge.events import disturbance
from profileapp.model.run import Repeat
from profileapp.model.series import Series
from profileapp.record.series_data import SeriesData


def without_disturbed(series: Mapping[Series, SeriesData], repeats: Sequence[Repeat]) -> tuple[Repeat, ...]:
    """The repeats, those that the device disturbed marked as excluded.

    Only if they are fewer than half of those that count: a device that is throttled in most repeats is so by this app,
    and the repeats that escaped would say too little.
    """
    reasons = {each.index: disturbance(series, each) for each in repeats if not each.traced}
    disturbed = {index: reason for index, reason in reasons.items() if reason}
    is_minority = 2 * len(disturbed) < len(reasons)
    return tuple(
        msgspec.structs.replace(each, excluded=disturbed.get(each.index, "") if is_minority else "") for each in repeats
    )


def counted(repeats: Sequence[Repeat]) -> tuple[Repeat, ...]:
    """The repeats without the excluded ones; the traced one stays."""
    return tuple(each for each in repeats if not each.excluded)
