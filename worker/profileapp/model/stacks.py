"""Folded stacks of py-spy (`py-spy record --format raw`): reads them within limits, and computes a table of functions.

Source: py-spy's README and `record --help`; the format is that of Brendan Gregg's flame graphs. A line is a stack, the
outermost frame first, and its number of samples:

    process 12:"python app.py";thread (12): MainThread;<module> (app.py:3);work (lib/job.py:40);memcpy (libc.so.6) 17
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import msgspec

from profileapp.model.table import FunctionRow

LINE_LIMIT_BYTES = 256 * 1024
TOTAL_LIMIT_BYTES = 64 * 1024**2
STACKS_LIMIT = 100_000
ENTRIES_LIMIT = 2_000_000
"""Limit of frames in all stacks together."""
FRAMES_LIMIT = 50_000
"""Limit of different frames."""
DEPTH_LIMIT = 512
NAME_LIMIT = 500
UNSAMPLED = "[not sampled]"
"""The row of the time that no sample covers: of programs other than Python, and before py-spy attached to one."""

_Function = tuple[str, str]
"""A name and a file."""

# The location is a file and line, or a library or file alone; the name itself may contain parentheses.
_PLACE = re.compile(r"([^()]{1,500}?)(?::([0-9]{1,9}))?\)")
_PROCESS = re.compile(r"process [0-9]{1,10}:\"")
_THREAD = re.compile(r"thread \([0-9A-Fx]{1,20}\)")
_ADDRESS = re.compile(r"0x[0-9a-f]{1,16}")
_COUNT = re.compile(r"0{0,9}[1-9][0-9]{0,14}")


class Frame(msgspec.Struct, frozen=True):
    """A function at a line. `file` is "" and `line` 0 if unknown.

    `is_root`: not a function, but the process or thread of the stack.
    """

    name: str
    file: str = ""
    line: int = 0
    is_root: bool = False

    @property
    def text(self) -> str:
        """The frame in py-spy's format: `work (job.py:40)`."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{self.name} ({place})" if place else self.name


class FoldedStacks(msgspec.Struct, frozen=True):
    """Different stacks, each with its number of samples.

    A stack is a tuple of indices into `frames`, the outermost first. `samples` is the sum. `unread_lines` counts
    invalid lines, `omitted` the samples of stacks beyond a limit; neither is part of `samples`.
    """

    frames: tuple[Frame, ...]
    stacks: tuple[tuple[tuple[int, ...], int], ...]
    samples: int
    unread_lines: int = 0
    omitted: int = 0


class TimedStacks(msgspec.Struct, frozen=True):
    """The stacks of one process, and the time, in seconds, that each sample represents."""

    stacks: FoldedStacks
    sample_s: float


def read_folded(stream: BinaryIO) -> FoldedStacks:
    """Every stack in a file. Raises only OSError; a truncated or garbled line is skipped.

    Of a stack deeper than DEPTH_LIMIT, the outermost frames and the innermost one remain.
    """
    frames: list[Frame] = []
    known: dict[str, int] = {}
    stacks: Counter[tuple[int, ...]] = Counter()
    unread = omitted = entries = 0
    for line in _lines(stream):
        text, _, count = line.rpartition(" ")
        parts = _frames_of(text)
        if not parts or not _COUNT.fullmatch(count):
            unread += 1
            continue
        if len(parts) > DEPTH_LIMIT:
            parts[DEPTH_LIMIT - 1 :] = parts[-1:]
        if any(part not in known for part in parts):
            new = [part for part in dict.fromkeys(parts) if part not in known]
            if len(frames) + len(new) > FRAMES_LIMIT:
                omitted += int(count)
                continue
            for part in new:
                known[part] = len(frames)
                frames.append(parse_frame(part))
        stack = tuple(known[part] for part in parts)
        if stack not in stacks:
            if len(stacks) >= STACKS_LIMIT or entries + len(stack) > ENTRIES_LIMIT:
                omitted += int(count)
                continue
            entries += len(stack)
        stacks[stack] += int(count)
    return FoldedStacks(tuple(frames), tuple(stacks.items()), sum(stacks.values()), unread, omitted)


