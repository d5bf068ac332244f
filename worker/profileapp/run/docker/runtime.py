"""Runs an app in a Docker container, with as few rights as an app needs.

Source: Docker Engine API; docker-py's low-level client.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import docker
from docker.types import Mount as DockerMount
from docker.types import Ulimit

from profileapp.errors import AgentError
from profileapp.model.run import Image
from profileapp.model.text import printable
from profileapp.retry import Patience
from profileapp.run.agent.ownership import life_of
from profileapp.run.agent.run_processes import kill_orphans, kill_run_processes
from profileapp.run.agent.state import LiveRun, new_run_id
from profileapp.run.docker.cgroup_removal import remove_cgroups
from profileapp.run.docker.container import Container
from profileapp.run.docker.failures import is_the_images, what_to_do
from profileapp.run.docker.folder_removal import empty_as_root
from profileapp.run.docker.helper import HelperContainers, why_no_helpers
from profileapp.run.docker.image import GONE, one_line
from profileapp.run.docker.image_source import ImageSource
from profileapp.run.docker.leftovers import Leftover, leftovers, remove
from profileapp.run.docker.marks import Marks
from profileapp.run.docker.network import APP_NAME, name_servers, network_settings
from profileapp.run.docker.registry_login import RegistryLogin
from profileapp.run.docker.service_images import ServiceImages
from profileapp.run.docker.services import DockerServiceHost
from profileapp.run.launch import RUN_ID_VARIABLE, Launch, Limits, NeverStarted, RunningApp
from profileapp.run.net.deadline import Deadline
from profileapp.run.progress import Progress
from profileapp.run.run_cgroup import RunCgroup, run_cgroups
from profileapp.run.runtime import Swept

API_TIMEOUT_S = 60
WRITTEN_FILE_LIMIT_BYTES = 1024**3
"""Size limit of a file that the app writes to a folder of the host."""


class DockerRuntime:
    """Runs containers of `source`'s image on the daemon that `DOCKER_HOST` names (default: this machine's).

    It puts `marks` on everything that it creates.
    """

    name = "docker"
    contained = True
    command: tuple[str, ...] = ()

    def __init__(
        self,
        source: ImageSource,
        marks: Marks,
        login: RegistryLogin | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.image: Image | None = None
        self._image_id = ""
        self._config: dict[str, Any] = {}
        self._source = source
        self._login = login
        self._marks = marks
        self._api, self._info = connect()
        self._no_helpers = why_no_helpers(os.environ, is_local=_daemon_is_here(os.environ))
        driver = str(self._info.get("CgroupDriver") or "")
        self._cgroups = run_cgroups(
            driver,
            is_local=_daemon_is_here(os.environ) and not _is_rootless(self._info),
            remove_as_root=None if self._no_helpers else partial(remove_cgroups, self._cgroup_helpers, driver),
        )
        self._service_images = ServiceImages(self._api, self._info.get("Architecture", ""), login, patience)

    @property
    def version(self) -> str:
        """`docker 24.0.5`, and the NVIDIA runtime if the daemon has it."""
        return daemon_version(self._info)

    @property
    def has_nvidia(self) -> bool:
        """Whether the daemon knows the NVIDIA container runtime."""
        return _has_nvidia(self._info)

    @property
    def disks(self) -> tuple[Path, ...]:
        root = Path(str(self._info.get("DockerRootDir") or ""))
        return (root,) if _daemon_is_here(os.environ) and root.is_absolute() and root.is_dir() else ()

    def prepare(self, live: LiveRun, progress: Progress) -> None:
        self._service_images.begin(self._marks.labels(live.id))
        own_name = self._marks.image_name(live.id)
        found = self._source.get(self._api, self._info.get("Architecture", ""), live, progress, own_name)
        self._config = found.get("Config") or {}
        digests = found.get("RepoDigests") or [""]
        # The id names the same image to the end, even if its name moves to another one.
        self._image_id = str(found["Id"])
        digest = digests[0].partition("@")[2]
        self.image = Image(self._source.name, self._image_id, digest, found.get("Architecture", ""))

    def start(self, launch: Launch, output: Callable[[bytes], None], exited: Callable[[], None]) -> RunningApp:
        cgroup = self._cgroups.next(launch.run_id)
        try:
            return self._start(launch, output, exited, cgroup, self._cgroups.reason)
        except _CgroupRefused as error:
            return self._start(launch, output, exited, None, str(error))

    def _start(
        self,
        launch: Launch,
        output: Callable[[bytes], None],
        exited: Callable[[], None],
        cgroup: RunCgroup | None,
        no_cgroup: str,
    ) -> RunningApp:
        try:
            container_id = self._create(launch, cgroup)
        except GONE as error:
            if cgroup and "cgroup" in str(error).lower():
                raise _CgroupRefused(f"the daemon refused a cgroup parent ({one_line(error)})") from error
            if is_the_images(error):
                return NeverStarted(f"the app could not be started: {one_line(error)}")
            raise AgentError(
                f"the daemon cannot create a container ({what_to_do(error, self._marks.folder)})"
            ) from error
        app = Container(
            self._api, container_id, output, exited, cgroup, no_cgroup, is_local=_daemon_is_here(os.environ)
        )
        try:
            app.start()
        except GONE as error:
            if cgroup and "cgroup" in str(error).lower():
                app.remove()
                raise _CgroupRefused(f"the daemon refused a cgroup parent ({one_line(error)})") from error
            if is_the_images(error):
                app.refuse(f"the app could not be started: {one_line(error)}")
                return app
            app.remove()
            raise AgentError(
                f"the daemon cannot start a container ({what_to_do(error, self._marks.folder)})"
            ) from error
        return app

    def service_host(self, limits: Limits) -> DockerServiceHost:
        return DockerServiceHost(self._api, self._marks, limits, self._service_images, self._cgroups)

    def helpers(self, run_id: str) -> HelperContainers:
        return HelperContainers(self._api, self._marks.labels(run_id), self._no_helpers)

    def sweep(self, run_id: str) -> Swept:
        # The client of a build first: the daemon cancels the build with it.
        killed = kill_run_processes(run_id)
        found, problem = self._leftovers()
        removed, problems = remove(self._api, (each for each in found if each.run_id == run_id))
        # Not counted, as nothing runs in it.
        _, cgroup_problems = self._cgroups.sweep(run_id)
        return Swept(killed + removed, (*problem, *problems, *cgroup_problems))

    def sweep_orphans(self) -> dict[str, Swept]:
        own = self._marks.worker
        found, problem = self._leftovers()
        dead = [
            each for each in found if life_of(each.worker, own, is_own_machine=_daemon_is_here(os.environ)) == "dead"
        ]
        # The client of a build first, as the daemon cancels the build with it.
        swept = {run_id: Swept(count) for run_id, count in kill_orphans(own).items()}
        # All runs' containers go before any run's image: two dead runs may use one image.
        for each in dead:
            removed, problems = remove(self._api, (each,))
            so_far = swept.get(each.run_id, Swept())
            swept[each.run_id] = Swept(so_far.removed + removed, so_far.problems + problems)
        for run_id in {each.run_id for each in dead}:
            self._cgroups.sweep(run_id)
        return swept | ({"": Swept(0, problem)} if problem else {})

    def empty_folder(self, folder: Path, run_id: str, deadline: Deadline) -> None:
        empty_as_root(self._api, self._marks.labels(run_id), folder, deadline)

    def _cgroup_helpers(self) -> HelperContainers:
        return self.helpers(new_run_id())

    def _leftovers(self) -> tuple[tuple[Leftover, ...], tuple[str, ...]]:
        """This owner's resources on the daemon, and the problem, if any."""
        try:
            return leftovers(self._api, self._marks), ()
        except GONE as error:
            return (), (f"the daemon cannot list what is left ({one_line(error)})",)

    def _create(self, launch: Launch, cgroup: RunCgroup | None) -> str:
        environment = {RUN_ID_VARIABLE: launch.run_id, **launch.env}
        host_config: dict[str, Any] = {
            "mounts": [
                DockerMount(mount.container_path, mount.host_path, type="bind", read_only=not mount.writable)
                for mount in launch.mounts
            ],
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "pids_limit": launch.limits.pids,
            "mem_limit": launch.limits.memory_bytes,
            "memswap_limit": launch.limits.memory_bytes,
            **({"nano_cpus": int(launch.limits.cpus * 1e9)} if launch.limits.cpus else {}),
            # An init forwards SIGTERM to apps that would ignore it as process 1, and reaps their orphans.
            "init": True,
            # The app's output goes to app.log, which is bounded, and nowhere else.
            "log_config": {"Type": "none", "Config": {}},
        }
        if cgroup:
            host_config["cgroup_parent"] = cgroup.parent
        if launch.network:
            host_config["network_mode"] = launch.network
            host_config["dns"] = name_servers(internet=launch.internet)
        if any(mount.writable for mount in launch.mounts):
            host_config["ulimits"] = [
                Ulimit(name="fsize", soft=WRITTEN_FILE_LIMIT_BYTES, hard=WRITTEN_FILE_LIMIT_BYTES)
            ]
        if self.has_nvidia:
            host_config["runtime"] = "nvidia"
            environment.setdefault("NVIDIA_VISIBLE_DEVICES", "all")
            environment.setdefault("NVIDIA_DRIVER_CAPABILITIES", "all")
        created = self._api.create_container(
            self._image_id,
            **self._argv_options(launch),
            environment=environment,
            labels=self._marks.labels(launch.run_id),
            **network_settings(launch.network, APP_NAME),
            host_config=self._api.create_host_config(**host_config),
        )
        return str(created["Id"])

    def _argv_options(self, launch: Launch) -> dict[str, Any]:
        """Entrypoint and command for the API: the image's own, unless a tool is put in front."""
        if launch.wrap is None:
            return {"command": list(launch.args) or None}
        entrypoint = self._config.get("Entrypoint") or []
        argv = launch.wrap((*entrypoint, *(launch.args or self._config.get("Cmd") or [])))
        return {"entrypoint": list(argv[:1]), "command": list(argv[1:])}


