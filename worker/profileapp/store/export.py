"""Streams samples from the database as CSV, in the format of the Sage data API, or as Parquet, in bounded memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
from sqlalchemy import Row, select

from profileapp.errors import StoreError
from profileapp.model.clock import format_utc
from profileapp.model.text import printable
from profileapp.store import schema
from profileapp.store.database import Database
from profileapp.store.export_format import Format
from profileapp.store.select import Selection

COLUMNS = ("timestamp", "name", "value", "unit", "labels", "kind", "metric", "app", "target", "run", "node", "commit")
Batch = Sequence[Row[Any]]
_BATCH_ROWS = 20_000
# First characters that make a spreadsheet evaluate a cell (OWASP, "CSV Injection").
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def export(database: Database, selection: Selection, form: Format, sink: BinaryIO) -> int:
    """Writes every sample of a selection, by run, series and time. Returns the number. Raises OSError."""
    write = {"csv": _write_csv, "sage": _write_sage, "parquet": _write_parquet}[form]
    return write(_rows(database, selection), sink)


def _rows(database: Database, selection: Selection) -> Iterator[Batch]:
    run, series, run_series, sample = schema.run, schema.series, schema.run_series, schema.sample
    statement = (
        select(
            sample.c.time_ns,
            sample.c.value,
            series.c.name,
            series.c.unit,
            series.c.labels,
            series.c.kind,
            series.c.metric,
            run.c.app,
            run.c.target,
            run.c.run_id.label("run"),
            run.c.hostname.label("node"),
            run.c.git_commit.label("commit"),
        )
        .join(run_series, run_series.c.id == sample.c.run_series_id)
        .join(series, series.c.id == run_series.c.series_id)
        .join(run, run.c.id == run_series.c.run_id)
        .where(selection.runs(), selection.of_series())
        .order_by(run.c.started_ns, run.c.id, run_series.c.id, sample.c.position)
    )
    with database.transaction() as connection:
        result = connection.execution_options(yield_per=_BATCH_ROWS).execute(statement)
        yield from cast(Iterator[Batch], result.partitions())


def _write_csv(batches: Iterator[Batch], sink: BinaryIO) -> int:
    """RFC 4180. Text that a spreadsheet would evaluate is prefixed with a quote."""
    count = 0
    for first, batch in _counted(batches):
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        if first:
            writer.writerow(COLUMNS)
        for row in batch:
            cells = (row.name, row.unit, row.labels, row.kind, row.metric, row.app, row.target, row.run, row.node)
            name, *others = [_cell(cell) for cell in (*cells, row.commit)]
            writer.writerow((format_utc(row.time_ns), name, repr(row.value), *others))
        sink.write(text.getvalue().encode())
        count += len(batch)
    return count


def _write_sage(batches: Iterator[Batch], sink: BinaryIO) -> int:
    """Writes one line of JSON per sample: `{"timestamp": …, "name": …, "value": …, "meta": {…}}`.

    This is the format of the Sage data API's responses (docs.waggle.sensor, "Access and use data"). A label named like
    one of our keys becomes `label.NAME`.
    """
    count = 0
    metas: dict[tuple[str, ...], dict[str, str]] = {}
    encode = msgspec.json.Encoder().encode
    for _, batch in _counted(batches):
        lines = []
        for row in batch:
            key: tuple[str, ...] = tuple(row[3:])
            meta = metas.get(key)
            if meta is None:
                # One run and its series at a time: earlier ones do not recur.
                metas = {key: (meta := _meta(row))}
            at = format_utc(row.time_ns)
            lines.append(encode({"timestamp": at, "name": row.name, "value": row.value, "meta": meta}) + b"\n")
        sink.write(b"".join(lines))
        count += len(batch)
    return count


def _meta(row: Row[Any]) -> dict[str, str]:
    own = {name: getattr(row, name) for name in ("unit", "kind", "metric", "app", "target", "run", "node", "commit")}
    labels = {f"label.{name}" if name in own else name: value for name, value in _labels(row.labels).items()}
    return labels | own


def _labels(text: str) -> dict[str, str]:
    try:
        labels = json.loads(text)
    except ValueError:
        # Labels longer than the database's limit.
        return {"labels": text}
    return {str(name): str(value) for name, value in labels.items()}


def _write_parquet(batches: Iterator[Batch], sink: BinaryIO) -> int:
    """Writes one row per sample; `timestamp` in UTC with nanoseconds. Raises StoreError without the parquet extra."""
    try:
        import pyarrow  # noqa: PLC0415
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise StoreError("Parquet needs the parquet extra: pip install 'profileapp[parquet]'") from error
    words = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    kinds = {"timestamp": pyarrow.timestamp("ns", tz="UTC"), "value": pyarrow.float64()}
    form = pyarrow.schema([(name, kinds.get(name, words)) for name in COLUMNS])
    count = 0
    with pyarrow.parquet.ParquetWriter(sink, form, compression="zstd") as writer:
        for batch in batches:
            columns = [
                pyarrow.array(
                    [getattr(row, "time_ns" if name == "timestamp" else name) for row in batch],
                    type=kinds.get(name, pyarrow.string()),
                ).cast(form.field(name).type)
                for name in COLUMNS
            ]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=form))
            count += len(batch)
    return count


def _counted(batches: Iterator[Batch]) -> Iterator[tuple[bool, Batch]]:
    """Each batch, and whether it is the first; one empty batch if there are none."""
    first = True
    for batch in batches:
        yield first, batch
        first = False
    if first:
        yield True, []


def _cell(text: str) -> str:
    clean = printable(text, 1000)
    return f"'{clean}" if clean.startswith(_FORMULA_STARTS) else clean


def export_to_file(database: Database, selection: Selection, form: Format, path: Path) -> int:
    """Writes a file atomically: a reader sees either the old one or the new one. Raises StoreError."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with unfinished.open("wb") as sink:
            count = export(database, selection, form, sink)
        unfinished.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return count