def parse_frame(text: str) -> Frame:
    """Parses `work (lib/job.py:40)`, `memcpy (libc.so.6)`, a process or a thread. Never raises."""
    text = " ".join(text.split())
    if _PROCESS.match(text) or _THREAD.match(text):
        return Frame(text[:NAME_LIMIT], is_root=True)
    opening = text.rfind(" (")
    place = _PLACE.fullmatch(text, opening + 2) if opening > 0 else None
    if place is None:
        return Frame(text[:NAME_LIMIT])
    name = text[:opening]
    # Addresses differ from run to run, and are meaningless to a reader.
    return Frame("[unresolved]" if _ADDRESS.fullmatch(name) else name[:NAME_LIMIT], place[1], int(place[2] or 0))


def function_rows(stacks: FoldedStacks, rate_hz: float | None = None) -> tuple[FunctionRow, ...]:
    """Functions by their own samples, the most first; a function is a name in a file, with its most frequent line.

    A function counts once per sample, however often it occurs in the stack. With `rate_hz`, the samples per second, the
    rows include times.
    """
    rows = timed_function_rows([TimedStacks(stacks, 1.0)])
    seconds = 1 / rate_hz if rate_hz else None
    return tuple(
        msgspec.structs.replace(
            row,
            exclusive_s=(row.samples or 0) * seconds if seconds else None,
            inclusive_s=(row.inclusive_s or 0) * seconds if seconds else None,
        )
        for row in rows
    )


def timed_function_rows(parts: Sequence[TimedStacks], unsampled_s: float = 0.0) -> tuple[FunctionRow, ...]:
    """The same over several processes, each with its own time per sample; by own time, the most first.

    `unsampled_s` is CPU time without samples, which has a separate row, UNSAMPLED.
    """
    own_s: dict[_Function, float] = defaultdict(float)
    total_s: dict[_Function, float] = defaultdict(float)
    samples: Counter[_Function] = Counter()
    lines: dict[_Function, Counter[int]] = {}
    for part in parts:
        frames = part.stacks.frames
        keys = [(frame.name, frame.file) for frame in frames]
        for stack, count in part.stacks.stacks:
            seen = dict.fromkeys(index for index in stack if not frames[index].is_root)
            for key in dict.fromkeys(keys[index] for index in seen):
                total_s[key] += count * part.sample_s
            for index in seen:
                lines.setdefault(keys[index], Counter())[frames[index].line] += count
            if seen and not frames[stack[-1]].is_root:
                own_s[keys[stack[-1]]] += count * part.sample_s
                samples[keys[stack[-1]]] += count
    all_s = sum(part.stacks.samples * part.sample_s for part in parts) + unsampled_s
    rows = [
        FunctionRow(
            metric="functions",
            name=key[0],
            self_share=own_s[key] / all_s,
            total_share=seconds / all_s,
            file=key[1],
            line=lines[key].most_common(1)[0][0],
            samples=samples[key],
            exclusive_s=own_s[key],
            inclusive_s=seconds,
        )
        for key, seconds in total_s.items()
        if all_s > 0
    ]
    if rows and unsampled_s > 0:
        share = unsampled_s / all_s
        rows.append(FunctionRow("functions", UNSAMPLED, share, share, "", 0, "", None, 0, unsampled_s, unsampled_s))
    return tuple(sorted(rows, key=lambda row: (-row.self_share, -(row.total_share or 0.0), row.name, row.file)))


def _frames_of(text: str) -> list[str]:
    """The texts of the frames. A process's command line is quoted, and may itself contain `;`."""
    frames: list[str] = []
    pieces: list[str] = []
    for part in text.split(";"):
        if pieces or _PROCESS.match(part):
            pieces.append(part)
            if part.endswith('"') and (len(pieces) > 1 or not _PROCESS.fullmatch(part)):
                frames.append(";".join(pieces))
                pieces = []
        elif part.strip():
            frames.append(part)
    return [*frames, ";".join(pieces)] if pieces else frames


def _lines(stream: BinaryIO) -> Iterator[str]:
    """Each line that is not empty; "" for one that is too long, and for everything beyond TOTAL_LIMIT_BYTES."""
    left_bytes = TOTAL_LIMIT_BYTES
    while left_bytes > 0 and (line := stream.readline(LINE_LIMIT_BYTES)):
        left_bytes -= len(line)
        rest = line
        while not rest.endswith(b"\n") and left_bytes > 0 and (rest := stream.readline(LINE_LIMIT_BYTES)):
            left_bytes -= len(rest)
            line = b""
        if not line:
            yield ""
        elif line.strip():
            yield line.decode("utf-8", errors="replace").strip()
    if left_bytes <= 0 and stream.read(1):
        yield ""
