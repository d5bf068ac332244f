"""Starts the services of an app, watches them while the app runs, and leaves nothing behind."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from profileapp.collect.api import Emit, Mount, RunContext
from profileapp.collect.custom.source import SOCKET_VARIABLE
from profileapp.errors import AgentError
from profileapp.model.run import Network
from profileapp.model.target import Service
from profileapp.playback.recordings import Recordings
from profileapp.record.artifacts import SERVICES_FOLDER, artifact
from profileapp.record.files import make_folder
from profileapp.run.dataset.ready import Paths
from profileapp.run.exit_reason import memory_limit_text, signal_name
from profileapp.run.launch import CONTAINER_DATASET, Exit
from profileapp.run.output import AppLog
from profileapp.run.service.broker import broker_env, write_broker_files
from profileapp.run.service.playback import (
    CONTAINER_DATA_CONFIG,
    DATA_CONFIG_VARIABLE,
    PLAYBACK_VARIABLE,
    PORT,
    READY,
    RTSP_PORT,
    RTSP_VARIABLE,
    playback_mounts,
    recordings_of,
    write_data_config,
)
from profileapp.run.service.ready import LogMatcher, is_ready
from profileapp.run.service.sources import ServiceSources
from profileapp.run.service_host import RunningService, ServiceLaunch
from profileapp.run.session import Session
from profileapp.run.sources import Sources

POLL_INTERVAL_S = 0.05
EXIT_TIMEOUT_S = 2.0


class RunningServices:
    """The services of one start of the app. `network` "": the machine's own; `env` and `mounts` are the app's.

    `memory_limit_bytes` is the limit of each service.
    """

    def __init__(self, sources: ServiceSources, memory_limit_bytes: int, network: str = "") -> None:
        self._memory_limit_bytes = memory_limit_bytes
        self.network = network
        self.env: dict[str, str] = {}
        self.mounts: tuple[Mount, ...] = ()
        self.running: dict[str, RunningService] = {}
        self._sources = sources
        self._failure = ""
        self._may_end: set[str] = set()
        self.players: list[RunningService] = []
        self.ended_at_ns = 0
        """When the measurement of the app ended, on the monotonic clock; 0: it never began."""

    @property
    def failure(self) -> str:
        """Which service ended, and how; "" while all run."""
        if not self._failure:
            ended = ((name, one.exit) for name, one in self.running.items())
            found = (
                _exit_text(name, exit_, self._memory_limit_bytes)
                for name, exit_ in ended
                if exit_ and not self._is_done(name, exit_)
            )
            self._failure = next(found, "")
        return self._failure

    def add(self, service: Service, running: RunningService) -> None:
        """Adds a started service."""
        self.running[service.name] = running
        if service.streams and not service.image:
            self.players.append(running)
        elif service.ready is None:
            self._may_end.add(service.name)

    def begin(self) -> None:
        """The app runs: playback begins."""
        for player in self.players:
            player.signal(signal.SIGUSR1)

    def attach(self) -> None:
        """Measuring of the app begins, and of its services."""
        self._sources.attach(self.running)

    def detach(self) -> None:
        """Stops measuring: the app has ended, or is about to be ended. May be called twice."""
        self._sources.detach(self.ended_at_ns or None)

    def _is_done(self, name: str, exit_: Exit) -> bool:
        """A service without a readiness check may do some work and exit."""
        return name in self._may_end and exit_.exit_code == 0


class Services:
    """The services of one run. `network`: what could be reached from the network of its last repeat."""

    def __init__(
        self,
        session: Session,
        context: RunContext,
        datasets: Paths,
        app_sources: Sources,
        emit: Emit,
    ) -> None:
        self._session = session
        self._service_host = session.runtime.service_host(session.limits)
        self._context = context
        self._target = context.target
        self._datasets = datasets
        self._app_sources = app_sources
        self.network: Network | None = None
        self._sources = ServiceSources(context, emit, session.find_sources)
        self._logs: dict[str, AppLog] = {}
        if self._target.services:
            mask = session.secrets.mask
            folder = artifact(context.artifacts, SERVICES_FOLDER)
            make_folder(folder)
            self._logs = {
                service.name: AppLog(folder / f"{service.name}.log", masked=mask.stream() if mask else None)
                for service in self._target.services
            }

    @contextmanager
    def started(self, repeat: int) -> Iterator[RunningServices]:
        """Yields the running services of one repeat; removes them at the end of the block.

        Raises AgentError if a service cannot be started, ends or is not ready in time, or on a stop request.
        """
        network, self.network = self._service_host.open_network(self._context.run_id, internet=self._target.internet)
        running_services = RunningServices(self._sources, self._session.limits.memory_bytes, network)
        try:
            for service in self._target.services:
                self._start(service, running_services, repeat)
            yield running_services
        finally:
            running_services.detach()
            self._end_players(running_services.players)
            left = [running.remove() for running in reversed(running_services.running.values())]
            self._sources.emit_totals(running_services.running, running_services.ended_at_ns)
            if network:
                left.append(self._service_host.close_network(network))
            for line in filter(None, left):
                self._context.warn(line)

    def close(self) -> None:
        """Releases everything at the end of the run."""
        self._sources.close()
        for log in self._logs.values():
            log.close()

    def _end_players(self, players: Sequence[RunningService]) -> None:
        """Ends playbacks in order, so that they report what they served up to the last frame."""
        for player in players:
            player.terminate()
        deadline_s = time.monotonic() + EXIT_TIMEOUT_S
        while any(player.exit is None for player in players) and time.monotonic() < deadline_s:
            self._session.wake.wait(POLL_INTERVAL_S)

    def _start(self, service: Service, running_services: RunningServices, repeat: int) -> None:
        log = self._logs[service.name]
        if self._target.repeat > 1 or repeat > 1:
            log.write(b"[profileapp: repeat %d]\n" % repeat)
        log_matcher = LogMatcher(service.ready.log if service.ready else "")

        def output(content: bytes) -> None:
            log.write(content)
            log_matcher.feed(content)

        began_s = time.monotonic()
        running = self._service_host.start(self._launch(service, running_services), output, self._session.wake.set)
        running_services.add(service, running)
        ready = service.ready or (READY if service.streams and not service.image else None)
        if ready is None:
            return
        while not is_ready(ready, running, log_matcher):
            if self._session.stop.signal:
                raise AgentError("stopped while a service was starting")
            if running_services.failure:
                raise AgentError(running_services.failure)
            if time.monotonic() - began_s > ready.timeout_s:
                raise AgentError(
                    f"service {service.name} was not ready after {ready.timeout_s:g} s ({ready}); {_see(service.name)}"
                )
            self._session.wake.wait(POLL_INTERVAL_S)
        self._session.progress.note(f"service {service.name}: ready after {time.monotonic() - began_s:.1f} s")

    def _launch(self, service: Service, running_services: RunningServices) -> ServiceLaunch:
        mounts: tuple[Mount, ...] = ()
        if service.dataset:
            mounts = (Mount(str(self._datasets[service.dataset]), CONTAINER_DATASET),)
        env = {**service.env, **self._session.secrets.env_of(service.secrets)}
        if service.broker:
            mounts = (*mounts, *write_broker_files(self._context.scratch))
            running_services.env |= broker_env(self._service_host.host_name(service))
        if service.streams:
            recordings = recordings_of(service, self._datasets)
            mounts = (*mounts, *playback_mounts(recordings))
            self._offer(service, recordings, running_services)
            if not service.image:
                socket = self._app_sources.env.get(SOCKET_VARIABLE, "")
                env = {SOCKET_VARIABLE: socket} if socket else {}
                mounts = (
                    *mounts,
                    *(each for each in self._app_sources.mounts if socket.startswith(each.container_path)),
                )
        return ServiceLaunch(
            self._context.run_id, service, env, mounts, running_services.network, bool(self._target.internet)
        )

    def _offer(self, service: Service, recordings: Sequence[Recordings], running_services: RunningServices) -> None:
        """Gives the app the addresses of its cameras."""
        url = f"http://{self._service_host.host_name(service)}:{PORT}"
        path = self._context.scratch / "data-config.json"
        write_data_config(path, url, service, recordings)
        running_services.env[PLAYBACK_VARIABLE] = url
        if not service.image:
            running_services.env[RTSP_VARIABLE] = f"rtsp://{self._service_host.host_name(service)}:{RTSP_PORT}"
        running_services.mounts = (*running_services.mounts, Mount(str(path), CONTAINER_DATA_CONFIG))
        if not self._context.contained:
            running_services.env[DATA_CONFIG_VARIABLE] = str(path)


def _exit_text(name: str, exit_: Exit, memory_limit_bytes: int) -> str:
    how = exit_.lost or exit_.refused
    if exit_.oom_killed:
        how = memory_limit_text(memory_limit_bytes)
    elif exit_.signal:
        how = f"ended by {signal_name(exit_.signal)}, which profileapp did not send"
    return f"service {name} stopped early: {how or f'exited with code {exit_.exit_code}'}; {_see(name)}"


def _see(name: str) -> str:
    return f"see {SERVICES_FOLDER}/{name}.log"
