"""One worker at a time on an agent, and hostile content of its lock file."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from profileapp.errors import AgentError
from profileapp.run.agent.lock import Holder, agent_lock


class TestLock:
    HOLDER = Holder("r1", "job", 1, 1_700_000_000_000_000_000)

    def test_waits_and_names_the_owner(self, tmp_path: Path) -> None:
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
    def test_content_of_the_lock_file_is_escaped(self, tmp_path: Path, content: bytes) -> None:
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
