"""Energy of a board from the power of its rails, and of its discrete GPUs, which have a separate supply."""

from __future__ import annotations

from collections.abc import Mapping

from profileapp.collect.api import Emit
from profileapp.collect.energy import series as names
from profileapp.collect.energy.account import EnergyMeter, IdlePower, IntegratedEnergy
from profileapp.collect.energy.board_power import total_rails
from profileapp.collect.energy.gpu_energy import DiscreteGpuEnergy, Energy


class RailEnergy:
    """Integrates readings of all rails' power; first while the device idles, then while the app runs.

    If no known set of rails covers all of a board's power, there is energy per rail but no total. The total of a board
    with discrete GPUs is the sum of both, and is emitted only while every GPU reports its energy.
    """

    def __init__(self, gpus: DiscreteGpuEnergy | None = None) -> None:
        self._gpus = gpus
        self._idle = IdlePower(IntegratedEnergy())
        self._meter = EnergyMeter(IntegratedEnergy(), None)
        self._rails: dict[str, IntegratedEnergy] = {}

    @property
    def idle_w(self) -> float | None:
        """Power of the idle board without its discrete GPUs; None if unknown."""
        return self._idle.watts

    def rest(self, powers_w: Mapping[str, float], at_ns: int) -> None:
        """Adds a reading while the device idles."""
        total_w = _total_w(powers_w)
        if total_w is not None:
            self._idle.update(total_w, at_ns)
        if self._gpus:
            self._gpus.rest(at_ns)

    def begin(self) -> None:
        """Resets the energy to zero: the app starts."""
        self._meter = EnergyMeter(IntegratedEnergy(), self.idle_w)
        self._rails = {}
        if self._gpus:
            self._gpus.begin()

    def run(self, powers_w: Mapping[str, float], emit: Emit, at_ns: int) -> None:
        """Adds a reading and emits the energy while the app runs."""
        for rail, power_w in powers_w.items():
            account = self._rails.get(rail)
            if account is None:
                account = self._rails[rail] = IntegratedEnergy()
            emit(names.RAIL.of(rail=rail), account.update(power_w, at_ns), at_ns)
        board = self._board(powers_w, at_ns)
        if not self._gpus:
            _emit(board, emit, at_ns)
            return
        if board:
            emit(names.BOARD.series, board.total_j, at_ns)
        of_gpus = self._gpus.run(at_ns)
        for label, energy in of_gpus.items():
            _emit(energy, emit, at_ns, gpu=label)
        if board and len(of_gpus) == len(self._gpus):
            _emit(_sum_of(board, *of_gpus.values()), emit, at_ns)

    def _board(self, powers_w: Mapping[str, float], at_ns: int) -> Energy | None:
        total_w = _total_w(powers_w)
        return None if total_w is None else Energy(*self._meter.update(total_w, at_ns), self.idle_w)


def _sum_of(*energies: Energy) -> Energy:
    above = [each.above_idle_j for each in energies if each.above_idle_j is not None]
    idle = [each.idle_w for each in energies if each.idle_w is not None]
    return Energy(
        sum(each.total_j for each in energies),
        sum(above) if len(above) == len(energies) else None,
        sum(idle) if len(idle) == len(energies) else None,
    )


def _emit(energy: Energy | None, emit: Emit, at_ns: int, **labels: str) -> None:
    for series, value in names.of_energy(energy, **labels) if energy else ():
        emit(series, value, at_ns)


def _total_w(powers_w: Mapping[str, float]) -> float | None:
    rails = total_rails(powers_w)
    return sum(powers_w[rail] for rail in rails) if rails else None
