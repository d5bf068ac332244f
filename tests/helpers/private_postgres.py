"""A PostgreSQL server for tests: on a unix socket, in a temporary folder."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.helpers.small_disk import SmallDisk, small_disk

START_TIMEOUT_S = 60.0


class PrivatePostgres:
    """Runs until `remove`. Root cannot run PostgreSQL, so that the user `postgres` or `nobody` does.

    With `size`, such as `160m`, it has a separate disk. Raises OSError or subprocess.SubprocessError if the server
    cannot start, NoSmallDisk if the disk cannot be mounted.
    """

    def __init__(self, size: str = "") -> None:
        self._programs = _programs()
        self.user = _user()
        self.disk: SmallDisk | None = None
        self._mounted = ExitStack()
        # A socket's path may have 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="pa-pg-", dir="/tmp"))
        self._server: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        try:
            self.folder.chmod(0o755)
            if self.user:
                shutil.chown(self.folder, self.user)
            if size:
                (self.folder / "data").mkdir()
                self.disk = self._mounted.enter_context(small_disk(self.folder / "data", size, self.user))
            data = str(self.folder / "data")
            argv = ["-D", data, "-U", "tester", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]
            subprocess.run([self._programs / "initdb", *argv], check=True, capture_output=True, **self._as_user())
            self.start()
        except BaseException:
            self.remove()
            raise

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        argv = ["-D", str(self.folder / "data"), "-k", str(self.folder), "-c", "listen_addresses=", "-c", "fsync=off"]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [self._programs / "postgres", *argv], stdout=log, stderr=log, **self._as_user()
            )
        until = time.monotonic() + START_TIMEOUT_S
        ready = [self._programs / "pg_isready", "-q", "-h", str(self.folder)]
        while subprocess.run(ready, check=False).returncode:
            if self._server.poll() is not None or time.monotonic() > until:
                raise OSError((self.folder / "log").read_text(errors="replace")[-500:])
            time.sleep(0.05)

    def stop(self) -> None:
        """Stops the server at once and in order, unlike a crash."""
        if self._server:
            # SIGINT is PostgreSQL's fast shutdown.
            self._server.send_signal(signal.SIGINT)
            try:
                self._server.wait(30)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None

    def remove(self) -> None:
        """Stops the server and removes its files."""
        self.stop()
        self._mounted.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name}", "postgres")
        return self.url(name)

    def url(self, name: str, user: str = "tester") -> str:
        """The URL of a database."""
        return f"postgresql://{user}@/{name}?host={self.folder}"

    def sql(self, text: str, database: str, user: str = "tester") -> str:
        """Output of psql."""
        argv = ["-h", str(self.folder), "-U", user, "-d", database, "-v", "ON_ERROR_STOP=1", "-qAt", "-c", text]
        psql = self._programs / "psql"
        return subprocess.run([psql, *argv], check=True, capture_output=True, text=True).stdout.strip()

    def _as_user(self) -> dict[str, object]:
        environ = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"}
        person = {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []} if self.user else {}
        return {**person, "cwd": "/", "env": environ}


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        raise OSError("no initdb is here; on Debian: apt-get install postgresql")
    return Path(on_path).resolve().parent


def _user() -> str:
    """User that runs the server; "" for the current one."""
    if os.getuid():
        return ""
    names = {each.pw_name for each in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