def connect(timeout_s: int = API_TIMEOUT_S) -> tuple[docker.APIClient, dict[str, Any]]:
    """A client of the daemon that `DOCKER_HOST` names, and the daemon's info. Raises AgentError if none responds."""
    try:
        api = docker.APIClient(version="auto", timeout=timeout_s, **docker.utils.kwargs_from_env())
        return api, api.info()
    except GONE as error:
        raise AgentError(
            f"no Docker daemon answers ({one_line(error)}); start it, set DOCKER_HOST, let this user use its "
            "socket, or use --runtime process"
        ) from error


def _daemon_is_here(environ: Mapping[str, str]) -> bool:
    """Whether the daemon is certainly on this machine."""
    host = environ.get("DOCKER_HOST", "")
    return not host or host.startswith("unix://")


def daemon_version(info: dict[str, Any]) -> str:
    """`docker 24.0.5`, and the NVIDIA runtime if the daemon has it."""
    number = printable(str(info.get("ServerVersion") or ""), 40)
    return f"docker {number}".strip() + (", nvidia" if _has_nvidia(info) else "")


def _is_rootless(info: dict[str, Any]) -> bool:
    return any("rootless" in str(option) for option in info.get("SecurityOptions") or ())


class _CgroupRefused(Exception):
    """The daemon refused the container's cgroup parent."""


def _has_nvidia(info: dict[str, Any]) -> bool:
    return "nvidia" in (info.get("Runtimes") or {})
