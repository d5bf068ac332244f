"""A client of Jenkins' REST API: creates the job, builds it, and collects the results."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from api4jenkins import Jenkins
from api4jenkins.exceptions import ItemNotFoundError, JenkinsAPIException

from tests.jenkins.checks import files_to_fetch
from tests.jenkins.evidence import Build, Counts, Served, Stage
from tests.jenkins.job import MARK

# Errors that a call of this module may raise if Jenkins is unreachable or refuses.
REFUSALS = (JenkinsAPIException, PermissionError, httpx.HTTPError, httpx.InvalidURL)


class JenkinsError(Exception):
    """A one-line error: what Jenkins did not do, and what to do about it."""


class Remote:
    """A Jenkins at `url`; `auth` is a user's name and API token, None for anonymous access."""

    def __init__(
        self,
        url: str,
        auth: tuple[str, str] | None,
        say: Callable[[str], None],
        poll_s: float = 2.0,
    ) -> None:
        self._jenkins = Jenkins(url, auth=auth, timeout=60)
        self._say = say
        self._poll_s = poll_s

        self._do_without_crumbs_where_there_are_none()

    def put_job(self, name: str, xml: str) -> None:
        """Creates the job, or replaces an earlier one of ours."""
        job = self._jenkins.get_job(name)
        if job is None:
            self._jenkins.create_job(name, xml)
            return
        if MARK not in (job.api_json(tree="description").get("description") or ""):
            raise JenkinsError(f"there is a job {name} already, and it is not ours; give another name by JENKINS_JOB")
        job.configure(xml)

    def delete_job(self, name: str) -> None:
        self._jenkins.delete_job(name)

    def build(self, name: str, timeout_s: float) -> Build:
        """Builds the job and waits for its end; stops the build if the wait ends early."""
        deadline = time.monotonic() + timeout_s
        job = self._jenkins.get_job(name)
        queued = job.build()
        run = None
        try:
            run = job._new_item("api4jenkins.build", self._wait_for_start(job, queued, deadline))
            self._say(f"building {run.url}")
            result = self._wait_for_end(run, deadline)
        except BaseException:
            self._stop(run, queued)
            raise
        return self._collect(run, result)

    def _stop(self, run: Any, queued: Any) -> None:
        """The reason for giving up is what counts: a failure to stop the build must not hide it."""
        try:
            run.stop() if run else queued.cancel()
        except REFUSALS as refused:
            self._say(f"the build could not be stopped and goes on ({refused}); a user needs Job/Cancel for that")

    def console_tail(self, url: str, lines: int = 30) -> list[str]:
        run = self._jenkins._new_item("api4jenkins.build", {"_class": "WorkflowRun", "url": url})
        return list(run.console_text())[-lines:]

    def _do_without_crumbs_where_there_are_none(self) -> None:
        try:
            _ = self._jenkins.crumb
        except ItemNotFoundError:
            # This Jenkins has CSRF protection disabled; api4jenkins would request a crumb repeatedly.
            self._jenkins._crumb = {}

    def _wait_for_start(self, job: Any, queued: Any, deadline: float) -> dict[str, str]:
        while True:
            item = queued.api_json(tree="why,cancelled,executable[number]")
            if item.get("cancelled"):
                raise JenkinsError("the build was cancelled while it waited in Jenkins' queue")
            if item.get("executable"):
                # Not the address in the answer, which is the configured one and may not be reachable from here.
                return {"_class": "WorkflowRun", "url": f"{job.url}{item['executable']['number']}/"}
            self._pause(deadline, f"the build still waits in Jenkins' queue: {item.get('why') or 'no reason given'}")

    def _wait_for_end(self, run: Any, deadline: float) -> str:
        while True:
            state = run.api_json(tree="building,result")
            if not state["building"] and state["result"]:
                return str(state["result"])
            self._pause(deadline, f"the build has not ended: {run.url}")

    def _pause(self, deadline: float, problem: str) -> None:
        if time.monotonic() >= deadline:
            raise JenkinsError(f"{problem}; more time by JENKINS_TIMEOUT_S")
        time.sleep(self._poll_s)

    def _collect(self, run: Any, result: str) -> Build:
        message = run.api_json(tree="description,artifacts[relativePath]")
        artifacts = frozenset(each["relativePath"] for each in message["artifacts"])
        return Build(
            url=run.url,
            result=result,
            description=message.get("description") or "",
            stages=_stages(run),
            counts=_counts(run),
            artifacts=artifacts,
            served={path: self._serve(run, path) for path in files_to_fetch(artifacts)},
        )

    def _serve(self, run: Any, path: str) -> Served:
        answer = run.handle_req("GET", f"artifact/{quote(path)}", follow_redirects=True)
        return Served(
            content_type=answer.headers.get("Content-Type", ""),
            policy=answer.headers.get("Content-Security-Policy", ""),
            body=answer.content,
            elsewhere=answer.url.host != urlsplit(run.url).hostname,
        )


def _stages(run: Any) -> tuple[Stage, ...]:
    try:
        message = run.handle_req("GET", "wfapi/describe").json()
    except ItemNotFoundError:
        raise JenkinsError("Jenkins tells no stages; install its plugin Pipeline: Stage View") from None
    return tuple(Stage(each["name"], each["status"]) for each in message["stages"])


def _counts(run: Any) -> Counts | None:
    report = run.get_test_report()
    if report is None:
        return None
    message = report.api_json(tree="passCount,failCount,skipCount")
    return Counts(message["passCount"], message["failCount"], message["skipCount"])
