"""Signals as a request to stop."""

from __future__ import annotations

import os
import signal

from profileapp.run.stop import Stop, Wake, stop_on_signals


def test_signals_ask_to_stop_and_the_old_handlers_come_back() -> None:
    wake = Wake()
    stop = Stop(wake)
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        wake.wait(5)
    assert (stop.signal, stop.count) == (signal.SIGTERM, 2)
    assert signal.getsignal(signal.SIGTERM) is before
