"""FOCUS 1.2 files: every usable row with its transfer class, as partitioned Parquet."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.costs import money
from include.costs.classify import NOT_TRANSFER
from include.costs.columns import FOCUS_COLUMNS, KEY, KINDS, PARTS, PROVIDER_COLUMNS
from include.costs.few import few_values

if TYPE_CHECKING:
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
        table, few = focus_table(bill, bill.rows_of(accepted), number)
        for name, day in sorted(months.items()):
            if month in (None, name):
                part = table if len(months) == 1 else table.filter(table["BillingPeriodStart"].date().truncate("M") == day)
                folder = directory / f"source={number:03d}-{accepted.files[0].shape}" / f"billing_month={name}"
                bill.engine.write(part, folder, few)


def focus_table(bill: Bill, rows: ir.Table, number: int) -> tuple[ir.Table, dict[str, tuple[str, ...]]]:
    """Rows with all FOCUS columns in order, the 1.3 provider columns and ours; and which of them hold few values only."""
    import ibis

    usable = without_twins(rows.filter(rows["x_Bad"].isnull()), rows)
    present = [name for name in KEY if name in rows.columns]
    by = deciding(bill.classes, present)
    lookup = _lookup(bill, by, number)
    lookup = lookup.mutate(GB=lookup["GB"].cast("decimal(19,9)"))
    joined = usable.left_join(lookup, [usable[name].fill_null("") == lookup[f"k_{name}"] for name in by])
    whole = _defaults(joined)
    gb = joined["PricingQuantity"] if "PricingQuantity" in joined.columns else ibis.null(money.QUANTITY)
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
        values[name] = joined[name] if name in joined.columns else ibis.null("string")
    ordered = (*FOCUS_COLUMNS, *PROVIDER_COLUMNS, *OWN)
    table = joined.select(**{name: values[name] for name in ordered})
    return table, few_values(table, _known(bill, rows, lookup))


def _known(bill: Bill, rows: ir.Table, lookup: ir.Table) -> list[tuple[ir.Value, frozenset[str]]]:
    """The text columns of the rows that the groups have, and of the classes, with all their values."""
    names = [name for name in (*KEY, *PARTS) if name != "x_Month" and name in rows.columns]
    lists = [f"list(DISTINCT {name}) FILTER ({name} IS NOT NULL)" for name in names]
    (found,) = bill.desk.run(f"SELECT {', '.join(lists)} FROM groups").fetchall()
    known = [(rows[name], frozenset(values or ())) for name, values in zip(names, found, strict=True)]
    outcomes = [name for name in _OUTCOME if lookup[name].type().is_string()]
    return known + [(lookup[n], frozenset(c[n] for c in bill.classes if c[n] is not None)) for n in outcomes]


TWINS = dict.fromkeys(("ContractedCost", "EffectiveCost", "ListCost"), "BilledCost") | {"ConsumedUnit": "PricingUnit"}
"""Columns that many exports give by the same expression as another one: then it is computed once and written twice."""


def without_twins(usable: ir.Table, rows: ir.Table) -> ir.Table:
    """The rows without columns that equal their twin; `_defaults` takes the twin for a column that is not there."""
    values = getattr(rows.op(), "values", {})
    gone = [n for n, twin in TWINS.items() if n in values and twin in values and values[n] == values[twin]]
    return usable.drop(*gone) if gone else usable


def _defaults(joined: ir.Table) -> dict[str, ir.Value]:
    """FOCUS columns of a joined row; mandatory ones filled where the export leaves them out.

    Sources: FOCUS 1.2 column requirements. Where an export gives no price but a cost and a quantity, nothing is invented:
    the unit prices stay NULL.
    """
    import ibis

    def given(name: str, kind: str) -> ir.Value:
        twin = name if name in joined.columns else TWINS.get(name, name)
        return joined[twin] if twin in joined.columns else ibis.null(KINDS[kind])

    whole = {n: given(n, k) for n, k in FOCUS_COLUMNS.items()}
    whole["ChargeCategory"] = whole["ChargeCategory"].fill_null("Usage")
    usage = whole["ChargeCategory"] == "Usage"
    priced = whole["ChargeCategory"].isin(["Usage", "Purchase"])
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
    whole["ResourceType"] = ibis.cases((whole["ResourceId"].isnull(), none), else_=whole["ResourceType"])
    whole["RegionName"] = ibis.cases((whole["RegionId"].isnull(), none), else_=whole["RegionName"].fill_null(whole["RegionId"]))
    return whole


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
