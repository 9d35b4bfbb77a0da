"""FOCUS 1.2 files: every usable row with its transfer class, as partitioned Parquet."""

from __future__ import annotations

import shutil
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.costs import money
from include.costs.classify import NOT_TRANSFER
from include.costs.coded import NUMBER, Keyed, by_key, origin
from include.costs.columns import FILLED, FOCUS_COLUMNS, KEY, KINDS, PARTS, PROVIDER_COLUMNS
from include.costs.gather import hash_of
from include.costs.parquet import KeylessRow
from include.costs.source import is_null

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    import ibis.expr.types as ir

    from include.costs.bill import Bill

OWN = (
    "x_TransferClass",
    "x_TransferFrom",
    "x_TransferTo",
    "x_TransferGB",
    "x_TransferRule",
    "x_ServiceCode",
    "x_UsageType",
    "x_Operation",
    "x_ChargeKind",
)
HASH = "x_Hash"
"""Of keys: 64 bits of what tells them apart."""
_OUTCOME = ("Class", "Origin", "Destination", "Rule", "GB", "Category", "Subcategory")
_PREFERRED = (
    "x_UsageType",
    "x_ServiceCode",
    "x_KeyText",
    "PricingUnit",
    "RegionId",
    "ServiceName",
    "x_Operation",
    "ProviderName",
)


def write_focus(bill: Bill, directory: Path, month: str | None = None) -> None:
    """Write accepted rows below `directory`: one folder for each source, in it one for each billing month (or only `month`).

    A month is written by a query of its own: a partitioned write would hold the buffers of all months at once.
    """
    covered = {i.file.name: {f"{s.month:%Y-%m}": s.month for s in i.slices} for i in bill.inspected}
    for number, accepted in enumerate(bill.accepted):
        months = {name: day for file in accepted.files for name, day in covered[file.name].items()}
        wanted = {name: day for name, day in sorted(months.items()) if month in (None, name)}
        source = directory / f"source={number:03d}-{accepted.files[0].shape}"
        rows, keys = bill.rows_of(accepted), None
        try:
            keys = keys_of(bill, rows)
            _write(bill, focus_table(bill, rows, keys, number), source, wanted, len(months) == 1)
        except KeylessRow:
            # Files whose columns are of different types can spell a value in another way together than each alone.
            shutil.rmtree(source)
            _write(bill, focus_table(bill, rows, None, number), source, wanted, len(months) == 1)
        finally:
            if keys is not None:
                bill.desk.drop(keys.get_name())


def _write(bill: Bill, made: tuple[ir.Table, Keyed], source: Path, months: dict[str, date], whole: bool) -> None:
    table, keyed = made
    for name, day in months.items():
        part = table if whole else table.filter(table["BillingPeriodStart"].date().truncate("M") == day)
        bill.engine.write(part, source / f"billing_month={name}", keyed, FILLED)


MOST_KEYS = 500_000
"""With more, rows and keys are nearly the same, and the codes would take too much memory."""


def keys_of(bill: Bill, rows: ir.Table) -> ir.Table | None:
    """The keys of all groups that these rows can be in, numbered, with class and `HASH`; None where that cannot be had."""
    import ibis

    if bill.engine is not bill.desk:
        return None
    groups, classes = bill.desk.con.table("groups"), bill.desk.con.table("classes")
    missing = [name for name in (*KEY, *PARTS) if name not in rows.columns]
    found = groups.filter([groups[name].isnull() for name in missing]).select(*KEY, *PARTS).distinct()
    joined = found.join(classes, [found[name].identical_to(classes[name]) for name in bill.on_key])
    outcome = {name: joined[name] for name in _OUTCOME if name != "GB"} | {"GB": joined["GB"].cast("decimal(19,9)")}
    keys = joined.select(
        **{NUMBER: ibis.row_number().over(ibis.window()).cast("int32"), HASH: hash_of([found[n] for n in _telling(bill, rows)])},
        **{name: found[name] for name in (*KEY, *PARTS)},
        **outcome,
    )
    keyed = Keyed(keys, tuple(_known(rows, keys)))
    flags = {name: by_key(flag, keyed) for name, flag in _flags(_category(_given(rows, rows))).items()}
    kept = bill.desk.keep(keys.mutate(**{name: flag for name, flag in flags.items() if flag is not None}))
    ((counted, distinct),) = bill.desk.run(f"SELECT count(*), count(DISTINCT {HASH}) FROM {kept.get_name()}").fetchall()
    if counted == distinct <= MOST_KEYS:
        return kept
    bill.desk.drop(kept.get_name())
    return None


