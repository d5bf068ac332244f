"""Commands that a person types: make, and the scripts that it calls."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import docker
import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("bash", "cat", "cut", "dirname", "env", "grep", "id", "sed", "sha256sum", "sort", "tr")


def run(*command: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder for a PATH with almost no programs."""
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        (tmp_path / tool).symlink_to(found)
    return tmp_path


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_python_files_without_a_suffix_are_linted() -> None:
    """ruff and mypy find the others by their names."""
    files = run("git", "grep", "-lE", "^#!.*python", "--", ":!*.py").stdout.split()
    scripts = [name for name in files if (ROOT / name).read_text().startswith("#!")]
    assert "scripts/release" in scripts
    for config in ("pyproject.toml", "scripts/lint", ".pre-commit-config.yaml"):
        text = (ROOT / config).read_text()
        assert [name for name in scripts if name not in text] == [], config


def test_make_without_a_target_lists_every_command() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    output = run("make").stdout
    assert sorted(re.findall(r"^make ([a-z-]+) +\S", output, re.MULTILINE)) == sorted(phony[1].split())


def test_ci_runs_make_test() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert text.rstrip().endswith("exec make test")


class TestSetup:
    def test_installs_missing_packages_without_recommended_ones(self, bare: Path, tmp_path: Path) -> None:
        # It fails, so that setup stops there.
        script(bare / "apt-get", f'echo "$*" >>"{tmp_path}/asked"; exit 100')
        script(bare / "sudo", 'exec "$@"')
        done = run(ROOT / "scripts" / "setup", "test", PATH=str(bare), http_proxy="")
        assert done.returncode == 1
        update, install = (tmp_path / "asked").read_text().splitlines()
        assert update.endswith(" update")
        packages = install.partition(" install --no-install-recommends ")[2].split()
        assert {"chromium", "default-jdk-headless", "maven", "shellcheck"} <= set(packages)
        assert packages == sorted(set(packages))
        assert "apt-get update failed; going on" in done.stderr
        assert f"setup: apt-get could not install {' '.join(packages)}\n" in done.stderr

    @pytest.mark.parametrize("has_sudo", [True, False])
    def test_prints_the_command_if_it_cannot_become_root(self, bare: Path, tmp_path: Path, has_sudo: bool) -> None:
        script(bare / "apt-get", f'echo "$*" >>"{tmp_path}/asked"; exit 100')
        (bare / "id").unlink()
        script(bare / "id", 'case "$1" in -un) echo ann ;; *) echo 1000 ;; esac')
        if has_sudo:
            script(bare / "sudo", 'echo "ann is not in the sudoers file." >&2; exit 1')
        done = run(ROOT / "scripts" / "setup", "test", PATH=str(bare))
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert re.search(r"As root: apt-get install --no-install-recommends [a-z].*\bmaven\b", last)
        assert ("sudo is refused to ann. " in last) is has_sudo
        assert not (tmp_path / "asked").exists()

    def test_prints_the_packages_without_apt(self, bare: Path) -> None:
        done = run(ROOT / "scripts" / "setup", "test", PATH=str(bare))
        assert done.returncode == 1
        assert re.fullmatch(r"setup: missing: .*\bmaven\b.*\. This is no Debian; .*\n", done.stderr)

    def test_refuses_what_it_does_not_know(self) -> None:
        done = run(ROOT / "scripts" / "setup", "everything")
        assert (done.returncode, done.stderr) == (1, "setup: usage: setup [demo|test]\n")


class TestTest:
    """scripts/test with stand-ins that only log their calls."""

    @pytest.fixture
    def clone(self, tmp_path: Path) -> Path:
        for name in ("scripts/setup", "scripts/lint", "tests/pipeline/run.sh", ".venv/bin/python"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            script(tmp_path / name, f'echo "{name} $1" >>calls; [ "$FAILS" != "{name}" ]')
        shutil.copy(ROOT / "scripts" / "test", tmp_path / "scripts")
        script(tmp_path / "scripts" / "dockerd", 'echo "dockerd $1" >>calls; [ "$1" = stop ] || printf "%s" "$STARTED"')
        return tmp_path

    @pytest.mark.parametrize("fails", ["", "scripts/lint"])
    @pytest.mark.parametrize(("started", "stops"), [("started\n", 1), ("", 0)])
    def test_it_stops_only_the_daemon_that_it_started(self, clone: Path, started: str, stops: int, fails: str) -> None:
        done = run(clone / "scripts" / "test", STARTED=started, FAILS=fails)
        assert done.returncode == (1 if fails else 0), done.stdout
        calls = (clone / "calls").read_text().splitlines()
        assert calls.count("dockerd start") == 1
        assert calls.count("dockerd stop") == stops

    @pytest.mark.parametrize(("started", "stops"), [("started\n", 1), ("", 0)])
    def test_it_stops_the_daemon_when_terminated(self, clone: Path, started: str, stops: int) -> None:
        script(clone / "scripts" / "lint", "kill -TERM $TEST_PID")
        text = (clone / "scripts" / "test").read_text()
        (clone / "scripts" / "test").write_text(
            text.replace("exec </dev/null\n", "exec </dev/null\nexport TEST_PID=$$\n")
        )
        done = run(clone / "scripts" / "test", STARTED=started)
        assert done.returncode == 143
        assert (clone / "calls").read_text().splitlines().count("dockerd stop") == stops


class TestDockerd:
    @pytest.mark.docker
    def test_does_not_touch_a_running_daemon(self, docker_client: docker.DockerClient) -> None:
        before = docker_client.info()["ID"], docker_client.version()["Version"]
        done = run(ROOT / "scripts" / "dockerd", "start")
        assert (done.returncode, done.stderr) == (0, f"dockerd: using the one that answers (Docker {before[1]})\n")
        assert done.stdout == "", "no command to stop it is printed"
        assert docker_client.info()["ID"] == before[0]
        assert "answers" in run(ROOT / "scripts" / "dockerd", "status").stdout

    def test_starts_none_if_docker_host_is_set(self, tmp_path: Path) -> None:
        host = f"unix://{tmp_path}/nobody.sock"
        done = run(ROOT / "scripts" / "dockerd", "start", DOCKER_HOST=host)
        assert (done.returncode, done.stderr) == (4, f"dockerd: DOCKER_HOST is {host}, and no daemon answers there\n")
        assert run(ROOT / "scripts" / "dockerd", "status", DOCKER_HOST=host).returncode == 1

    def test_refuses_what_it_does_not_know(self) -> None:
        done = run(ROOT / "scripts" / "dockerd", "restart")
        assert (done.returncode, done.stderr) == (4, "dockerd: usage: dockerd start|stop|status\n")
