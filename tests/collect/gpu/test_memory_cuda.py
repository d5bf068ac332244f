"""GPU memory from CUDA: the real helper process, with a `pycuda` whose values the test writes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect.api import AppHandle, RunContext
from profileapp.collect.gpu import memory_cuda as gpu_memory_cuda
from profileapp.collect.gpu.cuda_helper import COMMAND, CudaHelper, DeviceMemory, ProbeError, parse_answer
from profileapp.collect.gpu.memory_cuda import GpuMemoryCuda
from profileapp.collect.schedule import JOIN_TIMEOUT_S, Sampler
from profileapp.errors import Unavailable

MIB = 2**20
TOTAL = 8192 * MIB
CONTEXT = 300 * MIB
APP = AppHandle(1)

# A driver whose GPU is a folder: `others` has the memory of other processes, each file `context-PID` is a context.
DRIVER = """
import os, signal, sys, time
from pathlib import Path

GPU = Path({gpu!r})
print("the driver greets everybody on stdout")

def has(name):
    return (GPU / name).exists()

def init():
    if has("no-device"):
        raise RuntimeError("cuInit failed: no CUDA-capable device is detected")

class Context:
    current = None
    def push(self):
        assert Context.current is None
        Context.current = self
    @staticmethod
    def pop():
        assert Context.current is not None
        Context.current = None

class Device:
    def __init__(self, index):
        pass
    @staticmethod
    def count():
        return int((GPU / "count").read_text())
    def make_context(self):
        assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
        if has("exclusive") and living():
            raise RuntimeError("cuCtxCreate failed: CUDA-capable device(s) is/are busy or unavailable")
        (GPU / f"context-{{os.getpid()}}").touch()
        context = Context()
        context.push()
        return context

def living():
    return [path for path in GPU.glob("context-*") if Path("/proc", path.name[8:]).exists()]

