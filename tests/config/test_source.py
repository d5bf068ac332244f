"""Reading YAML: plain data with positions, within bounds, and without executing anything."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from profileapp.config.document import Position
from profileapp.config.source import read_document
from profileapp.errors import ConfigError

KEYS = frozenset({"a", "profiling"})


def read(tmp_path: Path, text: str | bytes):
    path = tmp_path / "sage.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_document(path, KEYS)


def refused(tmp_path: Path, text: str | bytes) -> str:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text)
    return str(error.value).replace(str(tmp_path), "")


def test_every_value_has_its_position(tmp_path: Path) -> None:
    document = read(tmp_path, "a:\n  b: [1, x]\nother: 1\n")
    assert document.data == {"a": {"b": [1, "x"]}}
    assert document.position(("a", "b", 1)) == Position(2, 10)
    assert document.position(("a", "b"), of_key=True) == Position(2, 3)
    assert document.position(("a", "nowhere")) == Position(2, 3)


def test_scalars_keep_their_notation(tmp_path: Path) -> None:
    document = read(tmp_path, "a: [on, 0x10, 1.10, 2026-01-01, '7']\n")
    assert [document.raw_scalars[("a", index)] for index in range(5)] == ["on", "0x10", "1.10", "2026-01-01", "7"]
    # An ambiguous number is text.
    assert document.data["a"] == [True, "0x10", 1.1, "2026-01-01", "7"]


def test_keys_outside_profiling_are_not_read(tmp_path: Path) -> None:
    assert read(tmp_path, "x: !!python/object/apply:os.system [id]\nx: 1\na: 1\n").data == {"a": 1}


def test_merge_keys_provide_missing_keys(tmp_path: Path) -> None:
    document = read(tmp_path, "base: &base {x: 1, y: 2}\na: {<<: *base, y: 3}\n")
    assert document.data == {"a": {"x": 1, "y": 3}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {b: 1, b: 2}\n", "/sage.yaml:1:11: a.b is given twice"),
        ("a: 1\na: 2\n", "/sage.yaml:2:1: a is given twice"),
        ("a: !!python/object/apply:os.system [id]\n", "/sage.yaml:1:4: a has the tag"),
        ("a: !secret x\n", "/sage.yaml:1:4: a has the tag '!secret'"),
        ("a: [1\n", "not YAML"),
        ("\ta: 1\n", "/sage.yaml:1:1: not YAML"),
        ("- 1\n", "/sage.yaml:1:1: must be a mapping"),
        ("", "must be a mapping"),
        ("a: 1\n---\na: 2\n", "/sage.yaml:2:1: not YAML"),
        (b"a: \xff\xfe\n", "not YAML"),
        ("a: {[1]: 2}\n", "has a key that is not text"),
        ("a: {<<: 5}\n", "merges (<<) something that is not a mapping"),
        ("a: *nothing\n", "/sage.yaml:1:4: not YAML"),
    ],
)
def test_refused_content_is_reported_with_its_position(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert message in refused(tmp_path, text)


def test_billion_laughs_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "contains more than" in refused(tmp_path, "\n".join([*lines, "a: *a11"]))


def test_billion_laughs_by_merge_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}], k{n}: 1}}" for n in range(1, 12)]
    assert "contains more than" in refused(tmp_path, "\n".join([*lines, "a: *a11"]))


def test_a_self_referencing_value_is_refused(tmp_path: Path) -> None:
    assert "contains more than" in refused(tmp_path, "a: &a [*a]\n")


def test_deep_nesting_and_large_files_are_refused(tmp_path: Path) -> None:
    assert "nested too deeply" in refused(tmp_path, "a: " + "[" * 5000)
    assert "levels" in refused(tmp_path, "a: " + "[" * 60 + "]" * 60)
    assert "larger than 256 KiB" in refused(tmp_path, "a: " + "x" * 10_000_000)


def test_a_link_or_a_pipe_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("a: 1")
    link = tmp_path / "link"
    link.symlink_to("real")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_document(link, KEYS)


@given(st.text(max_size=200))
def test_arbitrary_text_raises_only_config_errors(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "sage.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(ConfigError):
        read_document(path, KEYS)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18) + 1, 10**18 - 1)
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc-_", min_size=1), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN)
def test_reads_what_pyyaml_writes(tmp_path_factory: pytest.TempPathFactory, data: object) -> None:
    path = tmp_path_factory.mktemp("any") / "sage.yaml"
    path.write_text(yaml.safe_dump({"a": data}), encoding="utf-8")
    assert read_document(path, KEYS).data == {"a": data}
