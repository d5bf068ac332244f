"""App-reported metrics: over a stream socket, a datagram socket, and pywaggle's log, all open at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from profileapp.collect.api import AppHandle, BaseCollector, Emit, LaunchRequirements, Mount, RunContext
from profileapp.collect.custom.batch import Batch, lines_by_themselves
from profileapp.collect.custom.block import LineParser
from profileapp.collect.custom.datagram_server import DatagramServer
from profileapp.collect.custom.ingestor import Ingestor
from profileapp.collect.custom.line import CustomSample, InvalidSample
from profileapp.collect.custom.line_server import LineServer
from profileapp.collect.custom.listener import Ingest, Listener
from profileapp.collect.custom.pace import Pace
from profileapp.collect.custom.pywaggle_log import UPLOADS_FOLDER, LogFollower, PywaggleParser
from profileapp.collect.custom.statsd_line import StatsdEvent, StatsdParser, StatsdSample
from profileapp.collect.line_splitter import lines_of
from profileapp.errors import Unavailable
from profileapp.model.series import MARKS, Series

CONTAINER_FOLDER = "/run/profileapp"
SOCKET_NAME = "metrics.sock"
SOCKET_VARIABLE = "PROFILEAPP_SOCKET"
STATSD_NAME = "statsd.sock"
STATSD_VARIABLE = "DD_DOGSTATSD_URL"
"""The variable that Datadog's clients read."""
STATSD_PATH_VARIABLE = "STATSD_SOCKET_PATH"
"""The variable that statsd-instrument reads. Other clients read a host and a port, which others could reach too."""
WAGGLE_FOLDER = "/run/profileapp-waggle"
WAGGLE_VARIABLE = "PYWAGGLE_LOG_DIR"

Parsed = CustomSample | StatsdSample | StatsdEvent | None
"""A parsed line; None if it is not a metric of the app."""


