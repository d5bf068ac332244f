"""Kernel files: reread from the start, and parsed."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect.kernel_file import READ_BYTES, KernelFile, lines_of_words, number_after, open_where_there


def test_an_open_file_is_reread_each_time(tmp_path: Path) -> None:
    path = tmp_path / "pids.current"
    path.write_text("1\n")
    file = KernelFile(path)
    assert file.read() == b"1\n"
    path.write_text("22\n")
    assert file.read() == b"22\n"
    file.close()
    file.close()


def test_a_file_of_many_records_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "dev"
    content = b"eth0: 1 2 3\n" * READ_BYTES
    path.write_bytes(content[: 3 * READ_BYTES])
    assert KernelFile(path).read_records() == content[: 3 * READ_BYTES]
    assert KernelFile(Path("/proc/self/net/dev")).read_records().count(b":") >= 1


def test_missing_and_unreadable_files_are_none(tmp_path: Path) -> None:
    assert open_where_there(tmp_path / "io.pressure") is None
    # A folder can be opened, but reading it fails, as PSI files do on a kernel booted without PSI.
    assert open_where_there(tmp_path) is None


@given(st.binary(), st.binary(min_size=1))
def test_any_bytes_can_be_searched(content: bytes, key: bytes) -> None:
    number_after(content, key)
    list(lines_of_words(content))


@given(st.dictionaries(st.text("abc_", min_size=1), st.integers(0, 2**64 - 1), min_size=1), st.data())
def test_finds_the_number_of_a_key(numbers: dict[str, int], data: st.DataObject) -> None:
    content = "".join(f"{key} {number}\n" for key, number in numbers.items()).encode()
    key = data.draw(st.sampled_from(sorted(numbers)))
    assert number_after(content, f"{key} ".encode()) == numbers[key]


def test_a_key_is_found_at_the_start_of_a_line_only() -> None:
    content = b"total_inactive_file 7\ninactive_file 9\nMemFree:   12 kB\n"
    assert number_after(content, b"inactive_file ") == 9
    assert number_after(content, b"MemFree:") == 12
    assert number_after(content, b"active_file ") is None
    assert number_after(b"a \nb 3\n", b"a ") is None
