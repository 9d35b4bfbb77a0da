"""Where the expressions run: DuckDB inside this process (the default), or Spark. Both read the same delivered files."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from include.costs.coded import NUMBER
from include.values import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import ibis.expr.types as ir
    import pyarrow as pa

    from include.costs.coded import Keyed, Split
    from include.costs.parquet import ByKey


class Delivered(Frozen):
    """How the bytes of one group of equal files are laid out."""

    paths: tuple[str, ...]
    kind: str
    """``csv`` or ``parquet``."""
    columns: tuple[str, ...]
    """The header, in the file's order and spelling."""
    delimiter: str = ","
    gzip: bool = False
    landed: bool = False
    """The paths are Parquet copies of CSV files (`DuckDBEngine.land`): all columns are text, named by position."""


ROW = "drillyard_row"
"""A column beside the delivered ones: a number for each row of the files that are read together (DuckDB)."""
LANDED_ROWS = 30_720
"""Of a row group of a landed file: a CSV has many columns, and all of them are text."""
_NUMBER = "(CAST(file_index AS BIGINT) << 40) + file_row_number"


class Engine(Protocol):
    """What the cost room needs of an engine besides running Ibis expressions."""

    name: str
    fast_doubles: bool

    def read(self, files: Delivered) -> tuple[ir.Table, dict[str, str]]:
        """The files as one table, and the header's name of each of its columns. CSV columns are text, empty is NULL."""

    def fetch(self, table: ir.Table) -> pa.Table:
        """Run, and bring the (small) result here."""

    def lookup(self, name: str, columns: dict[str, list[str | None]]) -> ir.Table:
        """Make a small table of text columns known to the engine."""

    def write(self, table: ir.Table, directory: Path, keyed: Keyed, filled: frozenset[str] = frozenset()) -> None:
        """Write Parquet into a folder of its own, without the column `coded.NUMBER`. Raises parquet.KeylessRow.

        Columns in `filled` have a value in every row.
        """


@contextlib.contextmanager
def open_engine(name: str, *, scratch: Path | None = None) -> Iterator[Engine]:
    """An engine for one report; closed, and its scratch space removed, at the end. Raises ValueError for an unknown name."""
    makers = {"duckdb": _duckdb, "spark": _spark}
    if name not in makers:
        raise ValueError(f"no engine named {name!r}; known: {', '.join(sorted(makers))}")
    with tempfile.TemporaryDirectory(prefix="drillyard-costs-", dir=scratch) as folder:
        engine, close = makers[name](Path(folder))
        try:
            yield engine
        finally:
            close()


def memory_limit() -> str:
    """What DuckDB may use: ``DRILLYARD_COSTS_MEMORY``, or 320MB. More only makes large bills faster."""
    return os.environ.get("DRILLYARD_COSTS_MEMORY") or "320MB"


