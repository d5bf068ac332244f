"""A login for the `docker` command, in addition to its user's settings."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from profileapp.errors import AgentError
from profileapp.run.docker.client_folder import folder_with_login
from profileapp.run.docker.registry_login import DEFAULT_REGISTRY, RegistryLogin

LOGIN = RegistryLogin("registry.example.org:5000", "ali", "open sesame")
ANSWER = base64.b64encode(b"ali:open sesame").decode()


def test_the_users_settings_are_preserved(tmp_path: Path) -> None:
    own = tmp_path / "own"
    (own / "cli-plugins").mkdir(parents=True)
    set_by_user = {
        "auths": {"other.example.org": {"auth": "x"}, LOGIN.registry: {"auth": "theirs"}},
        "credsStore": "desktop",
        "credHelpers": {"third.example.org": "gcloud", LOGIN.registry: "gcloud"},
        "currentContext": "here",
    }
    (own / "config.json").write_text(json.dumps(set_by_user))
    with folder_with_login(tmp_path / "made", LOGIN, {"DOCKER_CONFIG": str(own)}) as made:
        assert json.loads((made / "config.json").read_text()) == {
            "auths": {"other.example.org": {"auth": "x"}, LOGIN.registry: {"auth": ANSWER}},
            "credsStore": "desktop",
            "credHelpers": {"third.example.org": "gcloud", LOGIN.registry: ""},
            "currentContext": "here",
        }
        assert (made / "cli-plugins").resolve() == own / "cli-plugins"
        assert [made.stat().st_mode & 0o777, (made / "config.json").stat().st_mode & 0o777] == [0o700, 0o600]
    assert not made.exists()
    assert json.loads((own / "config.json").read_text()) == set_by_user
    assert (own / "cli-plugins").is_dir()


def test_without_settings_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    hub = RegistryLogin(DEFAULT_REGISTRY, "ali", "open sesame")
    with folder_with_login(tmp_path / "made", hub, {}) as made:
        config = json.loads((made / "config.json").read_text())
    assert config["auths"] == {"https://index.docker.io/v1/": {"auth": ANSWER}}


@pytest.mark.parametrize("content", ["{", "[]", "\x00"])
def test_an_invalid_configuration(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    with (
        pytest.raises(AgentError, match=r"config\.json: the docker command's configuration"),
        folder_with_login(tmp_path / "made", LOGIN, {"DOCKER_CONFIG": str(tmp_path)}),
    ):
        pass
    assert not (tmp_path / "made").exists()
