"""Records the time around each hit of a rule as a run folder, within a disk limit."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from profileapp.errors import AgentError
from profileapp.live.names import target_name
from profileapp.live.recorder import Recording, TargetRecording
from profileapp.live.ring import Ring
from profileapp.live.rules import Rule
from profileapp.live.watched import Life, Watched
from profileapp.live.window import Window
from profileapp.model.clock import format_utc
from profileapp.model.series import Series
from profileapp.record.folder import RunFolder
from profileapp.record.tree import remove_tree
from profileapp.record.tree_size import tree_size

_HIT_FOLDER = re.compile(r"[a-z0-9-]{1,20}\.\d{8}t\d{6}z\.[a-z0-9._-]+", re.ASCII)
_DEVICE = ""


class Hit(msgspec.Struct, frozen=True):
    """A rule that began to hold for a target at `at_ns` of the monotonic clock."""

    rule: Rule
    watched: Watched
    life: Life
    at_ns: int


class TriggerRecorder:
    """An `Observer`. Calls `note` for each hit and its outcome."""

    def __init__(
        self,
        recording: Recording,
        rules: tuple[Rule, ...],
        device: Watched,
        ring: Ring,
        disk_bytes: int,
        note: Callable[[str], None],
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._recording = recording
        self._rules = rules
        self._device = device
        self._ring = ring
        self._disk_bytes = disk_bytes
        self._note = note
        self._now_ns = now_ns
        self._windows: dict[str, list[Window]] = {_DEVICE: [Window(rule) for rule in rules]}
        self._held: set[tuple[str, str]] = set()
        """Pairs of rule and target for which the rule holds. It triggers again only after it has ceased to hold."""
        self._times_ns: dict[str, list[int]] = {}
        self._watched: dict[str, Watched] = {}
        self._pending: list[Hit] = []
        self.kept: list[Path] = []
        """Folders of hits; the oldest may have been removed."""
        device.sinks = (ring.emit_for(_DEVICE), *(window.emit for window in self._windows[_DEVICE]))

    def begun(self, watched: Watched) -> None:
        windows = [Window(rule) for rule in self._rules if rule.matches(watched.title)]
        self._windows[watched.name] = windows
        self._watched[watched.name] = watched
        watched.sinks = (self._ring.emit_for(watched.name), *(window.emit for window in windows))

    def attached(self, watched: Watched) -> None:
        if watched.starts > 1:
            for window in self._windows[watched.name]:
                window.clear()

    def detached(self, watched: Watched) -> None:
        """Does nothing: `check` or `finished` writes pending hits."""

    def finished(self, watched: Watched) -> None:
        watched.sinks = ()
        for hit in [each for each in self._pending if each.watched is watched]:
            self._write(hit)
        self._windows.pop(watched.name, None)
        self._watched.pop(watched.name, None)
        self._held = {each for each in self._held if each[1] != watched.name}

    def check(self) -> None:
        now_ns = self._now_ns()
        device = {window.rule.name for window in self._windows[_DEVICE] if window.holds(now_ns)}
        for name, watched in list(self._watched.items()):
            life = watched.life
            if life is None or life.ended_ns:
                continue
            for window in self._windows[name]:
                self._judge(window, watched, life, now_ns, window.rule.name in device)
        for hit in [each for each in self._pending if now_ns >= each.at_ns + round(each.rule.after_s * 1e9)]:
            self._write(hit)

    def _judge(self, window: Window, watched: Watched, life: Life, now_ns: int, device_holds: bool) -> None:
        key = (window.rule.name, watched.name)
        if not (device_holds or window.holds(now_ns)):
            self._held.discard(key)
        elif key not in self._held:
            self._held.add(key)
            self._hit(Hit(window.rule, watched, life, now_ns))

    def _hit(self, hit: Hit) -> None:
        rule = hit.rule
        since_ns = hit.at_ns - round(rule.per_s * 1e9)
        times_ns = [each for each in self._times_ns.get(rule.name, []) if each > since_ns]
        if len(times_ns) >= rule.count:
            self._note(f"{hit.watched.title}: rule {rule.name} holds; not kept, as it was {rule.count} times already")
            return
        self._times_ns[rule.name] = [*times_ns, hit.at_ns]
        self._pending.append(hit)
        self._note(f"{hit.watched.title}: rule {rule.name} holds ({rule.when})")

    def _write(self, hit: Hit) -> None:
        self._pending.remove(hit)
        try:
            self._make_room()
            path = self._write_folder(hit)
        except (OSError, AgentError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self._note(f"{hit.watched.title}: rule {hit.rule.name}: cannot be kept ({reason}); watching goes on")
            return
        self.kept.append(path)
        self._note(f"{hit.watched.title}: kept as {path}")

    def _write_folder(self, hit: Hit) -> Path:
        rule, watched, clock = hit.rule, hit.watched, hit.watched.context.clock
        stamp = re.sub("[-:]", "", format_utc(clock.wall_ns(hit.at_ns))[:19]).lower()
        name = target_name(f"{rule.name}.{stamp}z.{watched.name}"[:63].rstrip("._-"))
        folder = RunFolder.create(self._recording.out, name)
        start_ns = hit.at_ns - round(rule.before_s * 1e9)
        end_ns = min(self._now_ns(), hit.at_ns + round(rule.after_s * 1e9))
        made = TargetRecording(folder, self._recording, watched, self._device, _mark(hit))
        oldest_ns = self._ring.oldest_ns()
        if oldest_ns > max(start_ns, hit.life.started_ns):
            watched.warnings.add(
                f"only {(hit.at_ns - oldest_ns) / 1e9:.3g} s before the hit were in memory; --keep more to have all"
            )
        samples = self._ring.between(start_ns, end_ns, frozenset({_DEVICE, watched.name}))
        for series, value, at_ns in samples:
            made.emit(series, value, at_ns)
        # Every plot shows events.
        made.emit(Series(f"rule {rule.name}", "", "custom", (), "event"), 1.0, hit.at_ns)
        text = f"kept by rule {rule.name}: {rule.when}" + (f" ({rule.note})" if rule.note else "")
        made.note(
            Life(1, hit.life.app, max(start_ns, hit.life.started_ns), end_ns, "detached", message=text), force=True
        )
        made.finish(0)
        if made.failure:
            raise made.failure
        return folder.path

    def _make_room(self) -> None:
        """Removes the oldest hits until the rest and a new one, as large as the largest, fit the disk limit."""
        out = self._recording.out
        # The name of a hit is its rule, its time and its target.
        found = [each for each in out.iterdir() if _HIT_FOLDER.fullmatch(each.name)] if out.is_dir() else []
        found = sorted((each for each in found if not each.is_symlink()), key=lambda each: each.name.split(".")[1])
        sizes = [tree_size(each).bytes for each in found]
        while found and sum(sizes) + max(sizes) > self._disk_bytes:
            remove_tree(found.pop(0))
            sizes.pop(0)


def _mark(hit: Hit) -> tuple[str, str, str, int]:
    """The hit for run.json: rule, condition, note, and its time in UTC ns."""
    rule = hit.rule
    return rule.name, rule.when, rule.note, hit.watched.context.clock.wall_ns(hit.at_ns)