def _telling(bill: Bill, rows: ir.Table) -> list[str]:
    """The columns of these rows that tell their keys apart. At least one."""
    present = tuple(name for name in (*KEY, *PARTS) if name in rows.columns)
    return list(bill.varying(present))


def focus_table(bill: Bill, rows: ir.Table, keys: ir.Table | None, number: int) -> tuple[ir.Table, Keyed]:
    """Rows with all FOCUS columns in order, the 1.3 provider columns, ours, and the number of their key; and these keys."""
    import ibis

    usable = without_twins(rows.filter(rows["x_Bad"].isnull()), rows)
    if keys is None:
        by = deciding(bill.classes, [name for name in KEY if name in rows.columns])
        lookup = _lookup(bill, by, number)
        lookup = lookup.mutate(GB=lookup["GB"].cast("decimal(19,9)"))
        joined = usable.left_join(lookup, [usable[name].fill_null("") == lookup[f"k_{name}"] for name in by])
        keyed = Keyed(bill.engine.lookup(f"no_keys_{number}", {NUMBER: ["0"]}), ())
        row_number: ir.Value = ibis.literal(0).cast("int32")
    else:
        joined = usable.left_join(keys, hash_of([usable[name] for name in _telling(bill, rows)]) == keys[HASH])
        keyed = Keyed(keys, tuple(_known(usable, keys)))
        row_number = joined[NUMBER]
    whole = _defaults(joined, usable)
    gb = joined["PricingQuantity"] if "PricingQuantity" in usable.columns else ibis.null(money.QUANTITY)
    factor = joined["GB"]
    values: dict[str, ir.Value] = {name: whole[name].cast(KINDS[kind]) for name, kind in FOCUS_COLUMNS.items()}
    values["ServiceProviderName"] = whole["ProviderName"]
    values["HostProviderName"] = whole["PublisherName"]
    values["x_TransferClass"] = joined["Class"].fill_null(NOT_TRANSFER)
    values["x_TransferFrom"] = joined["Origin"]
    values["x_TransferTo"] = joined["Destination"]
    other = (gb.try_cast("decimal(19,9)") * factor).cast(money.QUANTITY)
    none = ibis.null(money.QUANTITY)
    values["x_TransferGB"] = ibis.cases((factor.isnull(), none), (factor == 1, gb.cast(money.QUANTITY)), else_=other)
    values["x_TransferRule"] = joined["Rule"]
    for name in OWN[5:]:
        values[name] = joined[name] if name in usable.columns else ibis.null("string")
    ordered = (*FOCUS_COLUMNS, *PROVIDER_COLUMNS, *OWN)
    return joined.select(**{name: values[name] for name in ordered}, **{NUMBER: row_number}), keyed


def _known(usable: ir.Table, keys: ir.Table) -> Iterator[tuple[ir.Value, ir.Value]]:
    """Columns of the rows with the same value by key."""
    import ibis.expr.operations as ops

    yield from ((usable[name], keys[name]) for name in (*KEY, *PARTS) if name in usable.columns)
    yield from ((keys[name], keys[name]) for name in keys.columns)
    start = usable["BillingPeriodStart"]
    if isinstance(origin(start.op()), ops.TimestampTruncate):
        yield start, keys["x_Month"].cast(start.type())  # cut to the month already: its date loses nothing


TWINS = dict.fromkeys(("ContractedCost", "EffectiveCost", "ListCost"), "BilledCost") | {"ConsumedUnit": "PricingUnit"}
"""Columns that many exports give by the same expression as another one: then it is computed once and written twice."""


def without_twins(usable: ir.Table, rows: ir.Table) -> ir.Table:
    """The rows without columns that equal their twin; `_defaults` takes the twin for a column that is not there."""
    values = getattr(rows.op(), "values", {})
    gone = [n for n, twin in TWINS.items() if n in values and twin in values and values[n] == values[twin]]
    return usable.drop(*gone) if gone else usable