class Custom(BaseCollector):
    """Metric `custom`, over any of the listeners; an environment variable announces each to the app.

    It receives what the app sends from `open` to `close`. Memory stays bounded whatever the app sends: lines,
    connections and series have limits, values beyond the rate are aggregated; all is counted, and reported at the end.
    """

    metric = "custom"
    source = "socket"
    preference = 10
    min_interval_s = 0.01

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._json = LineParser()
        self._dogstatsd = StatsdParser(signed_gauge_is_change=False)
        self._statsd = StatsdParser(signed_gauge_is_change=True)
        self._waggle = PywaggleParser()
        # One for each thread that ingests lines.
        self._paces = {ingest: Pace() for ingest in ("stream", "datagrams", "log")}

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        self._run = run
        self._ingestor = Ingestor(run.clock, emit)
        # The parent folder is private (0700): only the worker, and the app through a mount, can reach these folders.
        folder = _folder(run.scratch / "app", 0o755)
        waggle = _folder(run.scratch / "waggle", 0o777)
        seen = Path(CONTAINER_FOLDER) if run.contained else folder
        announced = {SOCKET_VARIABLE: str(seen / SOCKET_NAME)}
        path = folder / SOCKET_NAME
        self._start(LineServer(path, self._masked(self._ingest_stream), self._refuse, self._note), path)
        # An address set explicitly in the sage.yaml takes precedence.
        if STATSD_VARIABLE not in run.target.env:
            announced[STATSD_VARIABLE] = f"unix://{seen / STATSD_NAME}"
            if STATSD_PATH_VARIABLE not in run.target.env:
                announced[STATSD_PATH_VARIABLE] = str(seen / STATSD_NAME)
            path = folder / STATSD_NAME
            self._start(DatagramServer(path, self._masked(self._ingest_datagrams), self._refuse, self._note), path)
        mounts: tuple[Mount, ...] = (Mount(str(folder), CONTAINER_FOLDER),)
        if WAGGLE_VARIABLE not in run.target.env:
            # The worker owns the folder, so it can empty it, whatever user of the container writes into it.
            _folder(waggle / UPLOADS_FOLDER, 0o777)
            announced[WAGGLE_VARIABLE] = WAGGLE_FOLDER if run.contained else str(waggle)
            self._start(
                LogFollower(waggle, self._masked(self._ingest_log), self._refuse, self._note, self._ingestor.skip),
                waggle,
            )
            mounts = (*mounts, Mount(str(waggle), WAGGLE_FOLDER, writable=True))
        return LaunchRequirements(announced, mounts if run.contained else ())

    def attach(self, app: AppHandle) -> None:
        """Does nothing: the listeners are already open, since an app may send from its first moment."""

    def sample(self, now_ns: int) -> None:
        """Emits the aggregates so far; samples arrive when the app sends them."""
        self._ingestor.advance(now_ns)

    def detach(self) -> None:
        """Reads what the app sent before its end."""

    def close(self) -> None:
        if not self._listeners:
            return
        for pace in self._paces.values():
            pace.is_hurried = True
        for listener in self._listeners:
            if not listener.stop():
                self._ingestor.note("the last data that the app sent was not read in time", "")
        self._listeners = []
        for line in self._ingestor.close(time.monotonic_ns()):
            self._run.warn(line)

    def _start(self, listener: Listener, path: Path) -> None:
        try:
            listener.start()
        except OSError as error:
            raise Unavailable(f"cannot create a socket at {path} ({error.strerror or error})") from error
        self._listeners.append(listener)

    def _ingest_stream(self, block: bytes) -> None:
        self._ingest_block(block, self._statsd, self._paces["stream"])

    def _ingest_datagrams(self, block: bytes) -> None:
        self._ingest_block(block, self._dogstatsd, self._paces["datagrams"])

    def _ingest_block(self, block: bytes, statsd: StatsdParser, pace: Pace) -> None:
        """Ingests lines of JSON or of statsd; if a block mixes them, each line is ingested by itself."""
        parser = self._json if block.startswith(b"{") else statsd

        def parse(line: bytes, _: int) -> Parsed:
            return self._json.parse(line) if line.lstrip().startswith(b"{") else statsd.parse(line)

        self._ingest(parser.parse_batch(block), parse, pace)

    def _ingest_log(self, block: bytes) -> None:
        self._ingest(lines_by_themselves(lines_of(block)), self._parse_log_line, self._paces["log"])

    def _parse_log_line(self, line: bytes, now_ns: int) -> Parsed:
        return self._waggle.parse(line, self._run.clock.wall_ns(now_ns))

    def _ingest(self, batches: Iterable[Batch], parse: Callable[[bytes, int], Parsed], pace: Pace) -> None:
        for batch in batches:
            line = batch.line
            now_ns = time.monotonic_ns()
            try:
                if line:
                    self._ingest_parsed(parse(line, now_ns), now_ns)
                else:
                    self._ingestor.ingest_series(batch.waiting, now_ns)
            except InvalidSample as reason:
                self._ingestor.refuse(str(reason), repr(line[:80]), _values_in(line))
            except Exception as error:
                # It must not end the service for all others.
                reason_text = f"profileapp failed on it ({type(error).__name__})"
                self._ingestor.refuse(reason_text, repr(line[:80]), _values_in(line))
            if line:
                pace.step()

    def _ingest_parsed(self, parsed: Parsed, now_ns: int) -> None:
        if isinstance(parsed, StatsdSample):
            self._ingestor.ingest_statsd(parsed, now_ns)
        elif isinstance(parsed, StatsdEvent):
            self._ingestor.ingest_mark(Series(parsed.title, "", "custom", (), "event"), 1.0, None, now_ns)
        elif parsed is not None and parsed.series.kind in MARKS:
            self._ingestor.ingest_mark(parsed.series, parsed.value, parsed.wall_ns, now_ns)
        elif parsed is not None:
            self._ingestor.ingest(parsed, now_ns)

    def _masked(self, ingest: Ingest) -> Ingest:
        mask = self._run.mask
        return ingest if mask is None else lambda block: ingest(mask(block))

    def _refuse(self, reason: str, example: str, lines: int) -> None:
        self._ingestor.refuse(reason, self._masked_example(example), lines)

    def _note(self, reason: str, example: str) -> None:
        self._ingestor.note(reason, self._masked_example(example))

    def _masked_example(self, example: str) -> str:
        # It may be cut in the middle of a secret, which the mask would then not recognise.
        return example if self._run.mask is None else ""


def _values_in(line: bytes) -> int:
    """The number of values lost with a line: a line of statsd may contain several."""
    return 1 if line.lstrip().startswith(b"{") else max(1, line.partition(b"|")[0].count(b":"))


def _folder(path: Path, mode: int) -> Path:
    try:
        path.mkdir(exist_ok=True)
        path.chmod(mode)
    except OSError as error:
        raise Unavailable(f"cannot create the folder {path} ({error.strerror or error})") from error
    return path
