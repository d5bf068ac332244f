"""Energy of a board from the power of its rails."""

from __future__ import annotations

from collections.abc import Mapping

from profileapp.collect.energy import series as names
from profileapp.collect.energy.account import EnergyMeter, IdlePower, IntegratedEnergy
from profileapp.collect.energy.board_power import total_rails
from profileapp.collect.seam import Emit


class RailEnergy:
    """Takes the power of all rails at one time, again and again; first while the device idles, then while the app runs.

    Of a board whose rails are not known to be all it draws, there is the energy of each rail and no total.
    """

    def __init__(self) -> None:
        self._idle = IdlePower(IntegratedEnergy())
        self._meter = EnergyMeter(IntegratedEnergy(), None)
        self._rails: dict[str, IntegratedEnergy] = {}

    @property
    def idle_w(self) -> float | None:
        """Power of the idle board; None where it is not known."""
        return self._idle.watts

    def rest(self, powers_w: Mapping[str, float], at_ns: int) -> None:
        """The device idles."""
        total_w = _total_w(powers_w)
        if total_w is not None:
            self._idle.update(total_w, at_ns)

    def begin(self) -> None:
        """The app starts: energy is counted from zero."""
        self._meter = EnergyMeter(IntegratedEnergy(), self.idle_w)
        self._rails = {}

    def run(self, powers_w: Mapping[str, float], emit: Emit, at_ns: int) -> None:
        """The app runs."""
        for rail, power_w in powers_w.items():
            account = self._rails.get(rail)
            if account is None:
                account = self._rails[rail] = IntegratedEnergy()
            emit(names.of_rail(rail), account.update(power_w, at_ns), at_ns)
        total_w = _total_w(powers_w)
        if total_w is None:
            return
        total_j, above_idle_j = self._meter.update(total_w, at_ns)
        emit(names.total(), total_j, at_ns)
        if above_idle_j is not None and self.idle_w is not None:
            emit(names.above_idle(), above_idle_j, at_ns)
            emit(names.idle_power(), self.idle_w, at_ns)


def _total_w(powers_w: Mapping[str, float]) -> float | None:
    rails = total_rails(powers_w)
    return sum(powers_w[rail] for rail in rails) if rails else None