def mem_get_info():
    assert Context.current is not None
    if has("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if has("hang"):
        time.sleep(600)
    if has("garbage") or has("flood"):
        # Straight to where the answers go, as a library that knows no better might.
        if has("garbage"):
            os.write(answers(), b"no answer at all\\n")
        while has("flood"):
            os.write(answers(), b"7" * 4096)
    if has("unwell"):
        raise RuntimeError("cuMemGetInfo failed: unknown error")
    used = int((GPU / "others").read_text()) + {context} * len(living())
    return {total} - used, {total}

def answers():
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number > 2 and os.readlink(f"/proc/self/fd/{{number}}").startswith("pipe:"):
            return number
    raise AssertionError("no pipe for answers")
"""


class Gpu:
    """The folder that the fake driver reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packages = folder / "packages"
        (self.packages / "pycuda").mkdir(parents=True)
        (self.packages / "pycuda" / "__init__.py").touch()
        self.driver = self.packages / "pycuda" / "driver.py"
        self.driver.write_text(DRIVER.format(gpu=str(folder), context=CONTEXT, total=TOTAL))
        self.allocate(1000 * MIB)
        self.set("count", "1")

    def allocate(self, size: int) -> None:
        self.set("others", str(size))

    def set(self, name: str, content: str = "") -> None:
        """Atomic, since the helper may read at any time."""
        (self.folder / f".{name}").write_text(content)
        (self.folder / f".{name}").replace(self.folder / name)

    @property
    def helpers(self) -> list[int]:
        pids = [int(path.name[8:]) for path in self.folder.glob("context-*")]
        return [pid for pid in pids if Path("/proc", str(pid)).exists()]

    @property
    def command(self) -> list[str]:
        code = f"import sys; sys.path.insert(0, {str(self.packages)!r})\n"
        return [*COMMAND[:2], "-c", f"{code}from profileapp.collect.gpu.cuda_probe import main\nsys.exit(main())"]


@pytest.fixture
def gpu(tmp_path: Path) -> Gpu:
    return Gpu(tmp_path / "gpu")


@pytest.fixture
def collector(gpu: Gpu) -> Iterator[GpuMemoryCuda]:
    one = GpuMemoryCuda(partial(CudaHelper, gpu.command))
    yield one
    one.close()
    assert gpu.helpers == [], "no helper is left behind"


def test_the_helpers_context_is_subtracted_and_the_app_gets_the_increase(
    gpu: Gpu, collector: GpuMemoryCuda, run: Callable[..., RunContext], taken: Any
) -> None:
    collector.open(run(), taken)
    assert not taken.samples, "nothing is emitted before the app runs"
    assert len(gpu.helpers) == 1
    assert "pycuda" not in sys.modules
    collector.attach(APP)
    assert taken.last == {
        "gpu.memory.used[0]": 1000 * MIB,
        "gpu.memory.total[0]": TOTAL,
        "gpu.memory.allocated[0]": 0,
    }
    gpu.allocate(3500 * MIB)
    collector.sample(1)
    assert taken.last["gpu.memory.used[0]"] == 3500 * MIB
    assert taken.last["gpu.memory.allocated[0]"] == 2500 * MIB
    # Another process frees more than the app allocates.
    gpu.allocate(400 * MIB)
    collector.sample(2)
    assert taken.last["gpu.memory.allocated[0]"] == 0
    collector.detach()
    collector.close()
    collector.close()
    assert gpu.helpers == []


def test_each_gpu_has_its_series(
    gpu: Gpu, collector: GpuMemoryCuda, run: Callable[..., RunContext], taken: Any
) -> None:
    gpu.set("count", "2")
    collector.open(run(), taken)
    collector.attach(APP)
    assert taken.last["gpu.memory.used[0]"] == taken.last["gpu.memory.used[1]"] == 1000 * MIB


@pytest.mark.parametrize(
    ("state", "content", "reason"),
    [
        ("no-device", "", r"CUDA cannot be initialised \(cuInit failed: no CUDA-capable device is detected\)"),
        ("count", "0", r"CUDA cannot be initialised \(CUDA found no GPU\)"),
        ("exclusive", "", "accepts no second process besides .* busy or unavailable"),
        ("crash", "", "has ended by signal 11"),
        ("garbage", "", "gave an invalid answer"),
        ("flood", "", "gave an invalid answer"),
        ("unwell", "", r"CUDA failed \(cuMemGetInfo failed: unknown error\)"),
    ],
)
def test_unavailable_with_a_reason(
    state: str,
    content: str,
    reason: str,
    gpu: Gpu,
    collector: GpuMemoryCuda,
    run: Callable[..., RunContext],
    taken: Any,
) -> None:
    gpu.set(state, content)
    with pytest.raises(Unavailable, match=reason):
        collector.open(run(), taken)


@pytest.mark.parametrize(
    ("driver", "reason"),
    [
        (None, "pycuda is not installed"),
        (
            "raise ImportError('libcuda.so.1: cannot open shared object file')",
            r"pycuda cannot be loaded \(libcuda.so.1: cannot open shared object file\)",
        ),
        ("import os; os._exit(7)", "has ended with exit code 7"),
        ("import os; os.abort()", "has ended by signal 6"),
    ],
)
def test_an_unusable_pycuda(
    driver: str | None, reason: str, gpu: Gpu, collector: GpuMemoryCuda, run: Callable[..., RunContext], taken: Any
) -> None:
    gpu.driver.unlink()
    if driver:
        gpu.driver.write_text(driver)
    with pytest.raises(Unavailable, match=reason):
        collector.open(run(), taken)


def test_the_installed_probe_answers_with_a_reason(run: Callable[..., RunContext], taken: Any) -> None:
    """With CUDA it measures; without, it gives the reason."""
    collector = GpuMemoryCuda()
    try:
        collector.open(run(), taken)
        collector.attach(AppHandle(os.getpid()))
        assert 0 < taken.last["gpu.memory.used[0]"] < taken.last["gpu.memory.total[0]"]
    except Unavailable as reason:
        assert "pycuda" in str(reason) or "CUDA" in str(reason)
    finally:
        collector.close()


def test_the_probe_lists_all_gpus_in_the_order_of_nvml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    script = tmp_path / "probe"
    script.write_text(f"#!/bin/sh\nenv > {tmp_path}/env\necho unavailable enough\n")
    script.chmod(0o755)
    with pytest.raises(Unavailable, match="enough"):
        CudaHelper([str(script)]).start()
    env = (tmp_path / "env").read_text()
    assert "CUDA_VISIBLE_DEVICES" not in env
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in env


def test_a_missing_command_is_unavailable_with_a_reason() -> None:
    with pytest.raises(Unavailable, match="No such file"):
        CudaHelper(["/no/such/python"]).start()


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("crash", "has ended by signal 11"),
        ("garbage", "gave an invalid answer"),
        ("flood", "gave an invalid answer"),
        ("unwell", r"CUDA failed \(cuMemGetInfo failed: unknown error\)"),
    ],
)
def test_a_helper_that_fails_during_a_run_fails_the_samples_and_exits(
    state: str, reason: str, gpu: Gpu, collector: GpuMemoryCuda, run: Callable[..., RunContext], taken: Any
) -> None:
    collector.open(run(), taken)
    collector.attach(APP)
    gpu.set(state)
    with pytest.raises(ProbeError, match=reason):
        collector.sample(1)
    assert gpu.helpers == []
    with pytest.raises(ProbeError, match="has ended"):
        collector.sample(2)


