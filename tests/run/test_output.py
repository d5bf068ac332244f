"""The app's log keeps head and tail, and follows no link."""

from __future__ import annotations

from pathlib import Path

import pytest

from profileapp.run.output import AppLog


class TestAppLog:
    def test_keeps_head_and_tail_and_reports_the_gap(self, tmp_path: Path) -> None:
        log = AppLog(tmp_path / "app.log", head_limit=10, tail_limit=5)
        for _ in range(100):
            log.write(b"0123456789")
        log.close()
        log.close()
        log.write(b"after the end")
        content = (tmp_path / "app.log").read_bytes()
        assert content.startswith(b"0123456789\n[profileapp: ") and content.endswith(b"56789")
        omitted = int(content.split(b"[profileapp: ")[1].split()[0])
        assert 10 + omitted + len(content.split(b"here]\n")[1]) == 1000

    def test_short_output_is_complete(self, tmp_path: Path) -> None:
        log = AppLog(tmp_path / "app.log", head_limit=4, tail_limit=50)
        log.write(b"abc")
        log.write(b"defgh")
        log.close()
        assert (tmp_path / "app.log").read_bytes() == b"abcdefgh"

    def test_a_link_in_its_place_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "app.log").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(OSError):
            AppLog(tmp_path / "app.log")
