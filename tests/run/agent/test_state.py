"""State of a run that survives a crash, and its owner."""

from __future__ import annotations

from pathlib import Path

import pytest

from profileapp.errors import AgentError
from profileapp.run.agent.state import DeadRun, default_folders, open_state


class TestState:
    def test_a_live_run_is_not_dead_and_a_finished_one_leaves_nothing(self, tmp_path: Path) -> None:
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
    def test_a_file_with_another_name_is_no_run(self, tmp_path: Path, name: str) -> None:
        state = open_state({"PROFILEAPP_STATE": str(tmp_path / "s")})
        (state.folder / name).touch()
        assert list(state.dead_runs()) == []

    def test_a_dead_run_that_cannot_be_removed_is_set_aside(self, tmp_path: Path) -> None:
        state = open_state({"PROFILEAPP_STATE": str(tmp_path / "s")})
        live = state.begin_run("docker")
        (live.scratch / "file").touch()
        live.release()
        assert list(state.dead_runs()) == [DeadRun(live.id, "docker")]
        aside = state.set_aside(live.id)
        assert list(state.dead_runs()) == [] and state.set_aside_folders() == ((live.id, aside),)
        assert (aside / "file").exists() and not live.scratch.exists()

    def test_the_state_is_on_disk_for_any_environment(self) -> None:
        assert default_folders(0) == [Path("/var/lib/profileapp"), Path("/var/tmp/profileapp-0")]
        assert default_folders(4_000_000_000) == [Path("/var/tmp/profileapp-4000000000")]

    def test_a_folder_writable_by_others_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "s").mkdir()
        (tmp_path / "s").chmod(0o777)
        with pytest.raises(AgentError, match="only user"):
            open_state({"PROFILEAPP_STATE": str(tmp_path / "s")})
        (tmp_path / "file").touch()
        with pytest.raises(AgentError, match="cannot be created"):
            open_state({"PROFILEAPP_STATE": str(tmp_path / "file")})