class DuckDBEngine:
    """DuckDB, embedded. Results larger than its memory limit go through a scratch folder."""

    name = "duckdb"
    fast_doubles = True

    def __init__(self, scratch: Path) -> None:
        import ibis

        self._scratch = scratch
        self._landed = self._kept = 0
        self.con: Any = ibis.duckdb.connect()
        self._raw = self.con.con
        threads = os.environ.get("DRILLYARD_COSTS_THREADS")
        self._threads = int(threads or min(4, os.cpu_count() or 1))
        for setting, value in {
            "memory_limit": memory_limit(),
            "temp_directory": str(scratch),
            "preserve_insertion_order": "false",
            "TimeZone": "UTC",
            "autoinstall_known_extensions": "false",
            "allocator_background_threads": "true",
            **({"threads": threads} if threads else {}),
        }.items():
            self._raw.execute(f"SET {setting} = '{value}'")
        self._views = 0

    def read(self, files: Delivered) -> tuple[ir.Table, dict[str, str]]:
        self._views += 1
        view = f"delivered_{self._views}"
        paths = "[" + ", ".join(_quoted(p) for p in files.paths) + "]"
        if files.kind == "parquet":
            self._raw.execute(
                f"CREATE TEMP VIEW {view} AS SELECT *, {_NUMBER} AS {ROW} FROM read_parquet({paths}, union_by_name = true)"
            )
            table = self.con.table(view)
            return table, _landed_names(table, files) if files.landed else parquet_names(table)
        names = positional(files.columns)
        columns = "{" + ", ".join(f"'{c}': 'VARCHAR'" for c in names) + "}"
        self._raw.execute(
            f"CREATE TEMP VIEW {view} AS SELECT * FROM read_csv({paths}, auto_detect = false, header = true, "
            f"delim = {_quoted(files.delimiter)}, quote = '\"', escape = '\"', nullstr = ['', 'NULL', 'null'], "
            f"columns = {columns}, compression = '{'gzip' if files.gzip else 'none'}', "
            "max_line_size = 1048576, buffer_size = 8388608)"
        )
        return self.con.table(view), names

    def land(self, files: Delivered, used: Sequence[str]) -> str:
        """Copy the used columns of a CSV file to Parquet, as text, and return its path: CSV is read once, not in every pass.

        Raises duckdb.Error for a file whose structure is damaged. The copy goes with the engine's scratch folder.
        """
        import pyarrow as pa

        from include.costs.parquet import write_parts

        self._landed += 1
        target = self._scratch / f"landed-{self._landed}"
        target.mkdir()
        table, _ = self.read(files)
        batches = self._raw.sql(self.con.compile(table.select(*used))).to_arrow_reader(LANDED_ROWS)
        write_parts(batches, lambda batch: pa.Table.from_batches([batch]), target, self._threads)
        return str(target / "*.parquet")

    def fetch(self, table: ir.Table) -> pa.Table:
        # Not `to_pyarrow`: that imports pandas, for half a second and 60 MB that nothing here needs.
        return self._raw.sql(self.con.compile(table)).to_arrow_table()

    def keep(self, table: ir.Table) -> ir.Table:
        """Run, and keep the result as a table of the embedded database."""
        self._kept += 1
        name = f"kept_{self._kept}"
        self._raw.execute(f"CREATE TEMP TABLE {name} AS {self.con.compile(table)}")
        return self.con.table(name)

    def drop(self, name: str) -> None:
        """Forget a table that was kept."""
        self._raw.execute(f"DROP TABLE {name}")

    def bind(self, table: ir.Table) -> None:
        """Resolve an expression against its files without reading their rows. Raises duckdb.Error where that fails."""
        self._raw.execute(f"EXPLAIN {self.con.compile(table)}")

    def lookup(self, name: str, columns: dict[str, list[str | None]]) -> ir.Table:
        # As parameters, not as Arrow: `pyarrow.array` of a Python list imports pandas, for a second that nothing here needs.
        shown = ", ".join(f"unnest(CAST(? AS VARCHAR[])) AS {column}" for column in columns)
        self._raw.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {shown}", list(columns.values()))
        return self.con.table(name)

    def write(self, table: ir.Table, directory: Path, keyed: Keyed, filled: frozenset[str] = frozenset()) -> None:
        from include.costs.coded import origin, split
        from include.costs.parquet import ROWS, Layout, write_parts

        directory.mkdir(parents=True, exist_ok=True)
        apart = split(table, keyed)
        # Columns of the same expression are computed once.
        first: dict[object, str] = {}
        by_row = {name: first.setdefault(origin(value.op()), name) for name, value in apart.by_row.items()}
        masks = {name: f"{name}_shown" for name in apart.masked}
        batches = table.select(
            NUMBER,
            **{name: apart.by_row[name] for name in first.values()},
            **{mask: table[name].notnull() for name, mask in masks.items()},
        )
        order = [name for name in table.columns if name != NUMBER]
        layout = Layout(order, self._by_key(keyed, apart), masks, by_row, NUMBER, filled)
        reader = self._raw.sql(self.con.compile(batches)).to_arrow_reader(ROWS)
        write_parts(reader, layout.rows, directory, self._threads)

    def _by_key(self, keyed: Keyed, apart: Split) -> dict[str, ByKey]:
        """The values of the columns that follow from the keys."""
        from include.costs.parquet import ByKey

        wanted = apart.by_key | apart.masked
        first: dict[object, str] = {}
        same = {name: first.setdefault(value.op(), name) for name, value in wanted.items()}
        names, keys = list(first.values()), self._raw.execute(f"SELECT count(*) FROM {keyed.table.get_name()}").fetchall()[0][0]
        made: dict[str, ByKey] = {}
        # So many columns at a time that their texts fit.
        step = max(1, 2_000_000 // max(keys, 1))
        for at in range(0, len(names), step):
            some = {name: wanted[name] for name in names[at : at + step]}
            found = self.fetch(keyed.table.select(NUMBER, **some).order_by(NUMBER))
            made |= {name: ByKey(found[name]) for name in some}
        return {name: made[of] for name, of in same.items()}

    def run(self, sql: str) -> Any:
        """Run a statement of our own on the embedded database."""
        return self._raw.execute(sql)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The result of a query as dictionaries; for small results."""
        found = self._raw.execute(sql)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def load(self, name: str, rows: list[dict[str, Any]], columns: Sequence[str]) -> None:
        """Make a small table of text columns from dictionaries."""
        self.lookup(name, {column: [row[column] for row in rows] for column in columns})

    def insert(self, name: str, columns: Sequence[str], engine: Engine, table: ir.Table) -> None:
        """Append what an expression gives; without leaving the database when it runs on this engine."""
        listed = ", ".join(columns)
        if engine is self:
            self._raw.execute(f"INSERT INTO {name} ({listed}) SELECT {listed} FROM ({self.con.compile(table)})")
            return
        self._raw.register("given", engine.fetch(table))
        self._raw.execute(f"INSERT INTO {name} ({listed}) SELECT {listed} FROM given")
        self._raw.unregister("given")


class SparkEngine:
    """Apache Spark on this machine, or wherever ``DRILLYARD_SPARK_MASTER`` says."""

    name = "spark"
    fast_doubles = False

    def __init__(self, session: Any, scratch: Path) -> None:
        import ibis

        self._session = session
        self._scratch = scratch
        self.con: Any = ibis.pyspark.connect(session)
        self._views = 0

    def read(self, files: Delivered) -> tuple[ir.Table, dict[str, str]]:
        self._views += 1
        view = f"delivered_{self._views}"
        if files.kind == "parquet":
            frame = self._session.read.option("mergeSchema", "true").parquet(*files.paths)
            frame.createOrReplaceTempView(view)
            table = self.con.table(view)
            return table, _landed_names(table, files) if files.landed else parquet_names(table)
        raise ValueError("CSV is landed as Parquet before Spark reads it")

    def fetch(self, table: ir.Table) -> pa.Table:
        return table.to_pyarrow()

    def lookup(self, name: str, columns: dict[str, list[str | None]]) -> ir.Table:
        import pyarrow as pa
        import pyarrow.parquet as pq

        # As a file, because rows handed over directly would need Python workers on the Java side.
        path = self._scratch / f"{name}.parquet"
        pq.write_table(pa.table({column: pa.array(values, pa.string()) for column, values in columns.items()}), path)
        self._session.read.parquet(str(path)).createOrReplaceTempView(name)
        return self.con.table(name)

    def write(self, table: ir.Table, directory: Path, keyed: Keyed, filled: frozenset[str] = frozenset()) -> None:
        del keyed, filled
        frame = self._session.sql(self.con.compile(table.drop(NUMBER)))
        frame.write.mode("overwrite").option("compression", "zstd").parquet(str(directory))


def _landed_names(table: ir.Table, files: Delivered) -> dict[str, str]:
    return {column: name for column, name in positional(files.columns).items() if column in table.columns}


def positional(columns: tuple[str, ...]) -> dict[str, str]:
    """``c0``, ``c1``, ...: a CSV may have two columns whose names differ in case only."""
    return {f"c{i}": original for i, original in enumerate(columns)}


def parquet_names(table: ir.Table) -> dict[str, str]:
    """Columns and struct fields (behind a dot) of a Parquet table; each is its own name."""
    from include.costs.source import flatten

    return {name: name for name in flatten(table.schema()) if name != ROW}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _duckdb(scratch: Path) -> tuple[Engine, Any]:
    engine = DuckDBEngine(scratch)
    return engine, engine.con.disconnect


def _spark(scratch: Path) -> tuple[Engine, Any]:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    from include.costs.spark_gateway import Gateway, forget

    gateway = Gateway(scratch)
    builder = SparkSession.builder.master(os.environ.get("DRILLYARD_SPARK_MASTER") or "local[2]").appName("drillyard-costs")
    for key, value in {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "8",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.local.dir": str(scratch),
    }.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")

    def close() -> None:
        session.stop()
        forget(SparkContext)
        gateway.stop()

    return SparkEngine(session, scratch), close
