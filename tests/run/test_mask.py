"""Masking of secrets in output, however it is split."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.errors import ConfigError
from profileapp.model.target import Secret, Target
from profileapp.run.mask import MASK, Mask
from profileapp.run.output import AppLog
from profileapp.run.secrets import take_secrets

KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"


@pytest.mark.parametrize(
    "raw",
    [
        b'the key is s3cr\xc3\xa9t/"word"\\n, use it',
        'in JSON: {"key": ' + json.dumps('s3crét/"word"') + "}",
        'in plain JSON: {"key": ' + json.dumps('s3crét/"word"', ensure_ascii=False) + "}",
        "in a URL: https://me:" + quote('s3crét/"word"', safe="") + "@example.org",
        "in base64: " + base64.b64encode('s3crét/"word"'.encode()).decode(),
    ],
)
def test_every_common_encoding_is_masked(raw: bytes | str) -> None:
    masked = Mask(['s3crét/"word"']).content(raw.encode() if isinstance(raw, str) else raw)
    assert MASK in masked and b"s3cr" not in masked and b"czNjc" not in masked


def test_each_line_of_a_secret_is_masked() -> None:
    masked = Mask([KEY]).text(KEY.replace("\n", "\r\n"))
    assert "MIIEvQ" not in masked and "hkiG9w" not in masked


def test_digits_are_masked_only_as_whole_numbers() -> None:
    masked = Mask(["4711"]).text
    assert masked('PIN 4711, {"value": 4711} 14711 47110 0.4711 4711.5 4711.') == (
        'PIN ****, {"value": ****} 14711 47110 0.4711 4711.5 ****.'
    )


def test_without_secrets_nothing_changes() -> None:
    assert not Mask([]) and Mask([]).text("text") == "text" and Mask([]).stream().feed(b"text") == b"text"


SECRETS = ["abcd", "abcdabce", "xyz-xyz", "4711"]


@given(
    st.lists(st.sampled_from(["abcd", "abcdabce", "ab", "cd", "xyz-", "xyz", "4711", "47", "1", ".", "b", "e", "\n"])),
    st.lists(st.integers(0, 60)),
)
def test_masking_does_not_depend_on_chunks(pieces: list[str], cuts: list[int]) -> None:
    content = "".join(pieces).encode()
    places = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    stream = Mask(SECRETS).stream()
    masked = b"".join(stream.feed(content[at:to]) for at, to in pairwise(places)) + stream.end()
    for secret in SECRETS[:3]:
        assert secret.encode() not in masked
    if not any(digit in content for digit in b"147"):
        assert masked == Mask(SECRETS).content(content)


def test_a_secret_written_letter_by_letter_is_masked(tmp_path: Path) -> None:
    log = AppLog(tmp_path / "app.log", head_limit=30, tail_limit=30, masked=Mask(["opensesame"]).stream())
    for letter in b"say opensesame, opensesame; opensesame. opensesam":
        log.write(bytes([letter]))
    log.close()
    assert (tmp_path / "app.log").read_bytes() == b"say ****, ****; ****. opensesam"


def target(*secrets: Secret) -> Target:
    return Target("a", secrets=secrets)


def test_secrets_are_removed_from_the_environment() -> None:
    environ = {"PROFILEAPP_SECRET_a_b": "opensesame", "PROFILEAPP_SECRET_other": "other", "PATH": "/bin"}
    wanted = Secret("KEY", "a-b", "PROFILEAPP_SECRET_a_b")
    secrets = take_secrets([target(wanted)], environ)
    assert environ == {"PATH": "/bin"}
    assert secrets.env_of([wanted]) == {"KEY": "opensesame"}
    assert "opensesame" not in repr(secrets) + repr(vars(secrets)["mask"])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "was not passed: allow it in profileApp(credentialsIds: ['a-b']), or set PROFILEAPP_SECRET_a_b"),
        ("abc\n", "too short to be masked"),
        ("x" * 70_000, "is longer than"),
    ],
)
def test_values_that_cannot_be_masked_are_refused(value: str | None, message: str) -> None:
    environ = {} if value is None else {"PROFILEAPP_SECRET_a_b": value}
    with pytest.raises(ConfigError) as error:
        take_secrets([target(Secret("KEY", "a-b", "PROFILEAPP_SECRET_a_b"))], environ)
    assert message in str(error.value) and (value or "?") not in str(error.value)