def _defaults(joined: ir.Table, usable: ir.Table) -> dict[str, ir.Value]:
    """FOCUS columns of a joined row; mandatory ones filled where the export leaves them out.

    Sources: FOCUS 1.2 column requirements. Where an export gives no price but a cost and a quantity, nothing is invented:
    the unit prices stay NULL.
    """
    import ibis

    whole = _given(joined, usable)
    whole["ChargeCategory"] = _category(whole)
    flags = {n: joined[n] if n in joined.columns else flag for n, flag in _flags(whole["ChargeCategory"]).items()}
    usage, priced = flags["x_IsUsage"], flags["x_IsPriced"]
    none = ibis.null("string")
    whole["ServiceCategory"] = whole["ServiceCategory"].fill_null(joined["Category"]).fill_null("Other")
    other = ibis.literal("Other (") + whole["ServiceCategory"] + ")"
    whole["ServiceSubcategory"] = whole["ServiceSubcategory"].fill_null(other)
    whole["ServiceName"] = whole["ServiceName"].fill_null("(not named)")
    whole["ChargeDescription"] = whole["ChargeDescription"].fill_null(whole["SkuMeter"]).fill_null(whole["ServiceName"])
    whole["ChargePeriodEnd"] = whole["ChargePeriodEnd"].fill_null(whole["ChargePeriodStart"] + ibis.interval(days=1))
    whole["BillingAccountId"] = whole["BillingAccountId"].fill_null("(not named)")
    whole["BillingAccountName"] = whole["BillingAccountName"].fill_null(whole["BillingAccountId"])
    whole["BillingAccountType"] = whole["BillingAccountType"].fill_null("Billing account")
    sub = ibis.cases((whole["SubAccountId"].notnull(), "Sub account"), else_=none)
    whole["SubAccountType"] = whole["SubAccountType"].fill_null(sub)
    whole["PricingUnit"] = ibis.cases((priced, whole["PricingUnit"].fill_null("Units")), else_=none)
    one, nothing = ibis.literal(1).cast(money.QUANTITY), ibis.null(money.QUANTITY)
    whole["PricingQuantity"] = ibis.cases((priced, whole["PricingQuantity"].fill_null(one)), else_=nothing)
    whole["PricingCategory"] = ibis.cases((priced, whole["PricingCategory"].fill_null("Standard")), else_=none)
    consumed = usage & whole["ConsumedQuantity"].notnull()
    whole["ConsumedUnit"] = ibis.cases((consumed, whole["ConsumedUnit"].fill_null(whole["PricingUnit"])), else_=none)
    whole["ConsumedQuantity"] = ibis.cases((usage, whole["ConsumedQuantity"]), else_=nothing)
    if not is_null(whole["ResourceType"]):
        whole["ResourceType"] = ibis.cases((whole["ResourceId"].isnull(), none), else_=whole["ResourceType"])
    whole["RegionName"] = ibis.cases((whole["RegionId"].isnull(), none), else_=whole["RegionName"].fill_null(whole["RegionId"]))
    return whole


def _given(joined: ir.Table, usable: ir.Table) -> dict[str, ir.Value]:
    """FOCUS columns of a joined row as the export gives them; NULL where it does not."""
    import ibis

    def given(name: str, kind: str) -> ir.Value:
        twin = name if name in usable.columns else TWINS.get(name, name)
        return joined[twin] if twin in usable.columns else ibis.null(KINDS[kind])

    return {n: given(n, k) for n, k in FOCUS_COLUMNS.items()}


def _category(whole: dict[str, ir.Value]) -> ir.Value:
    return whole["ChargeCategory"].fill_null("Usage")


def _flags(category: ir.Value) -> dict[str, ir.Value]:
    """What decides which quantities and units a charge has; the keys tell it, so that no row's text need be compared."""
    return {"x_IsUsage": category == "Usage", "x_IsPriced": category.isin(["Usage", "Purchase"])}


def deciding(classes: list[dict[str, Any]], present: list[str]) -> tuple[str, ...]:
    """The fewest key columns that still decide the outcome for every key of this bill: a join on one or two, not on twelve."""
    order = [n for n in _PREFERRED if n in present] + [n for n in present if n not in _PREFERRED]
    for size in (1, 2, 3):
        for chosen in combinations(order, size):
            if _decides(classes, chosen):
                return chosen
    return tuple(present)


def _decides(classes: list[dict[str, Any]], by: tuple[str, ...]) -> bool:
    seen: dict[tuple[str, ...], tuple[Any, ...]] = {}
    for row in classes:
        key = tuple(row[name] or "" for name in by)
        outcome = tuple(row[name] for name in _OUTCOME)
        if seen.setdefault(key, outcome) != outcome:
            return False
    return True


def _lookup(bill: Bill, by: tuple[str, ...], number: int) -> ir.Table:
    distinct = {tuple(row[name] or "" for name in by): tuple(row[name] for name in _OUTCOME) for row in bill.classes}
    names = [*(f"k_{name}" for name in by), *_OUTCOME]
    rows = [(*key, *outcome) for key, outcome in distinct.items()]
    return bill.engine.lookup(f"classes_{number}", {name: [row[i] for row in rows] for i, name in enumerate(names)})
