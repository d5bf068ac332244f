"""The formats of a cgroup's files."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect.container.cgroup_files import (
    io_bytes_v1,
    io_bytes_v2,
    network_bytes,
    pressure_us,
    single_number,
)

NUMBERS = st.integers(0, 2**64 - 1)
DEVICES = st.tuples(st.integers(0, 300), st.integers(0, 300)).map(lambda pair: f"{pair[0]}:{pair[1]}")


@pytest.mark.parametrize("parse", [io_bytes_v1, io_bytes_v2, network_bytes, pressure_us, single_number])
@given(content=st.binary())
def test_any_bytes_can_be_parsed(parse: Callable[[bytes], object], content: bytes) -> None:
    parse(content)


@given(NUMBERS)
def test_single_number(number: int) -> None:
    assert single_number(b"%d\n" % number) == number


@pytest.mark.parametrize("content", [b"", b"max\n", b"-1\n", b"12 13\n", b"9" * 5000])
def test_invalid_numbers_are_none(content: bytes) -> None:
    assert single_number(content) is None


@given(st.lists(st.tuples(DEVICES, NUMBERS, NUMBERS)))
def test_io_of_v1_is_summed_over_devices(devices: list[tuple[str, int, int]]) -> None:
    lines = "".join(
        f"{name} Read {read}\n{name} Write {written}\n{name} Sync 7\n{name} Async 7\n{name} Discard 7\n{name} Total 9\n"
        for name, read, written in devices
    )
    content = f"{lines}Total {sum(read + written for _, read, written in devices)}\n".encode()
    assert io_bytes_v1(content) == (sum(read for _, read, _ in devices), sum(written for _, _, written in devices))


@given(st.lists(st.tuples(DEVICES, NUMBERS, NUMBERS)))
def test_io_of_v2_is_summed_over_devices(devices: list[tuple[str, int, int]]) -> None:
    content = "".join(
        f"{name} rbytes={read} wbytes={written} rios=1 wios=2 dbytes=3 dios=4\n" for name, read, written in devices
    ).encode()
    assert io_bytes_v2(content) == (sum(read for _, read, _ in devices), sum(written for _, _, written in devices))


HEAD = (
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier\n"
)


@given(st.dictionaries(st.text("abceth0123456789.", min_size=1, max_size=15), st.tuples(NUMBERS, NUMBERS), min_size=1))
def test_network_is_summed_over_interfaces_except_lo(interfaces: dict[str, tuple[int, int]]) -> None:
    lines = "".join(
        f"{name:>6}:{received} 2 0 0 0 0 0 0 {sent} 2 0 0 0 0 0 0\n" for name, (received, sent) in interfaces.items()
    )
    content = f"{HEAD}    lo:    5000 1 0 0 0 0 0 0 5000 1 0 0 0 0 0 0\n{lines}".encode()
    counted = [numbers for name, numbers in interfaces.items()]
    assert network_bytes(content) == (sum(received for received, _ in counted), sum(sent for _, sent in counted))


def test_a_container_without_a_network_has_no_network_series() -> None:
    assert network_bytes(f"{HEAD}    lo: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n".encode()) is None


def test_pressure_is_the_some_line() -> None:
    content = b"some avg10=0.00 avg60=0.00 avg300=0.00 total=6295\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=4010\n"
    assert pressure_us(content) == 6295
    assert pressure_us(b"full avg10=0.00 total=4010\n") is None
