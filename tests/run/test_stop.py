"""Signals request a stop."""

from __future__ import annotations

import os
import signal

from profileapp.run.stop import Stop, Wake, stop_on_signals


def test_signals_request_a_stop_and_old_handlers_are_restored() -> None:
    wake = Wake()
    stop = Stop(wake)
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        wake.wait(5)
    assert (stop.signal, stop.count) == (signal.SIGTERM, 2)
    assert signal.getsignal(signal.SIGTERM) is before
