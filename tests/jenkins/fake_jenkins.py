"""A fake Jenkins with only the calls of the REST API that `make test-jenkins` makes.

It is as strict as a real one where it matters: a POST needs a crumb, a user needs the right token, an unknown address
is not found, a build takes a while, and its configured address is not the one that it is reached by.
"""

from __future__ import annotations

import base64
import json
import mimetypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET

CRUMB = "0f1e2d"
TOLD_ROOT = "https://jenkins.example.org/"
POLICY = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"
OLD_POLICY = "sandbox; default-src 'none'; img-src 'self'; style-src 'self';"
"""Before Jenkins 2.417."""


@dataclass
class FakeJenkins:
    """The result of every build, and the received requests."""

    workspace: Path  # has profile/, which a build archives
    result: str = "SUCCESS"
    description: str = f'<a href="{TOLD_ROOT}job/check/1/artifact/profile/index.html">Profile</a>: 2 targets: 2 passed'
    stages: list[tuple[str, str]] = field(default_factory=list)
    counts: tuple[int, int, int] | None = None  # passed, failed, skipped
    policy: str = POLICY
    token: str = ""  # of the user "ann", the only one with access if it is set
    waits_for_ever: bool = False
    runs_for_ever: bool = False
    has_stage_view: bool = True
    has_crumbs: bool = True
    forbids_stop: bool = False
    has_resource_root: bool = False  # artifacts come from another site, without a policy

    url: str = ""
    jobs: dict[str, str] = field(default_factory=dict)  # config.xml by name
    polls: int = 0
    stopped: bool = False
    cancelled: bool = False

    def get(self, path: str) -> tuple[int, Any, str]:
        """Status, body (JSON, bytes or text), and content type."""
        job = next((name for name in self.jobs if path.startswith(f"job/{name}/")), None)
        plain = {
            "crumbIssuer/api/json": {"crumb": CRUMB, "crumbRequestField": "Jenkins-Crumb"},
            "api/json": {"_class": "hudson.model.Hudson", "jobs": [self._job(name) for name in self.jobs]},
        }
        if path in plain and (self.has_crumbs or not path.startswith("crumb")):
            return 200, plain[path], ""
        if path == "queue/item/7/api/json":
            return 200, self._queued(), ""
        if job is None:
            return 404, "", ""
        return self._get_of_job(job, path.removeprefix(f"job/{job}/"))

    def _get_of_job(self, job: str, path: str) -> tuple[int, Any, str]:
        if path.startswith("1/artifact/"):
            file = self.workspace / unquote(path.removeprefix("1/artifact/"))
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            return (200, file.read_bytes(), kind) if file.is_file() else (404, "", "")
        if path == "1/wfapi/describe" and self.has_stage_view:
            return 200, {"stages": [{"id": "6", "name": name, "status": status} for name, status in self.stages]}, ""
        if path == "1/testReport/api/json" and self.counts:
            passed, failed, skipped = self.counts
            message = {"passCount": passed, "failCount": failed, "skipCount": skipped}
            return 200, {"_class": "hudson.tasks.junit.TestResult", **message}, ""
        if path == "api/json":
            return 200, self._job(job), ""
        if path == "1/api/json":
            return 200, self._build(), ""
        if path == "1/consoleText":
            return 200, b"first line\nlast line of the log\n", "text/plain"
        return 404, "", ""

    def post(self, path: str, query: dict[str, list[str]], body: str) -> tuple[int, dict[str, str]]:
        """Status and headers of the answer."""
        name = query.get("name", [""])[0]
        if path == "createItem":
            if name in self.jobs:
                return 400, {"X-Error": f"A job already exists with the name {name}"}
            self.jobs[name] = body
            return 200, {}
        if path == "queue/cancelItem" and self.forbids_stop:
            return 403, {}
        if path == "queue/cancelItem":
            self.cancelled = True
            return 204, {}
        job = next((name for name in self.jobs if path.startswith(f"job/{name}/")), "")
        match path.removeprefix(f"job/{job}/"):
            case "config.xml":
                self.jobs[job] = body
            case "build":
                self.polls = 0
                return 201, {"Location": f"{self.url}queue/item/7/"}
            case "1/stop" if self.forbids_stop:
                return 403, {}
            case "1/stop":
                self.stopped = True
                return 302, {"Location": self.url}
            case "doDelete":
                del self.jobs[job]
                return 302, {"Location": self.url}
            case _:
                return 404, {}
        return 200, {}

    def _job(self, name: str) -> dict[str, str]:
        described = ET.fromstring(self.jobs[name].encode()).findtext("description") or ""  # noqa: S314 our own
        kind = "org.jenkinsci.plugins.workflow.job.WorkflowJob"
        return {"_class": kind, "name": name, "url": f"{self.url}job/{name}/", "description": described}

    def _queued(self) -> dict[str, Any]:
        self.polls += 1
        if self.waits_for_ever or self.polls < 3:
            why = "There are no nodes with the label ‘jetson’"
            return {"_class": "hudson.model.Queue$BuildableItem", "cancelled": False, "why": why}
        executable = {"number": 1, "url": f"{TOLD_ROOT}job/check/1/"}
        return {"_class": "hudson.model.Queue$LeftItem", "cancelled": self.cancelled, "executable": executable}

    def _build(self) -> dict[str, Any]:
        self.polls += 1
        building = self.runs_for_ever or self.polls < 6
        files = [path for path in sorted(self.workspace.rglob("*")) if path.is_file()]
        return {
            "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun",
            "building": building,
            "result": None if building else self.result,
            "description": self.description or None,
            "artifacts": [{"relativePath": str(path.relative_to(self.workspace))} for path in files],
        }


@contextmanager
def served(jenkins: FakeJenkins) -> Iterator[FakeJenkins]:
    """Serves `jenkins` on this machine, below a path as behind a proxy."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self._to_the_resource_root():
                place = f"http://localhost:{self.server.server_port}{self.path}"
                self._answer(302, {"Location": place}, b"")
            elif self._may_come():
                status, answer, kind = jenkins.get(self._path())
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                has_policy = "/artifact/" in self.path and not jenkins.has_resource_root
                headers = {"Content-Security-Policy": jenkins.policy} if has_policy else {}
                self._answer(status, {"Content-Type": kind or "application/json;charset=utf-8", **headers}, body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            if not self._may_come():
                return
            if jenkins.has_crumbs and not jenkins.token and self.headers.get("Jenkins-Crumb") != CRUMB:
                self._answer(403, {}, b"No valid crumb was included in the request")
                return
            status, headers = jenkins.post(self._path(), parse_qs(urlsplit(self.path).query), body)
            self._answer(status, headers, b"")

        def _to_the_resource_root(self) -> bool:
            available = self.headers["Host"].startswith("localhost")
            return jenkins.has_resource_root and "/artifact/" in self.path and not available

        def _may_come(self) -> bool:
            expected = "Basic " + base64.b64encode(f"ann:{jenkins.token}".encode()).decode()
            if jenkins.token and self.headers.get("Authorization") != expected:
                self._answer(401, {}, b"")
                return False
            return True

        def _path(self) -> str:
            return urlsplit(self.path).path.removeprefix("/ci/")

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    jenkins.url = f"http://127.0.0.1:{server.server_port}/ci/"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield jenkins
    finally:
        server.shutdown()
        server.server_close()
