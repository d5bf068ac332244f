"""Exported samples equal the stored ones, in formats that other programs read."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas
import pyarrow.parquet
import pytest
import sage_data_client

from profileapp.errors import StoreError
from profileapp.model.series import series
from profileapp.model.target import App
from profileapp.store.database import Database, open_database
from profileapp.store.export import COLUMNS, export, export_to_file
from profileapp.store.ingest import store_folder
from profileapp.store.select import Selection
from tests.store.runs import CORE, CPU, FPS, START_NS, a_run, record


@pytest.fixture
def database(db: str, tmp_path: Path) -> Database:
    opened = open_database(db, write=True)
    store_folder(opened, record(tmp_path / "a", a_run("r1")))
    store_folder(opened, record(tmp_path / "b", a_run("r2", started_ns=START_NS + 10**12, target="cpu"), {FPS: [3.0]}))
    return opened


def as_csv(database: Database, selection: Selection) -> list[dict[str, str]]:
    sink = io.BytesIO()
    count = export(database, selection, "csv", sink)
    rows = list(csv.DictReader(io.StringIO(sink.getvalue().decode(), newline="")))
    assert len(rows) == count
    return rows


def test_csv(database: Database) -> None:
    rows = as_csv(database, Selection(run_id="r1", series="fps"))
    assert [(row["timestamp"], row["value"]) for row in rows][:2] == [
        ("2026-11-18T11:06:40.000000000Z", "10.0"),
        ("2026-11-18T11:06:41.000000000Z", "12.0"),
    ]
    assert tuple(rows[0]) == COLUMNS and rows[0]["unit"] == "frames/s" and rows[0]["node"] == "orin-1"


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        (Selection(), 7),
        (Selection(target="cpu"), 1),
        (Selection(series="system."), 1),
        (Selection(series="system"), 0),
        (Selection(series="%."), 0),
        (Selection(since_ns=START_NS + 1), 1),
        (Selection(until_ns=START_NS + 1), 6),
        (Selection(app="none"), 0),
        (Selection(branch="main", app="objcounter"), 7),
    ],
)
def test_selections(database: Database, selection: Selection, count: int) -> None:
    assert len(as_csv(database, selection)) == count


def test_sage_data_client_and_pandas_can_read_it(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "samples.ndjson"
    assert export_to_file(database, Selection(run_id="r1"), "sage", path) == 6
    frame = sage_data_client.load(str(path))
    fps = frame[frame.name == "fps"]
    assert list(fps.value) == [10.0, 12.0, 14.0] and set(frame["meta.app"]) == {"objcounter"}
    assert fps.timestamp.iloc[0].value == START_NS
    assert list(frame[frame.name == CORE.name]["meta.core"]) == ["0"]
    assert len(pandas.read_json(path, lines=True)) == 6


def test_parquet(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "samples.parquet"
    assert export_to_file(database, Selection(), "parquet", path) == 7
    table = pyarrow.parquet.read_table(path)
    assert table.column_names == list(COLUMNS) and table.num_rows == 7
    frame = table.to_pandas()
    assert frame[frame.name == CPU.name].value.tolist() == [50.0, 60.0]
    assert frame.timestamp.iloc[0].value == START_NS


def test_hostile_labels_and_formulas(db: str, tmp_path: Path) -> None:
    database = open_database(db, write=True)
    strange = series("=cmd", "", "custom", app="mine", other="x\ny")
    store_folder(database, record(tmp_path / "out", a_run(app=App("@app")), {strange: [1.0]}))
    assert as_csv(database, Selection())[0]["name"] == "'=cmd"
    path = tmp_path / "samples.ndjson"
    export_to_file(database, Selection(), "sage", path)
    row = sage_data_client.load(str(path)).iloc[0]
    assert (row["meta.app"], row["meta.label.app"], row["meta.other"]) == ("@app", "mine", "x\ny")


def test_an_unwritable_file_is_an_error(database: Database, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        export_to_file(database, Selection(), "csv", tmp_path / "no" / "samples.csv")
    assert list(tmp_path.glob(".*")) == []
