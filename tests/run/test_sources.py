"""The parts of a run by themselves: endings, the log, the lock, the state, the facts, the sources."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from profileapp.collect.api import AppHandle, LaunchRequirements, Mount, RunContext
from profileapp.errors import AgentError, AppEnded, Unavailable
from profileapp.model.clock import Clock
from profileapp.model.run import Repeat
from profileapp.model.target import Target
from profileapp.run.agent.facts import agent_facts, build_facts
from profileapp.run.agent.lock import Holder, agent_lock
from profileapp.run.agent.state import DeadRun, default_folders, open_state
from profileapp.run.exit_reason import Cause, exit_reason_of, run_exit_reason, signal_name
from profileapp.run.launch import Exit
from profileapp.run.output import AppLog
from profileapp.run.sources import WARNING_LIMIT, Sources, Warnings
from profileapp.run.stop import Stop, Wake, stop_on_signals

TARGET = Target("t", timeout_s=5, grace_s=2)
STRICT = Target("t", timeout_s=5, on_timeout="fail")


@pytest.mark.parametrize(
    ("exit_", "cause", "target", "exit_reason", "reported"),
    [
        (Exit(0), Cause(), TARGET, "completed", "exit code 0"),
        (Exit(7), Cause(), TARGET, "failed", "exit code 7"),
        (Exit(139, 11), Cause(), TARGET, "signalled", "SIGSEGV"),
        (Exit(137, 9, oom_killed=True), Cause(), TARGET, "oom-killed", "memory"),
        (Exit(143, 15), Cause(timeout=True), TARGET, "timeout", "ran its 5 s"),
        (Exit(137, 9), Cause(timeout=True, killed=True), TARGET, "timeout", "ignored SIGTERM for 2 s and was killed"),
        (Exit(143, 15), Cause(timeout=True), STRICT, "timeout-failed", "not done"),
        (Exit(143, 15), Cause(exceeded="the app wrote 5 GiB"), TARGET, "disk-limit", "wrote 5 GiB"),
        (Exit(137, 9, oom_killed=True), Cause(timeout=True), TARGET, "oom-killed", "memory"),
        (Exit(143, 15), Cause(stop_signal=2), TARGET, "aborted", "SIGINT"),
        (Exit(), Cause(failure="disk full"), TARGET, "not-measured", "disk full"),
        (Exit(lost="daemon gone"), Cause(), TARGET, "not-measured", "daemon gone"),
        (Exit(127, refused="no such program"), Cause(), TARGET, "not-started", "no such program"),
    ],
)
def test_endings(exit_: Exit, cause: Cause, target: Target, exit_reason: str, reported: str) -> None:
    result, message = exit_reason_of(exit_, cause, target)
    assert result == exit_reason and reported in message


def test_a_run_ends_as_its_first_bad_repeat_did() -> None:
    good, bad = Repeat(1, 0, 0, 1, "completed"), Repeat(2, 0, 0, 1, "failed", message="exit code 3")
    assert run_exit_reason((good, bad)) == ("failed", "repeat 2: exit code 3")
    assert run_exit_reason((bad,)) == ("failed", "exit code 3")
    assert run_exit_reason((good,))[0] == "completed"
    assert run_exit_reason(())[0] == "not-measured"
    assert signal_name(64) in ("SIGRTMAX", "signal 64") and signal_name(200) == "signal 200"


class TestAppLog:
    def test_keeps_head_and_tail_and_says_what_is_missing(self, tmp_path: Path) -> None:
        log = AppLog(tmp_path / "app.log", head_limit=10, tail_limit=5)
        for _ in range(100):
            log.write(b"0123456789")
        log.close()
        log.close()
        log.write(b"after the end")
        content = (tmp_path / "app.log").read_bytes()
        assert content.startswith(b"0123456789\n[profileapp: ") and content.endswith(b"56789")
        left_out = int(content.split(b"[profileapp: ")[1].split()[0])
        assert 10 + left_out + len(content.split(b"here]\n")[1]) == 1000

    def test_short_output_is_whole(self, tmp_path: Path) -> None:
        log = AppLog(tmp_path / "app.log", head_limit=4, tail_limit=50)
        log.write(b"abc")
        log.write(b"defgh")
        log.close()
        assert (tmp_path / "app.log").read_bytes() == b"abcdefgh"

    def test_a_link_in_its_place_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "app.log").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(OSError):
            AppLog(tmp_path / "app.log")


class TestLock:
    HOLDER = Holder("r1", "job", 1, 1_700_000_000_000_000_000)

    def test_waits_and_says_for_whom(self, tmp_path: Path) -> None:
        path = tmp_path / "lock"
        reported: list[str] = []
        with agent_lock(path, self.HOLDER, reported.append, lambda: False) as acquired:
            assert acquired
            with agent_lock(path, self.HOLDER, reported.append, lambda: bool(reported)) as second:
                assert not second
        assert reported == ["waiting for run r1 of job job (process 1) since 2023-11-14T22:13:20Z"]
        with agent_lock(path, self.HOLDER, reported.append, lambda: False) as again:
            assert again and len(reported) == 1

    @pytest.mark.parametrize(
        "content",
        [b"", b"\xff", b'{"run_id":"\\u001b[2J","job":"","pid":1,"since_ns":999999999999999999999}', b"[" * 5000],
    )
    def test_what_a_stranger_wrote_is_escaped(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "lock"
        path.write_bytes(content)
        reported: list[str] = []
        with path.open("rb") as stranger:
            fcntl.flock(stranger, fcntl.LOCK_EX)
            with agent_lock(path, self.HOLDER, reported.append, lambda: bool(reported)) as acquired:
                assert not acquired
        assert "\x1b" not in reported[0] and reported[0].startswith("waiting for ")

    def test_a_link_in_its_place_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "lock").symlink_to("/etc/passwd")
        with pytest.raises(AgentError), agent_lock(tmp_path / "lock", self.HOLDER, print, lambda: False):
            pass


class TestState:
    def test_a_live_run_is_not_dead_and_an_ended_one_leaves_nothing(self, tmp_path: Path) -> None:
        state = open_state({"PROFILEAPP_STATE": str(tmp_path / "s")})
        live = state.begin_run()
        assert list(state.dead_runs()) == [] and live.scratch.stat().st_mode & 0o777 == 0o700
        dead = "20260101T000000-0123abcd"
        (state.folder / f"{dead}.run").touch()
        state.scratch_of(dead).mkdir()
        assert [each.id for each in state.dead_runs()] == [dead]
        state.forget(dead)
        live.end()
        assert list(state.folder.iterdir()) == []

    @pytest.mark.parametrize("name", [".run", "..run", "dead.run", "20260101T000000-0123ABCD.run"])
    def test_a_file_that_is_not_named_as_we_name_runs_is_nobodys_run(self, tmp_path: Path, name: str) -> None:
        state = open_state({"PROFILEAPP_STATE": str(tmp_path / "s")})
        (state.folder / name).touch()
        assert list(state.dead_runs()) == []

    def test_a_run_that_is_dead_but_cannot_be_removed_is_set_aside(self, tmp_path: Path) -> None:
        state = open_state({"PROFILEAPP_STATE": str(tmp_path / "s")})
        live = state.begin_run("docker")
        (live.scratch / "file").touch()
        live.release()
        assert list(state.dead_runs()) == [DeadRun(live.id, "docker")]
        aside = state.set_aside(live.id)
        assert list(state.dead_runs()) == [] and state.set_aside_folders() == (aside,)
        assert (aside / "file").exists() and not live.scratch.exists()

    def test_the_state_is_on_a_disk_whatever_the_environment_says(self) -> None:
        assert default_folders(0) == [Path("/var/lib/profileapp"), Path("/var/tmp/profileapp-0")]
        assert default_folders(4_000_000_000) == [Path("/var/tmp/profileapp-4000000000")]

    def test_a_folder_that_others_may_write_to_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "s").mkdir()
        (tmp_path / "s").chmod(0o777)
        with pytest.raises(AgentError, match="only user"):
            open_state({"PROFILEAPP_STATE": str(tmp_path / "s")})
        (tmp_path / "file").touch()
        with pytest.raises(AgentError, match="cannot be made"):
            open_state({"PROFILEAPP_STATE": str(tmp_path / "file")})


def test_facts_of_a_board(tmp_path: Path) -> None:
    for name, content in {
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
        "proc/meminfo": "MemTotal:        7990052 kB\nMemFree: 1 kB\n",
        "proc/cpuinfo": "processor : 0\nmodel name\t: ARMv8 Processor rev 1 (v8l)\n",
        "etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.4 LTS"\n',
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    facts = agent_facts("docker", tmp_path)
    assert facts.board == "NVIDIA Jetson Orin Nano Developer Kit" and facts.memory_bytes == 7990052 * 1024
    assert facts.cpu == "ARMv8 Processor rev 1 (v8l)" and facts.os == "Ubuntu 22.04.4 LTS" and facts.runtime == "docker"
    assert agent_facts("docker", tmp_path / "nothing").board == ""


def test_facts_of_a_build(tmp_path: Path) -> None:
    build = build_facts({"JOB_NAME": "app", "BUILD_NUMBER": "7", "GIT_COMMIT": "c" * 9999}, tmp_path)
    assert (build.job, build.number, len(build.commit), build.url) == ("app", "7", 500, "")


@pytest.mark.parametrize(
    ("environ", "branch"),
    [
        ({"GIT_BRANCH": "origin/main"}, "main"),
        ({"GIT_BRANCH": "feature/origin/x"}, "feature/origin/x"),
        ({"BRANCH_NAME": "PR-3", "GIT_BRANCH": "origin/main"}, "PR-3"),
        ({}, ""),
    ],
)
def test_a_branch_has_one_name_in_every_kind_of_job(environ: dict[str, str], branch: str, tmp_path: Path) -> None:
    assert build_facts(environ, tmp_path).branch == branch


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


class FakeSource:
    """A source that does as it is told."""

    metric = "system"

    def __init__(self, source: str, fail_in: str = "", error: Exception | None = None, hang_s: float = 0) -> None:
        self.source = source
        self.part = ""
        self.min_interval_s = 0.0
        self.preference = 1
        self.calls: list[str] = []
        self._fail_in, self._error, self._hang_s = fail_in, error or RuntimeError("broken"), hang_s

    def _did(self, call: str) -> None:
        self.calls.append(call)
        if call == self._fail_in:
            raise self._error

    def open(self, run: RunContext, emit: Any) -> LaunchRequirements:
        self._did("open")
        return LaunchRequirements(env={"SOURCE": self.source}, mounts=(Mount("/a", "/b"),))

    def attach(self, subject: AppHandle) -> None:
        self._did("attach")

    def sample(self, now_ns: int) -> None:
        time.sleep(self._hang_s)
        self._did("sample")

    def detach(self) -> None:
        self._did("detach")

    def close(self) -> None:
        self._did("close")


class TestSources:
    def sources(self, tmp_path: Path, *candidates: FakeSource) -> tuple[Sources, Warnings]:
        warnings = Warnings()
        run = RunContext(
            run_id="r",
            target=Target("t", metrics=("system",), interval_s=0.01),
            clock=Clock.now(),
            scratch=tmp_path,
            artifacts=tmp_path,
            contained=False,
            warn=warnings.add,
        )
        found = {"system": list(candidates), "custom": []}
        return Sources(run, lambda series, value, at_ns: None, lambda metric, warn: found[metric]), warnings

    def test_the_preferred_source_that_can_is_used(self, tmp_path: Path) -> None:
        first = FakeSource("first", "open", Unavailable("no such file"))
        second = FakeSource("second", "attach", Unavailable("no such process"))
        third = FakeSource("third")
        sources, _ = self.sources(tmp_path, first, second, third)
        assert sources.env == {"SOURCE": "second"} and len(sources.mounts) == 1
        sources.attach(AppHandle(1))
        sources.detach()
        sources.close()
        status = sources.statuses(lambda metric: 5)[0]
        assert (status.state, status.source, status.samples) == ("measured", "third", 5)
        assert first.calls == ["open", "close"] and second.calls == ["open", "attach", "close"]
        assert third.calls[:2] == ["open", "attach"] and third.calls[-2:] == ["detach", "close"]

    @pytest.mark.parametrize(
        ("names", "state", "reason"),
        [
            ({"gpu.util", "gpu.clock.sm"}, "measured", ""),
            ({"gpu.clock.sm", "gpu.temperature"}, "skipped", "only: gave no gpu.util"),
            (set(), "skipped", "only: gave no gpu.util"),
        ],
    )
    def test_a_metric_without_its_main_series_is_not_measured(
        self, names: set[str], state: str, reason: str, tmp_path: Path
    ) -> None:
        sources, _ = self.sources(tmp_path, FakeSource("only"))
        sources._all[0].metric = "gpu-summary"
        sources.attach(AppHandle(1))
        sources.close()
        status = sources.statuses(lambda metric: len(names), lambda metric: frozenset(names))[0]
        assert (status.state, status.reason) == (state, reason)

    def test_an_app_that_ended_at_once_costs_one_repeat_and_no_source(self, tmp_path: Path) -> None:
        source = FakeSource("only", "attach", AppEnded())
        sources, _ = self.sources(tmp_path, source)
        sources.attach(AppHandle(1))
        sources.detach()
        assert sources.statuses(lambda metric: 0)[0].state == "skipped"
        source.calls.clear()
        source._fail_in = ""
        sources.attach(AppHandle(2))
        sources.detach()
        sources.close()
        status = sources.statuses(lambda metric: 3)[0]
        assert (status.state, status.source) == ("measured", "only") and source.calls[0] == "attach"

    def test_none_is_a_skipped_metric_with_every_reason(self, tmp_path: Path) -> None:
        sources, _ = self.sources(
            tmp_path, FakeSource("first", "open", Unavailable("no such file")), FakeSource("b", "open")
        )
        sources.attach(AppHandle(1))
        sources.close()
        system, custom = sources.statuses(lambda metric: 0)
        assert system.state == "skipped"
        assert system.reason == "first: no such file; b: failed (RuntimeError: broken)"
        assert custom.state == "skipped" and "no source of 'custom'" in custom.reason

    def test_a_source_that_fails_again_and_again_is_ended_alone(self, tmp_path: Path) -> None:
        broken = FakeSource("broken", "sample")
        sources, warnings = self.sources(tmp_path, broken)
        sources.attach(AppHandle(1))
        deadline_s = time.monotonic() + 20
        while broken.calls.count("sample") < 5 and time.monotonic() < deadline_s:
            time.sleep(0.01)
        sources.detach()
        sources.close()
        assert broken.calls.count("sample") == 5
        status = sources.statuses(lambda metric: 0)[0]
        assert status.state == "failed" and status.reason == "broken: RuntimeError: broken"
        assert any("source broken of system failed" in line for line in warnings.lines())

    def test_a_source_that_hangs_is_left_behind_and_told(self, tmp_path: Path) -> None:
        sources, _ = self.sources(tmp_path, FakeSource("slow", hang_s=6))
        sources.attach(AppHandle(1))
        time.sleep(0.1)
        began_s = time.monotonic()
        sources.detach()
        assert time.monotonic() - began_s < 5
        assert sources.statuses(lambda metric: 0)[0].reason == "slow: hung in the middle of a sample"

    @pytest.mark.parametrize("call", ["attach", "detach", "close"])
    def test_a_source_that_fails_elsewhere_takes_nothing_with_it(self, tmp_path: Path, call: str) -> None:
        sources, warnings = self.sources(tmp_path, FakeSource("odd", call))
        sources.attach(AppHandle(1))
        sources.detach()
        sources.close()
        status = sources.statuses(lambda metric: 0)[0]
        assert status.state == ("failed" if call == "attach" else "measured")
        assert call == "attach" or warnings.lines()


def test_warnings_are_bounded_and_told_once() -> None:
    warnings = Warnings()
    threads = [threading.Thread(target=lambda: [warnings.add(f"line {n}") for n in range(300)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = warnings.lines()
    assert len(lines) == WARNING_LIMIT + 1 and lines[-1].startswith("and ")


def _git(folder: Path, *args: str) -> str:
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *who, *args], cwd=folder, env={**os.environ, **settings}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """As the Git plugin leaves it: a detached HEAD, and the branches of the remote."""
    origin = tmp_path / "origin"
    origin.mkdir()
    _git(origin, "init", "-q")
    _git(origin, "commit", "-q", "--allow-empty", "-m", "one")
    _git(origin, "checkout", "-q", "-b", "feature/fast")
    _git(origin, "commit", "-q", "--allow-empty", "-m", "two")
    _git(origin, "checkout", "-q", "main")
    _git(tmp_path, "clone", "-q", str(origin), "clone")
    return tmp_path / "clone"


class TestBuildFactsOfAClone:
    """A scripted Pipeline script from SCM sets neither GIT_COMMIT nor GIT_BRANCH."""

    @pytest.mark.parametrize("branch", ["main", "feature/fast"])
    def test_the_branch_of_the_remote_that_is_checked_out(self, clone: Path, branch: str) -> None:
        _git(clone, "checkout", "-q", "--detach", f"origin/{branch}")
        (clone / "app").mkdir()
        build = build_facts({"PATH": os.environ["PATH"]}, clone / "app")
        assert build.branch == branch
        assert build.commit == _git(clone, "rev-parse", "HEAD")

    def test_a_branch_of_this_machine_alone(self, clone: Path) -> None:
        _git(clone, "checkout", "-q", "-b", "mine")
        _git(clone, "commit", "-q", "--allow-empty", "-m", "three")
        assert build_facts({"PATH": os.environ["PATH"]}, clone).branch == "mine"

    def test_what_jenkins_says_comes_first(self, clone: Path) -> None:
        environ = {"PATH": os.environ["PATH"], "GIT_BRANCH": "origin/told", "GIT_COMMIT": "c0ffee"}
        build = build_facts(environ, clone)
        assert (build.branch, build.commit) == ("told", "c0ffee")

    def test_a_repository_around_the_workspace_is_not_the_apps(self, clone: Path) -> None:
        """Such as a Jenkins whose home is kept in Git."""
        workspace = clone / "jobs" / "app"
        workspace.mkdir(parents=True)
        assert build_facts({"PATH": os.environ["PATH"], "WORKSPACE": str(workspace)}, workspace).commit == ""

    def test_no_clone_and_no_git(self, tmp_path: Path) -> None:
        environ = {"PATH": os.environ["PATH"], "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
        assert build_facts(environ, tmp_path).branch == ""
        assert build_facts({"PATH": str(tmp_path)}, tmp_path).branch == ""

    def test_a_setting_of_the_clone_runs_nothing_held(self, clone: Path, tmp_path: Path) -> None:
        for key in ("core.fsmonitor", "core.pager", "core.sshCommand", "diff.external", "core.alternateRefsCommand"):
            _git(clone, "config", key, f"touch {tmp_path}/owned; false")
        assert build_facts({"PATH": os.environ["PATH"]}, clone).branch == "main"
        assert not (tmp_path / "owned").exists()
