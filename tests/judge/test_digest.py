"""A report made from digests equals the report made from all samples."""

from __future__ import annotations

import base64
import json
import struct
from array import array
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.commands.report import write_target
from profileapp.errors import AgentError, ProfileappError
from profileapp.judge.digest import POINT_LIMIT, decimated, digest_of
from profileapp.judge.energy import mean_power_w
from profileapp.judge.verdict import JudgedRun, judge_folder
from profileapp.model.run import Repeat
from profileapp.record import digest as digests
from profileapp.report.page.pages import write_all_pages
from profileapp.report.plot.distributions import distributions
from profileapp.report.plot.series import POINT_LIMIT as PLOT_LIMIT
from profileapp.store.database import open_database
from profileapp.store.ingest import store_folder
from tests.report.sample_runs import ENERGY, FPS, INFERENCE, START_NS, app_shapes, sample_run, write_samples
from tests.report.sample_runs import write_target as write_sample
from tests.store.runs import SECOND_NS, a_run, record


def digested(folder: Path) -> tuple[JudgedRun, JudgedRun]:
    """The run of a folder, judged by its samples and then without them, by its digest."""
    failures: dict[str, ProfileappError] = {}
    whole = write_target(judge_folder(folder), failures, with_digest=True)
    assert not failures
    (folder / "metrics.ndjson").unlink()
    return whole, judge_folder(folder)


def test_the_pages_are_the_same(tmp_path: Path) -> None:
    pages: dict[bool, dict[str, bytes]] = {}
    for is_whole in (True, False):
        out = tmp_path / str(is_whole)
        write_samples(out)
        names = ("interval-1-use-gpu", "use-gpu", "use-cpu")
        judged = [digested(out / name)[0 if is_whole else 1] for name in names]
        assert [each.from_digest for each in judged] == [not is_whole] * 3
        if is_whole:
            # Like the pages made from the samples.
            for name in names:
                (out / name / "metrics.ndjson").write_text("")
        write_all_pages(out, judged)
        found = [path for path in out.rglob("*") if path.is_file() and "report" in path.parts]
        pages[is_whole] = {str(path.relative_to(out)): path.read_bytes() for path in (*found, out / "index.html")}
    assert pages[True].keys() == pages[False].keys()
    assert [name for name, content in pages[True].items() if content != pages[False][name]] == []
    assert b"metrics.ndjson" in pages[False]["use-gpu/report/index.html"]


def test_long_series_keep_their_peaks_and_the_ends_of_repeats(tmp_path: Path) -> None:
    shapes = app_shapes(cpu=58.0, memory_mib=310.0, fps=15.2) | {ENERGY: lambda at_s, _: at_s * at_s}
    halves = tuple(
        Repeat(index, begin, begin + SECOND_NS, begin + 300 * SECOND_NS, "timeout")
        for index, begin in ((1, START_NS), (2, START_NS + 310 * SECOND_NS))
    )
    run = sample_run("long", seconds=610.0, repeats=halves)
    folder = write_sample(tmp_path, run, {one: shapes[one] for one in (FPS, INFERENCE, ENERGY)}, interval_s=0.1).path
    whole, small = digested(folder)
    assert whole.run == small.run and whole.verdict == small.verdict and whole.headline == small.headline
    assert len(whole.series[FPS]) == 6000
    for one, data in small.series.items():
        everything = whole.series[one]
        assert len(data) <= POINT_LIMIT + 20 and data.is_in_order
        assert (min(data.values), max(data.values)) == (min(everything.values[:]), max(everything.values[:]))
        assert (data.times_ns[0], data.times_ns[-1]) == (everything.times_ns[0], everything.times_ns[-1])
    power_w = mean_power_w(whole.series, whole.run.repeats)
    assert power_w and mean_power_w(small.series, small.run.repeats) == power_w
    (all_values,) = [each for each in distributions(whole.series, whole.run.repeats) if each.title == "inference"]
    known = distributions(small.series, small.run.repeats, small.distributions)
    (some_values,) = [each for each in known if each.title == "inference"]
    count = all_values.description.split()[0]
    assert count == some_values.description.split()[0] and int(count) > 5000
    assert (folder / "digest.json").stat().st_size < 200_000


def test_a_plot_draws_no_more_points() -> None:
    assert POINT_LIMIT >= PLOT_LIMIT


@given(st.lists(st.floats(-1e9, 1e9), min_size=17, max_size=300), st.integers(4, 16))
def test_decimated_keeps_the_extremes_within_the_limit(values: list[float], limit: int) -> None:
    kept = decimated(values, limit)
    assert kept == sorted(set(kept)) and len(kept) <= limit
    some = [values[place] for place in kept]
    assert min(some) == min(values) and max(some) == max(values)


def test_a_digest_is_not_stored_as_samples(tmp_path: Path) -> None:
    folder = record(tmp_path / "out", a_run())
    digested(folder)
    with pytest.raises(AgentError, match=r"its samples \(metrics.ndjson\) are elsewhere"):
        store_folder(open_database(str(tmp_path / "profiles.db"), write=True), folder)


def test_samples_take_precedence_over_a_digest(tmp_path: Path) -> None:
    folder = record(tmp_path / "out", a_run())
    digests.write_digest(folder, digest_of(judge_folder(folder)))
    assert not judge_folder(folder).from_digest


def _column(code: str, *numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}{code}", *numbers)).decode()


GOOD = {
    "series": {"name": "fps", "unit": "", "metric": "custom"},
    "times": _column("q", 5),
    "values": _column("d", 1.0),
}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"series":[],"version":2}',
        json.dumps({"series": [GOOD | {"values": _column("d", float("nan"))}]}),
        json.dumps({"series": [GOOD | {"values": _column("d", 1.0, 2.0)}]}),
        json.dumps({"series": [GOOD | {"values": "AAAA"}]}),
        json.dumps({"series": [GOOD | {"times": _column("q", -1)}]}),
        json.dumps({"series": [GOOD | {"times": "", "values": ""}]}),
        json.dumps({"series": [GOOD | {"ranked": _column("d", float("inf"))}]}),
        "[" * 100_000,
    ],
)
def test_an_invalid_digest_is_no_measurement(content: str, tmp_path: Path) -> None:
    folder = record(tmp_path / "out", a_run())
    (folder / "metrics.ndjson").unlink()
    (folder / "digest.json").write_text(content)
    judged = judge_folder(folder)
    assert not judged.from_digest and not judged.series
    assert any("metrics.ndjson is missing" in problem for problem in judged.problems)


def test_a_digest_cannot_name_another_file(tmp_path: Path) -> None:
    folder = record(tmp_path / "out", a_run())
    digest = msgspec.structs.replace(digest_of(judge_folder(folder)), left_out=("../../x", "metrics.ndjson"))
    digests.write_digest(folder, digest)
    (folder / "metrics.ndjson").unlink()
    assert judge_folder(folder).left_out == ("metrics.ndjson",)
    (folder / "digest.json").rename(folder / "elsewhere.json")
    (folder / "digest.json").symlink_to(folder / "elsewhere.json")
    assert not judge_folder(folder).from_digest


def test_columns_are_little_endian() -> None:
    assert digests.encode_column(array("q", [1])) == b"\x01" + b"\x00" * 7
