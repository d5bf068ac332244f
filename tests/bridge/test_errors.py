"""worker.sh reports an error in one line and exits with code 4. Its version is the package's."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from profileapp import __version__
from tests.bridge.conftest import RESOURCES, VERSION, Agent

ROOT = RESOURCES.parents[1]


def test_library_and_package_have_one_version() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["metadata"]["version"] == VERSION == __version__


def test_shellcheck_finds_nothing() -> None:
    script = RESOURCES / "worker.sh"
    if not shutil.which("shellcheck"):
        pytest.skip("no shellcheck on the PATH")
    checked = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert script.read_text().startswith("#!/bin/sh\n")


class TestErrors:
    @pytest.mark.parametrize(
        ("environ", "message"),
        [
            ({"PROFILEAPP_WHEELS": "wheels"}, "PROFILEAPP_WHEELS 'wheels': must be an absolute path"),
            ({"PROFILEAPP_WHEELS": "/no/such"}, "PROFILEAPP_WHEELS '/no/such': no such folder on this agent"),
            ({"PROFILEAPP_EXTRAS": "report]; rm"}, "PROFILEAPP_EXTRAS 'report]; rm': must be names of extras"),
            ({"PROFILEAPP_HOME": "here"}, "PROFILEAPP_HOME 'here': must be an absolute path"),
            ({"PROFILEAPP_HOME": "/dev/null/x"}, "/dev/null/x cannot be written; set PROFILEAPP_HOME"),
            ({"HOME": ""}, "HOME is not set; set it, or PROFILEAPP_HOME"),
            ({"PROFILEAPP_WHEELS": ""}, "cannot be installed from pip's index"),
            (
                {"PROFILEAPP_WHEELS": "", "PROFILEAPP_INDEX": "http://user:secret@127.0.0.1:9/simple"},
                "cannot be installed from the index that PROFILEAPP_INDEX names",
            ),
        ],
    )
    def test_one_clear_line_and_code_4(self, bare_agent: Agent, environ: dict[str, str], message: str) -> None:
        answer = bare_agent.run(**environ)
        assert answer.code == 4
        last = answer.err.splitlines()[-1]
        assert last.startswith("profileapp: ")
        assert message in last
        assert answer.out == ""
        assert "secret" not in answer.err

    @pytest.mark.parametrize("text", [None, "", "1.0; rm -rf /", "$(id)", "1.0\n2.0"])
    def test_a_missing_or_invalid_version_is_an_error(self, bare_agent: Agent, text: str | None) -> None:
        version = bare_agent.workspace / "VERSION"
        version.unlink() if text is None else version.write_text(text)
        answer = bare_agent.run()
        assert answer.code == 4
        assert re.fullmatch(
            r"profileapp: the file VERSION beside worker\.sh (is missing|holds no version)\n", answer.err
        )

    def test_a_missing_flock_is_an_error(self, bare_agent: Agent) -> None:
        (bare_agent.path / "flock").unlink()
        answer = bare_agent.run()
        assert (answer.code, answer.err) == (4, "profileapp: needs flock (of util-linux) on this agent\n")

    @pytest.mark.parametrize("shell", [("dash",), ("bash", "--posix"), ("busybox", "sh")], ids=lambda shell: shell[0])
    def test_errors_of_the_shell_do_not_read_as_a_verdict(self, bare_agent: Agent, shell: tuple[str, ...]) -> None:
        """dash exits with 2 if it cannot open a file; that code means "the app failed"."""
        if not shutil.which(shell[0]):
            pytest.skip(f"no {shell[0]} on this machine")
        assert bare_agent.run("run", shell=shell).code == 0
        (lock,) = (bare_agent.home / "locks").glob("making-*")
        shutil.rmtree(bare_agent.environment())
        lock.unlink()
        lock.mkdir()
        answer = bare_agent.run("run", shell=shell)
        assert answer.code == 4, answer.err

    def test_a_failed_install_leaves_no_complete_environment(self, bare_agent: Agent, wheels: Path) -> None:
        assert bare_agent.run(PROFILEAPP_WHEELS="").code == 4
        assert not (bare_agent.environment() / "complete").exists()
        assert bare_agent.run(PROFILEAPP_WHEELS=str(wheels)).code == 0
        assert (bare_agent.environment() / "complete").exists(), "the only one: what failed was removed"
