"""Finding billing files, recognising them, and putting aside what cannot be used: with its line and the reason."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from include.costs.headers import NotBilling, Signature, canonical, recognise
from include.values import Frozen

_SIDECARS = (
    "manifest.json",
    "-manifest.json",
    "_manifest.json",
    ".md",
    ".sql",
    "_success",
    ".crc",
    "_metadata",
    "_common_metadata",
)
"""Files that vendors and engines put beside their exports; they hold no charges. Names begun with a dot are left alone too."""
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"


class Quarantined(Frozen):
    """A file, or a row of one, that is not in the totals."""

    file: str
    reason: str
    line: int | None = None
    """Line of the file, header included, counted from 1; None where the fault has no line."""
    rows: int | None = None
    """Rows put aside: 1 for a row; the readable ones of a file, None where nobody can count them."""
    what: str = "file"
    """``file`` or ``row``."""


class BillingFile(Frozen):
    """A readable delivery: what it is and how to read it."""

    path: str
    name: str
    """Path below the billing directory: how people know it."""
    kind: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    """Parquet only: the type of each column. Files are read together only where these are the same."""
    shape: str
    title: str
    delimiter: str = ","
    gzip: bool = False
    day_first: bool = False
    decimal_comma: bool = False
    """Numbers are written ``1.234,5``."""
    digest: str = ""
    """SHA-256 of the content, decompressed: a second delivery of the same bytes is known by it. Empty for the only file of
    its shape, which can be no second delivery; gzip data is always read through, to see that it is whole."""
    modified: float = 0.0
    size: int = 0
    landed: str | None = None
    """The Parquet copy that is read instead of a CSV file."""


class Intake(Frozen):
    """What a billing directory holds."""

    files: tuple[BillingFile, ...]
    quarantined: tuple[Quarantined, ...]
    ignored: tuple[str, ...]
    """Manifests and other companions of exports."""


def take_in(directory: Path) -> Intake:
    """Look at every file below a directory. Never raises for a file's sake. Raises FileNotFoundError for no directory."""
    if not directory.is_dir():
        raise FileNotFoundError(f"no billing directory {directory}; give a folder with exports (see docs/egress-costs.md)")
    files, aside, ignored = [], [], []
    # Several places lie here as links, one for each folder.
    places = [directory, *(p for p in directory.iterdir() if p.is_symlink() and p.is_dir())]
    for path in sorted({p for place in places for p in place.rglob("*") if p.is_file()}):
        name = str(path.relative_to(directory))
        if path.name.startswith(".") or path.name.lower().endswith(_SIDECARS):
            ignored.append(name)
            continue
        try:
            files.append(look_at(path, name))
        except Unreadable as fault:
            aside.append(Quarantined(file=name, reason=str(fault), line=fault.line, rows=fault.rows))
    alone = {shape for shape, count in Counter(f.shape for f in files).items() if count == 1}
    files = [f if f.digest or f.shape in alone else f.model_copy(update={"digest": digest_of(Path(f.path))}) for f in files]
    return Intake(files=tuple(files), quarantined=tuple(aside), ignored=tuple(ignored))


class Unreadable(ValueError):
    """A file that cannot be used as a whole."""

    def __init__(self, reason: str, *, line: int | None = None, rows: int | None = None) -> None:
        super().__init__(reason)
        self.line = line
        self.rows = rows


def look_at(path: Path, name: str) -> BillingFile:
    """Recognise one file by its first bytes and its columns. Raises Unreadable."""
    zipped = parquet = False
    try:
        with path.open("rb") as file:
            head = file.read(4)
        if not head:
            raise Unreadable("the file is empty", rows=0)
        stat = path.stat()
        parquet = head == _PARQUET
        if parquet:
            columns, kinds = _parquet_columns(path)
            signature = recognise(columns)
            return BillingFile(
                path=str(path), name=name, kind="parquet", columns=tuple(columns), kinds=kinds, shape=signature.shape,
                title=signature.title, modified=stat.st_mtime, size=stat.st_size,
            )  # fmt: skip
        zipped = head[:2] == _GZIP
        columns, delimiter, first = _csv_header(path, zipped=zipped)
        signature = recognise(columns)
        return BillingFile(
            path=str(path), name=name, kind="csv", columns=tuple(columns), shape=signature.shape, title=signature.title,
            delimiter=delimiter, gzip=zipped, day_first=_day_first(columns, first, signature),
            decimal_comma=delimiter != "," and _decimal_comma(columns, first),
            digest=digest_of(path, zipped=True) if zipped else "",
            modified=stat.st_mtime, size=stat.st_size,
        )  # fmt: skip
    except NotBilling as fault:
        raise Unreadable(str(fault), line=None if parquet else 1) from fault
    except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
        raise Unreadable(f"the gzip data is damaged or cut off ({fault})", line=_lines_until_damage(path)) from fault
    except csv.Error as fault:
        raise Unreadable(f"broken CSV within the first 200 rows: {fault}") from fault
    except OSError as fault:
        raise Unreadable(f"cannot be opened: {fault.strerror or fault}") from fault
    except UnicodeDecodeError as fault:
        raise Unreadable(f"not UTF-8 text: {fault.reason} at byte {fault.start}", line=1) from fault


