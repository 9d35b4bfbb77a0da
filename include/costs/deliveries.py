"""Which deliveries count: second copies are left out, restated files replace what they restate, and everything is named."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from include.costs.doubled import Doubled
from include.costs.doubled import find as find_doubled
from include.costs.headers import COST_DETAILS
from include.costs.inspection import Inspected, table_of
from include.costs.intake import BillingFile
from include.values import Frozen

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from include.costs.engines import Engine
    from include.costs.settings import CostSettings

RESTATES_FROM = 0.5
"""A file restates another one when it repeats at least this share of the other's charges (same day, resource, price and kind;
the amounts do not matter). Parts of one delivery share none."""
_IDENTITY = (
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "SubAccountId",
    "ResourceId",
    "SkuId",
    "SkuPriceId",
    "x_UsageType",
    "x_Operation",
    "x_ChargeKind",
    "ChargeDescription",
    "RegionId",
    "BillingCurrency",
)
_BESIDE = ("x_Bad", "x_Month", "x_Day", "BillingAccountId")


class Replaced(Frozen):
    """A file, or some of its days, that another one takes the place of."""

    file: str
    by: str
    reason: str
    month: date | None = None
    days: tuple[date, ...] = ()
    """Empty: the whole month of the account (or the whole file)."""
    account: str | None = None
    rows: int = 0


class Accepted(Frozen):
    """Files that are read together, and what of them is left out."""

    files: tuple[BillingFile, ...]
    mode: str = "alone"
    without: tuple[Replaced, ...] = ()


class Chosen(Frozen):
    """The decision over all files."""

    accepted: tuple[Accepted, ...]
    replaced: tuple[Replaced, ...]
    doubled: tuple[Doubled, ...] = ()


def choose(engine: Engine, found: list[Inspected], settings: CostSettings) -> Chosen:
    """Decide over inspected files. Every file ends in `accepted`, `replaced` or `doubled`, some (partly restated ones) in two."""
    kept, replaced = _without_copies(found)
    modes = _modes(kept)
    without: dict[str, list[Replaced]] = {}
    for older, newer, account, month in _rivals(kept, modes):
        gone = _restated(engine, older, newer, account, month, settings)
        if gone is not None:
            replaced.append(gone)
            without.setdefault(older.file.name, []).append(gone)
    doubled = find_doubled(kept, replaced, modes)
    for double in doubled:
        if double.same:
            part = Replaced(file=double.file, by=double.by, reason=double.reason, month=double.month, account=double.account)
            without.setdefault(double.file, []).append(part)
    groups: dict[tuple[object, ...], list[BillingFile]] = {}
    for one in kept:
        if one.rows and one.rows == sum(d.rows for d in doubled if d.same and d.file == one.file.name):
            continue
        gone_parts = tuple(without.get(one.file.name, ()))
        f = one.file
        alike = (
            f.shape,
            f.kind,
            f.columns,
            f.kinds,
            f.delimiter,
            f.gzip,
            f.day_first,
            f.decimal_comma,
            modes[f.name],
            gone_parts,
        )
        groups.setdefault(alike, []).append(f)
    accepted = [Accepted(files=tuple(files), mode=str(alike[-2]), without=alike[-1]) for alike, files in groups.items()]
    return Chosen(accepted=tuple(accepted), replaced=tuple(replaced), doubled=tuple(doubled))


def _without_copies(found: list[Inspected]) -> tuple[list[Inspected], list[Replaced]]:
    kept: list[Inspected] = []
    gone: list[Replaced] = []
    by_digest: dict[str, Inspected] = {}
    for one in found:
        twin = by_digest.get(one.file.digest) if one.file.digest else None
        if twin is None:
            by_digest[one.file.digest] = one
            kept.append(one)
        else:
            reason = "a second delivery of the same content"
            gone.append(Replaced(file=one.file.name, by=twin.file.name, reason=reason, rows=one.rows))
    return kept, gone


def _modes(found: list[Inspected]) -> dict[str, str]:
    """Azure's actual and amortised exports of one account and month are two views of one bill, not two bills."""
    actual = {(s.account, s.month) for i in found if i.file.shape == COST_DETAILS and not i.amortised for s in i.slices}
    amortised = {(s.account, s.month) for i in found if i.file.shape == COST_DETAILS and i.amortised for s in i.slices}
    modes = {}
    for one in found:
        scopes = {(s.account, s.month) for s in one.slices}
        if one.amortised and scopes & actual:
            modes[one.file.name] = "amortised"
        elif one.file.shape == COST_DETAILS and not one.amortised and scopes & amortised:
            modes[one.file.name] = "actual"
        else:
            modes[one.file.name] = "alone"
    return modes


