"""`make test-jenkins`: builds this repository's Jenkinsfile on a Jenkins, and checks the result.

Settings come from environment variables; docs/jenkins.md lists them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from tests.jenkins.checks import Finding, check  # noqa: E402 after the path is set
from tests.jenkins.job import Source, job_xml  # noqa: E402
from tests.jenkins.remote import REFUSALS, JenkinsError, Remote  # noqa: E402

EXAMPLE = ROOT / "examples" / "objectcounter" / "sage.yaml"


@dataclass(frozen=True)
class Settings:
    """Settings from the caller."""

    url: str
    auth: tuple[str, str] | None
    job: str
    source: Source
    timeout_s: float
    keep: bool


def settings(environ: Mapping[str, str]) -> Settings:
    """Raises JenkinsError for what is missing or wrong."""
    url = environ.get("JENKINS_URL", "")
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise JenkinsError(
            "give the address of a Jenkins: make test-jenkins JENKINS_URL=https://jenkins.example.org/"
            " [JENKINS_USER=… JENKINS_TOKEN=…]"
        )
    user, token = environ.get("JENKINS_USER", ""), environ.get("JENKINS_TOKEN", "")
    if bool(user) != bool(token):
        raise JenkinsError("JENKINS_USER and JENKINS_TOKEN (an API token of that user) go together; one is missing")
    try:
        timeout_s = float(environ.get("JENKINS_TIMEOUT_S", "1800"))
    except ValueError:
        raise JenkinsError(f"JENKINS_TIMEOUT_S={environ['JENKINS_TIMEOUT_S']}: must be a number of seconds") from None
    return Settings(
        url=url,
        auth=(user, token) if user else None,
        job=environ.get("JENKINS_JOB") or "profileapp-check",
        source=Source(
            url=environ.get("JENKINS_GIT_URL") or _git("remote", "get-url", "origin"),
            revision=environ.get("JENKINS_GIT_REVISION") or _git("rev-parse", "HEAD"),
            script=environ.get("JENKINS_SCRIPT") or "Jenkinsfile",
            credentials=environ.get("JENKINS_GIT_CREDENTIALS", ""),
        ),
        timeout_s=timeout_s,
        keep=environ.get("JENKINS_KEEP", "") not in ("", "0"),
    )


def main(environ: Mapping[str, str], targets: list[str] | None = None, poll_s: float = 2.0) -> int:
    """Returns exit code 0: all checks passed, 1: a check failed, 2: checks could not run."""
    try:
        chosen = settings(environ)
        return _run(chosen, targets if targets is not None else planned_targets(EXAMPLE), poll_s)
    except JenkinsError as error:
        print(f"test-jenkins: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("test-jenkins: interrupted; the build is stopped", file=sys.stderr)
    except REFUSALS as error:
        print(f"test-jenkins: {environ['JENKINS_URL']}: {error}", file=sys.stderr)
    return 2


def _run(chosen: Settings, targets: list[str], poll_s: float) -> int:
    remote = Remote(chosen.url, chosen.auth, say=print, poll_s=poll_s)
    print(f"job {chosen.job}: {chosen.source.script} of {chosen.source.url} at {chosen.source.revision}")
    remote.put_job(chosen.job, job_xml(chosen.source))
    build = remote.build(chosen.job, chosen.timeout_s)
    findings = check(build, targets)
    for finding in findings:
        print(describe(finding))
    problems = sum(bool(finding.problem) for finding in findings)
    if problems:
        print(f"{problems} of {len(findings)} checks failed: {build.url}, of whose log this is the end:")
        print("\n".join(f"    {line}" for line in remote.console_tail(build.url)))
        return 1
    print(f"all {len(findings)} checks passed")
    if not chosen.keep:
        remote.delete_job(chosen.job)
    return 0


def describe(finding: Finding) -> str:
    return f"FAILED  {finding.what}: {finding.problem}" if finding.problem else f"ok      {finding.what}"


def planned_targets(config: Path) -> list[str]:
    """Names of the targets that this checkout's worker plans. A fresh clone has no dataset, so it is created first."""
    maker, dataset = config.parent / "make_dataset.py", config.parent / "dataset"
    if maker.exists() and not dataset.exists():
        made = subprocess.run([sys.executable, maker, dataset], capture_output=True, text=True, check=False)
        if made.returncode:
            raise JenkinsError(f"the example's dataset could not be made: {made.stderr.strip()}")
    planned = subprocess.run(
        [sys.executable, "-m", "profileapp", "plan", str(config), "--json"], capture_output=True, text=True, check=False
    )
    if planned.returncode:
        raise JenkinsError(f"no plan: {planned.stderr.strip()}")
    return [target["name"] for target in json.loads(planned.stdout)["targets"]]


def _git(*args: str) -> str:
    answer = subprocess.run(["git", "-C", str(ROOT), *args], capture_output=True, text=True, check=False)
    if answer.returncode:
        raise JenkinsError(
            f"git {' '.join(args)} says: {answer.stderr.strip()}; give JENKINS_GIT_URL and JENKINS_GIT_REVISION"
        )
    return answer.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(os.environ))