def _parquet_columns(path: Path) -> tuple[list[str], tuple[str, ...]]:
    """Names (with the fields of structs) and types of the columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as fault:
        raise Unreadable(f"the Parquet file is damaged or cut off ({str(fault).splitlines()[0]})") from fault
    return _flat(schema), tuple(str(field.type) for field in schema)


def _flat(fields: object, prefix: str = "") -> list[str]:
    import pyarrow as pa

    names = []
    for field in fields:  # type: ignore[attr-defined]
        names.append(prefix + field.name)
        if pa.types.is_struct(field.type):
            names += _flat([field.type.field(i) for i in range(field.type.num_fields)], prefix + field.name + ".")
    return names


def open_text(path: Path, *, zipped: bool) -> io.TextIOWrapper:
    """The file as UTF-8 text without its byte order mark, newlines untouched."""
    raw = gzip.open(path, "rb") if zipped else path.open("rb")  # noqa: SIM115 - the caller closes the wrapper
    return io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")


def _csv_header(path: Path, *, zipped: bool) -> tuple[list[str], str, list[list[str]]]:
    """Header, delimiter, and up to 200 first rows."""
    with open_text(path, zipped=zipped) as file:
        line = file.readline()
        file.seek(0)
        if not line.strip():
            raise Unreadable("the first line is empty; a header is expected", line=1, rows=0)
        delimiter = max(",;\t|", key=line.count)
        reader = csv.reader(file, delimiter=delimiter)
        header = next(reader)
        rows = [row for row, _ in zip(reader, range(200), strict=False)]
    return [column.strip() for column in header], delimiter, rows


def _day_first(columns: list[str], rows: list[list[str]], signature: Signature) -> bool:
    """True when dates with slashes can only be day first: a first number above 12, and no second one."""
    dates = {canonical(c) for one_of in signature.needs for c in one_of} & {"date", "usagedate", "usagedatetime"}
    dates |= {"billingperiodenddate", "billingperiodend"}
    places = [i for i, column in enumerate(columns) if canonical(column) in dates]
    parts = [row[i].split(" ")[0].split("/") for row in rows for i in places if i < len(row) and row[i].count("/") == 2]
    firsts = [int(p[0]) for p in parts if p[0].isdigit() and len(p[0]) < 3]
    seconds = [int(p[1]) for p in parts if p[1].isdigit()]
    return bool(firsts) and max(firsts) > 12 >= max(seconds, default=0)


def _decimal_comma(columns: list[str], rows: list[list[str]]) -> bool:
    """True when the amounts of the first rows have a comma before their decimals and none has a point there."""
    places = [i for i, column in enumerate(columns) if "cost" in canonical(column) or canonical(column) == "quantity"]
    given = [row[i].strip() for row in rows for i in places if i < len(row)]
    commas = sum(bool(re.fullmatch(r"[+-]?[\d.]*,\d+([eE][+-]?\d+)?", text)) for text in given)
    points = sum(bool(re.fullmatch(r"[+-]?[\d,]*\.\d+([eE][+-]?\d+)?", text)) and "," not in text for text in given)
    return commas > points


def digest_of(path: Path, *, zipped: bool = False) -> str:
    """SHA-256 of the content. Raises EOFError, zlib.error or BadGzipFile when gzip data is cut off or damaged."""
    found = hashlib.sha256()
    with gzip.open(path, "rb") if zipped else path.open("rb") as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)
    return found.hexdigest()


def _lines_until_damage(path: Path) -> int:
    """The line at which damaged gzip data stops."""
    lines = 1
    try:
        with gzip.open(path, "rb") as file:
            while chunk := file.read(1 << 16):
                lines += chunk.count(b"\n")
    except (EOFError, zlib.error, gzip.BadGzipFile):
        pass
    return lines


def first_fault(file: BillingFile) -> tuple[int, str] | None:
    """The first line whose structure is broken, read with Python's strict CSV reader; None when there is none."""
    width = len(file.columns)
    with open_text(Path(file.path), zipped=file.gzip) as text:
        reader = csv.reader(text, delimiter=file.delimiter, strict=True)
        line = 1
        try:
            for row in reader:
                if row and len(row) != width:
                    return line, f"{len(row)} fields where the header has {width}: the file is cut off or damaged here"
                line = reader.line_num + 1
        except csv.Error as fault:
            return line, f"broken CSV: {fault}"
        except UnicodeDecodeError as fault:
            return line, f"not UTF-8 text ({fault.reason})"
    return None


def numbered_rows(file: BillingFile) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with the line they begin at; names are canonical."""
    names = [canonical(column) for column in file.columns]
    with open_text(Path(file.path), zipped=file.gzip) as text:
        reader = csv.reader(text, delimiter=file.delimiter)
        next(reader)
        line = reader.line_num + 1
        for row in reader:
            yield line, dict(zip(names, row, strict=False))
            line = reader.line_num + 1