def age(file: BillingFile) -> tuple[object, ...]:
    """Sorts deliveries from old to new: words such as ``restated``, time stamps in the path, modification time, name."""
    word = bool(re.search(r"restate|revis|correct|amended|[-_. ]final|[-_. ]late", file.name, re.IGNORECASE))
    stamps = re.findall(r"(?<!\d)(20\d{2}-?[01]\d-?[0-3]\d[T_ -]?[0-2]\d[:.-]?[0-5]\d(?:[:.-]?[0-5]\d)?)", file.name)
    stem = re.sub(r"\.(csv|parquet|gz|snappy|txt)", "", file.name, flags=re.IGNORECASE)
    natural = tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", stem) if part)
    return (word, re.sub(r"\D", "", stamps[-1]).ljust(14, "0") if stamps else "", file.modified, natural)


def _rivals(found: list[Inspected], modes: dict[str, str]) -> list[tuple[Inspected, Inspected, str, date]]:
    """Pairs (older, newer) of the same shape that cover the same account, month and at least one common day."""
    pairs = []
    ordered = sorted(found, key=lambda i: age(i.file))
    for at, older in enumerate(ordered):
        for newer in ordered[at + 1 :]:
            if older.file.shape != newer.file.shape or modes[older.file.name] != modes[newer.file.name]:
                continue
            scopes = {
                (a.account, a.month)
                for a in older.slices
                for b in newer.slices
                if (a.account, a.month, a.provider) == (b.account, b.month, b.provider)
                and a.first_day <= b.last_day
                and b.first_day <= a.last_day
            }
            pairs += [(older, newer, account, month) for account, month in sorted(scopes)]
    return pairs


def _restated(
    engine: Engine, older: Inspected, newer: Inspected, account: str, month: date, settings: CostSettings
) -> Replaced | None:
    """What of `older` the `newer` file restates: the month, some days, or nothing."""
    tables = [table_of(engine, (one.file,), settings, "alone", (*_IDENTITY, *_BESIDE)) for one in (older, newer)]
    # Only by what both have: two versions of an export differ in columns, and a restated month may come in the newer one.
    by = [name for name in _IDENTITY if all(name in table.columns for table in tables)]
    old, new = (_identities(table, by, account, month) for table in tables)
    both = old.semi_join(new, ["day", "identity"]).group_by("day").agg(common=lambda t: t.count())
    days = old.group_by("day").agg(total=lambda t: t.count()).left_join(both, "day").select("day", "total", "common")
    counts = {row["day"]: (row["total"], row["common"] or 0) for row in engine.fetch(days).to_pylist()}
    total, common = sum(t for t, _ in counts.values()), sum(c for _, c in counts.values())
    rows = sum(s.rows for s in older.slices if (s.account, s.month) == (account, month))
    share = common / total if total else 0.0
    if share >= RESTATES_FROM:
        reason = f"restated: {share:.0%} of its charges of {month:%Y-%m} come again"
        return Replaced(file=older.file.name, by=newer.file.name, reason=reason, month=month, account=account, rows=rows)
    again = tuple(sorted(day for day, (t, c) in counts.items() if c / t >= RESTATES_FROM))
    if not again:
        return None
    reason = f"restated in part: {len(again)} of its {len(counts)} days of {month:%Y-%m} come again"
    return Replaced(file=older.file.name, by=newer.file.name, reason=reason, month=month, account=account, days=again, rows=0)


def _identities(rows: ir.Table, by: list[str], account: str, month: date) -> ir.Table:
    import ibis

    mine = rows.filter(rows["x_Bad"].isnull() & (rows["x_Month"] == month))
    if "BillingAccountId" in rows.columns:
        mine = mine.filter(mine["BillingAccountId"].fill_null("") == account)
    parts = [mine[name].cast("string").fill_null("") for name in by]
    return mine.select(day=mine["x_Day"], identity=ibis.literal("\x1f").join(parts)).distinct()


def apply(rows: ir.Table, without: tuple[Replaced, ...]) -> ir.Table:
    """Rows less what other files restate."""
    import ibis

    for gone in without:
        hit = (rows["x_Month"] == gone.month).fill_null(ibis.literal(False))
        if "BillingAccountId" in rows.columns:
            hit = hit & (rows["BillingAccountId"].fill_null("") == gone.account)
        if gone.days:
            hit = hit & rows["x_Day"].isin(list(gone.days))
        rows = rows.filter(~hit)
    return rows
