"""Old data is thinned or removed; statistics and peaks stay."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from profileapp.store import schema
from profileapp.store.database import open_database
from profileapp.store.ingest import store_folder
from profileapp.store.retention import Policy, Pruned, prune
from profileapp.store.select import Selection
from profileapp.store.thin import thin
from tests.store.runs import CPU, FPS, SECOND_NS, START_NS, a_run, record

DAY_NS = 86_400 * SECOND_NS
ALL = Selection()


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.floats(-1e6, 1e6)), max_size=200).map(sorted),
    st.integers(1, 3_000),
)
def test_thinned_samples_keep_the_peaks_of_every_span(samples: list[tuple[int, float]], spacing_ns: int) -> None:
    times, values = [at for at, _ in samples], [value for _, value in samples]
    indices = thin(times, values, spacing_ns)
    assert indices == sorted(set(indices))
    for span in {at // spacing_ns for at in times}:
        inside = [index for index, at in enumerate(times) if at // spacing_ns == span]
        chosen = [index for index in indices if times[index] // spacing_ns == span]
        assert len(chosen) <= 4 and chosen[0] == inside[0] and chosen[-1] == inside[-1]
        for peak in (min, max):
            assert peak(values[index] for index in chosen) == peak(values[index] for index in inside)
    again = thin([times[index] for index in indices], [values[index] for index in indices], spacing_ns)
    assert len(again) == len(indices)


def test_old_samples_are_thinned_once_and_statistics_stay(db: str, tmp_path: Path) -> None:
    database = open_database(db, write=True)
    values = [float((3 * second + 1) % 7) for second in range(100)]
    store_folder(database, record(tmp_path / "old", a_run("old", seconds=100), {FPS: values, CPU: values}))
    store_folder(database, record(tmp_path / "new", a_run("new", started_ns=START_NS + DAY_NS), {FPS: values}))
    policy = Policy(thin_before_ns=START_NS + 1, spacing_ns=50 * SECOND_NS)
    assert prune(database, policy, ALL, dry_run=True) == Pruned(thinned=1)
    assert prune(database, policy, ALL) == Pruned(thinned=1, samples=200 - 2 * 8)
    assert prune(database, policy, ALL) == Pruned()
    with database.transaction() as connection:
        assert connection.execute(select(func.count()).select_from(schema.sample)).scalar_one() == 16 + 100
        spacing, count = connection.execute(
            select(schema.run.c.spacing_ns, schema.run.c.sample_count).where(schema.run.c.run_id == "old")
        ).one()
        assert (spacing, count) == (50 * SECOND_NS, 16)
        statistics = connection.execute(select(schema.run_series.c.count).distinct()).scalars().all()
        # A run of 20 s has samples in its first and its last second; the cold start is one value.
        assert sorted(statistics) == [1, 21, 100]
    # Storing it again does not change it.
    assert store_folder(database, tmp_path / "old" / "gpu").outcome == "already stored"


def test_samples_and_runs_are_removed(db: str, tmp_path: Path) -> None:
    database = open_database(db, write=True)
    for day in range(3):
        run = a_run(f"day{day}", started_ns=START_NS + day * DAY_NS)
        store_folder(database, record(tmp_path / f"{day}", run, tables=True))
    policy = Policy(drop_before_ns=START_NS + DAY_NS + 1, remove_before_ns=START_NS + 1)
    assert prune(database, policy, Selection(app="other")) == Pruned()
    assert prune(database, policy, ALL, dry_run=True) == Pruned(dropped=1, removed=1, samples=12)
    assert prune(database, policy, ALL) == Pruned(dropped=1, removed=1, samples=12)
    assert prune(database, policy, ALL) == Pruned()
    with database.transaction() as connection:
        for table, left in ((schema.run, 2), (schema.run_series, 8), (schema.sample, 6), (schema.function, 2)):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == left, table.name
