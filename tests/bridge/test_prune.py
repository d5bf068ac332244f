"""worker.sh removes environments that no build has used for a long time."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from tests.bridge.conftest import PYTHON, VERSION, Agent, ended
from tests.bridge.support import make_older, wait_for


class TestPrune:
    def test_removes_environments_unused_for_a_month(self, agent: Agent) -> None:
        old, incomplete, fresh = (agent.home / f"worker-0.0.{number}-{os.uname().machine}" for number in range(3))
        for each in (old, incomplete, fresh):
            (each / "bin").mkdir(parents=True)
        for each in (old, fresh):
            (each / "complete").touch()
        make_older(old, days=32)
        make_older(fresh, days=29)
        make_older(agent.environment(), days=32)
        assert agent.run().code == 0
        assert not old.exists()
        assert not incomplete.exists()
        assert fresh.exists()
        assert agent.environment().exists(), "the one in use was old until now"
        assert time.time() - agent.environment().stat().st_mtime < 600

    def test_removes_other_content_of_the_same_version_after_days(
        self, bare_agent: Agent, wheels: Path, newer_wheels: Path
    ) -> None:
        """A library under development has a new wheel for every commit; a nightly job runs every day."""
        assert bare_agent.run(PROFILEAPP_WHEELS=str(newer_wheels)).code == 0
        newer = bare_agent.environment()
        for days, is_kept in ((1.5, True), (3.5, False)):
            make_older(newer, days)
            assert bare_agent.run(PROFILEAPP_WHEELS=str(wheels)).code == 0
            assert newer.exists() is is_kept
        locks = [each.name for each in (bare_agent.home / "locks").iterdir()]
        assert sorted(locks) == sorted([bare_agent.environment().name, f"making-{bare_agent.environment().stem}"])

    def test_keeps_an_environment_under_construction(
        self, bare_agent: Agent, tmp_path: Path, newer_wheels: Path
    ) -> None:
        reached, going_on = tmp_path / "reached", tmp_path / "going on"
        bare_agent.program(
            "python3",
            f'case "$*" in *" venv "*) {PYTHON} "$@"; touch "{reached}"; '
            f'while [ ! -e "{going_on}" ]; do sleep 0.05; done; exit ;; esac; exec {PYTHON} "$@"',
        )
        making = bare_agent.start()
        wait_for(reached)
        bare_agent.program("python3", f'exec {PYTHON} "$@"')
        assert bare_agent.run(PROFILEAPP_WHEELS=str(newer_wheels)).out == "newer\n"
        going_on.touch()
        assert ended(making).code == 0

    def test_keeps_an_environment_in_use(self, agent: Agent, tmp_path: Path) -> None:
        other = agent.home / f"worker-0.0.1-{os.uname().machine}-0123456789abcdef.abcdef"
        shutil.copytree(agent.environment(), other, symlinks=True)
        stop = tmp_path / "stop"
        (agent.workspace / "VERSION").write_text("0.0.1\n")
        running = agent.start("--until", str(stop))
        assert running.stdout
        assert running.stdout.readline()
        (agent.workspace / "VERSION").write_text(VERSION)
        make_older(other, days=400)
        assert agent.run().code == 0
        assert (other / "complete").exists()
        stop.touch()
        assert ended(running).code == 0
        assert agent.run().code == 0
        assert not other.exists()
