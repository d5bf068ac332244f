"""Parses the files of a cgroup and /proc/PID/net/dev: bytes in, numbers out.

Sources: Linux kernel documentation, "Control Group v2", "cgroup-v1/blkio-controller" and "accounting/psi"; proc_net(5).
Each function returns None for content in another format.
"""

from __future__ import annotations

from profileapp.collect.kernel_file import lines_of_words


def single_number(content: bytes) -> int | None:
    """Parses `610304`, the format of memory.current, cpuacct.usage and pids.current."""
    word = content.strip()
    return int(word) if word.isdigit() and len(word) <= 20 else None


def io_bytes_v1(content: bytes) -> tuple[int, int] | None:
    """Bytes read and written by all devices, from `8:0 Read 4096` and `8:0 Write 0`; `Total 4096` is the last line."""
    read = written = 0
    for words in lines_of_words(content):
        if len(words) == 3 and words[2].isdigit():
            if words[1] == b"Read":
                read += int(words[2])
            elif words[1] == b"Write":
                written += int(words[2])
        elif words[0] != b"Total":
            return None
    return read, written


def io_bytes_v2(content: bytes) -> tuple[int, int] | None:
    """Bytes read and written by all devices, from `8:0 rbytes=4096 wbytes=0 rios=1 …`; empty before the first I/O."""
    read = written = 0
    for words in lines_of_words(content):
        if b":" not in words[0]:
            return None
        for word in words[1:]:
            key, equals, value = word.partition(b"=")
            if not equals or not value.isdigit():
                return None
            if key == b"rbytes":
                read += int(value)
            elif key == b"wbytes":
                written += int(value)
    return read, written


def network_bytes(content: bytes) -> tuple[int, int] | None:
    """Bytes received and sent by all interfaces but `lo`; None also if there is no other interface.

    `eth0: RECEIVED packets errs drop fifo frame compressed multicast SENT …`; the space after the colon is optional.
    """
    received = sent = interfaces = 0
    for line in content.splitlines():
        name, colon, numbers = line.partition(b":")
        words = numbers.split()
        if colon and name.strip() != b"lo" and len(words) >= 9 and words[0].isdigit() and words[8].isdigit():
            received += int(words[0])
            sent += int(words[8])
            interfaces += 1
    return (received, sent) if interfaces else None


def pressure_us(content: bytes) -> int | None:
    """Microseconds in which some task waited, from the line `some avg10=0.00 avg60=0.00 avg300=0.00 total=6295`."""
    some, _, _ = content.partition(b"\n")
    before, _, total = some.rpartition(b" total=")
    return single_number(total) if before.startswith(b"some ") else None
