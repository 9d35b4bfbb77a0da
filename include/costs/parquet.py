"""Parquet files of many rows whose columns mostly follow from a key: written by pyarrow, a text of a key by its code.

DuckDB's own writer builds a dictionary of every text column from every row: with 68 columns that took most of a report's time.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    import pyarrow.parquet as pq

ROWS = 122_880
"""Of a row group, at most."""
MOST = 1000
"""A column with more texts than this is written as text: each row group repeats its dictionary."""


class KeylessRow(Exception):
    """A row whose key is not among the keys: what follows from it is not known."""


class ByKey:
    """One column: its values by the key's number, which count from 0 without a gap."""

    def __init__(self, values: pa.ChunkedArray) -> None:
        import pyarrow as pa

        self._values: pa.Array = pa.concat_arrays(values.chunks) if values.num_chunks else pa.nulls(0, values.type)
        self._texts: pa.Array | None = None
        if pa.types.is_string(values.type) and values.null_count < len(values):
            encoded = self._values.dictionary_encode()
            if len(encoded.dictionary) <= MOST:
                self._values, self._texts = encoded.indices, encoded.dictionary
        self._same = self._everywhere_the_same()

    def _everywhere_the_same(self) -> pa.Array | None:
        """The column for as many rows as there can be at once, where it does not depend on the key."""
        import pyarrow as pa

        if self._values.null_count == len(self._values):
            return pa.nulls(ROWS, self._values.type)
        if self._texts is not None and len(self._texts) == 1 and not self._values.null_count:
            zeros = pa.Array.from_buffers(pa.int32(), ROWS, [None, pa.py_buffer(bytes(4 * ROWS))])
            return pa.DictionaryArray.from_arrays(zeros, self._texts)
        return None

    def over(self, numbers: pa.Array) -> pa.Array:
        """The column for rows with these keys, at most `ROWS`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._same is not None:
            return self._same.slice(0, len(numbers))
        found = pc.take(self._values, numbers, boundscheck=False)
        return found if self._texts is None else pa.DictionaryArray.from_arrays(found, self._texts, safe=False)


class Layout(NamedTuple):
    """Where each column of the files comes from."""

    order: Sequence[str]
    by_key: Mapping[str, ByKey]
    masks: Mapping[str, str]
    """Of columns by key: the batches' column that is true where the value counts."""
    by_row: Mapping[str, str]
    """The batches' column."""
    number: str
    """The batches' column with the number of the row's key."""
    filled: frozenset[str]
    """Columns with a value in every row: the files say so, and need not say it again for each of them."""

    def rows(self, batch: pa.RecordBatch) -> pa.Table:
        """One batch with all columns. Raises KeylessRow."""
        import pyarrow as pa

        numbers = batch.column(self.number)
        if numbers.null_count:
            raise KeylessRow(f"{numbers.null_count} rows have a key that was not there when the bill was grouped")
        made: dict[ByKey, pa.Array] = {}
        columns = []
        for name in self.order:
            if name in self.by_row:
                columns.append(batch.column(self.by_row[name]))
                continue
            source = self.by_key[name]
            if source not in made:
                made[source] = source.over(numbers)
            column = made[source]
            columns.append(_masked(column, batch.column(self.masks[name])) if name in self.masks else column)
        fields = [pa.field(n, c.type, nullable=n not in self.filled) for n, c in zip(self.order, columns, strict=True)]
        return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def write_parts(
    batches: pa.RecordBatchReader, rows_of: Callable[[pa.RecordBatch], pa.Table], directory: Path, parts: int
) -> None:
    """Write ``part-0.parquet``, and more where there are many rows: `parts` at most, side by side. Each batch is a row group.

    Raises what `rows_of` and the batches raise.
    """
    with ThreadPoolExecutor(parts) as pool, ExitStack() as open_files:
        written = [_Part(directory / f"part-{number}.parquet") for number in range(parts)]
        for part in written:
            open_files.callback(part.close)
        for number, batch in enumerate(batches):
            part = written[number % parts]
            part.finish()
            part.busy = pool.submit(part.write, rows_of, batch)
        if written[0].busy is None:
            written[0].write(rows_of, _empty(batches.schema))


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


class _Part:
    """One file, written by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None
        self.busy: Future[None] | None = None

    def write(self, rows_of: Callable[[pa.RecordBatch], pa.Table], batch: pa.RecordBatch) -> None:
        rows = rows_of(batch)
        if self._writer is None:
            self._writer = _opened(self._path, rows)
        self._writer.write_table(rows, row_group_size=ROWS)

    def finish(self) -> None:
        """Wait for what is being written. Raises what writing raised."""
        if self.busy is not None:
            busy, self.busy = self.busy, None
            busy.result()

    def close(self) -> None:
        try:
            self.finish()
        finally:
            if self._writer is not None:
                self._writer.close()


def _opened(path: Path, rows: pa.Table) -> pq.ParquetWriter:
    """A file for rows like these. Only instants get statistics, by which readers find days; those of money cost most."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    instants = [field.name for field in rows.schema if pa.types.is_timestamp(field.type)]
    return pq.ParquetWriter(
        path,
        rows.schema,
        compression="snappy",
        use_dictionary=[name for name in rows.column_names if _repeats(rows[name])],
        write_statistics=instants,
        # In one go: the defaults (1,024 rows at a time, pages of 20,000) take a quarter longer.
        write_batch_size=ROWS,
        max_rows_per_page=ROWS,
        store_schema=False,  # a reader shall see text, not how it was handed over
    )


def _repeats(column: pa.ChunkedArray) -> bool:
    """A dictionary pays: each value comes twice or more."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        return True
    seen = column.slice(0, 10_000).combine_chunks()
    distinct, filled = len(seen.dictionary_encode().dictionary), len(seen) - seen.null_count
    return bool(distinct * 2 <= filled)


def _masked(column: pa.Array, shown: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if shown.true_count == len(shown):
        return column
    if pa.types.is_dictionary(column.type):
        return pa.DictionaryArray.from_arrays(_masked(column.indices, shown), column.dictionary)
    # The scalar from an array: `pyarrow.scalar` imports pandas, for a second and 90 MB that nothing here needs.
    return pc.if_else(shown, column, pa.nulls(1, column.type)[0])