def test_a_hanging_driver_fails_the_sample_in_time_and_may_recover(
    gpu: Gpu, run: Callable[..., RunContext], taken: Any
) -> None:
    gpu.driver.write_text(gpu.driver.read_text().replace("time.sleep(600)", "time.sleep(0.1 if has('freed') else 1.2)"))
    collector = GpuMemoryCuda(partial(CudaHelper, gpu.command, 0.5))
    try:
        collector.open(run(), taken)
        gpu.set("hang")
        with pytest.raises(ProbeError, match="does not answer in time"):
            collector.attach(APP)
        gpu.set("freed")
        gpu.allocate(1500 * MIB)
        deadline_s = time.monotonic() + 30
        while "gpu.memory.used[0]" not in taken.last:
            assert time.monotonic() < deadline_s
            try:
                collector.sample(1)
            except ProbeError:
                continue
        # The answer to this request, not a late one to the previous request.
        assert taken.last["gpu.memory.used[0]"] == 1500 * MIB
    finally:
        collector.close()
    assert gpu.helpers == []


def test_a_helper_that_hangs_forever_is_killed_at_the_end(gpu: Gpu, run: Callable[..., RunContext], taken: Any) -> None:
    collector = GpuMemoryCuda(partial(CudaHelper, gpu.command, 0.05))
    failures: list[Exception] = []
    try:
        # Starting may take long on a busy machine.
        collector_open(collector, run(), taken)
        gpu.set("hang")
        sampler = Sampler(collector, 0.01, lambda _, error: failures.append(error))
        sampler.start()
        deadline_s = time.monotonic() + 30
        while sampler.ended_by is None and time.monotonic() < deadline_s:
            time.sleep(0.01)
        sampler.stop()
        assert "does not answer in time" in str(sampler.ended_by)
        assert len(failures) == 5
        assert not sampler.hangs
        assert len(gpu.helpers) == 1
    finally:
        begun_s = time.monotonic()
        collector.close()
    assert gpu.helpers == []
    assert time.monotonic() - begun_s < 20


def collector_open(collector: GpuMemoryCuda, context: RunContext, taken: Any) -> None:
    """Opens the collector; tries again if the machine is too busy for the short timeout of the test."""
    for _ in range(20):
        try:
            collector.open(context, taken)
        except Unavailable:
            collector.close()
        else:
            return
    pytest.fail("the helper did not answer within the time of the test")


def test_a_killed_worker_leaves_no_helper(gpu: Gpu) -> None:
    code = (
        "from profileapp.collect.gpu.cuda_helper import CudaHelper\n"
        f"helper = CudaHelper({gpu.command!r})\nhelper.start()\n"
        "print('up', flush=True)\nimport time\ntime.sleep(600)"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert worker.stdout.read(2) == b"up"  # type: ignore[union-attr]
        assert len(gpu.helpers) == 1
    finally:
        worker.kill()
        worker.communicate()
    deadline_s = time.monotonic() + 30
    while gpu.helpers and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert gpu.helpers == []


def test_the_answer_timeout_is_shorter_than_the_samplers() -> None:
    assert CudaHelper()._answer_timeout_s < JOIN_TIMEOUT_S


def test_memory_freed_late_is_not_in_the_baseline(
    gpu: Gpu, collector: GpuMemoryCuda, run: Callable[..., RunContext], taken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver frees the second helper's memory only while the collector waits for it."""
    slow = "[path for path in GPU.glob('context-*') if not has('gone') or Path('/proc', path.name[8:]).exists()]"
    text = gpu.driver.read_text()
    gpu.driver.write_text(
        text[: text.index("def living")] + f"def living():\n    return {slow}\n" + text[text.index("\ndef mem_get") :]
    )
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            gpu.set("gone")

    clock = SimpleNamespace(sleep=nap, monotonic=time.monotonic, monotonic_ns=time.monotonic_ns)
    monkeypatch.setattr(gpu_memory_cuda, "time", clock)
    monkeypatch.setattr(gpu_memory_cuda, "SETTLE_TIMEOUT_S", 60.0)
    collector.open(run(), taken)
    gpu.allocate(2000 * MIB)
    collector.attach(APP)
    assert len(naps) == 3
    assert taken.last["gpu.memory.allocated[0]"] == 1000 * MIB


def test_parsing_of_an_answer() -> None:
    assert parse_answer(b"3 10 20 0 5") == (3, (DeviceMemory(10, 20), DeviceMemory(0, 5)))


@pytest.mark.parametrize("line", [b"", b"3", b"3 10", b"3 10 20 5", b"3 -1 20", b"x 1 2", b"3 30 20", b"3 1e9 2e9"])
def test_invalid_answers_are_refused(line: bytes) -> None:
    with pytest.raises(ProbeError):
        parse_answer(line)


@given(st.binary())
def test_any_bytes_are_an_answer_or_refused(line: bytes) -> None:
    try:
        _, memory = parse_answer(line)
    except ProbeError:
        return
    assert all(0 <= each.free_bytes <= each.total_bytes for each in memory)
