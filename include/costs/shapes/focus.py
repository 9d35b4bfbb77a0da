"""FOCUS 1.0 to 1.4 as vendors export it: passed through, with the vendors' own columns where they help to classify.

Extra columns known: AWS ``x_UsageType``, ``x_Operation``, ``x_ServiceCode``; Azure ``x_SkuMeterCategory``,
``x_SkuMeterSubcategory``, ``x_SkuMeterName``; FOCUS 1.2 ``SkuMeter``; FOCUS 1.3 ``ServiceProviderName``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.costs.columns import FOCUS_COLUMNS
from include.costs.source import first

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from include.costs.source import Source


def columns(source: Source, mode: str) -> dict[str, ir.Value]:
    """FOCUS columns as delivered; the costs that a vendor leaves empty follow from the billed one."""
    import ibis

    del mode
    found: dict[str, ir.Value] = {}
    for name, kind in FOCUS_COLUMNS.items():
        spelled = name.lower()
        if not source.has(spelled) and name != "Tags":
            continue
        read = {"money": source.amount, "quantity": source.quantity, "time": source.time}.get(kind, source.text)
        found[name] = read(spelled)
    billed = source.amount("billedcost")
    zero = ibis.literal(0).cast(billed.type())
    found["BilledCost"] = billed.fill_null(zero)
    for name in ("EffectiveCost", "ListCost", "ContractedCost"):
        found[name] = first(source.amount(name.lower()), billed, zero)
    period = source.time("billingperiodstart", "chargeperiodstart").truncate("M")
    found["BillingPeriodStart"] = source.time("billingperiodstart").fill_null(period)
    found["BillingPeriodEnd"] = source.time("billingperiodend").fill_null(period + ibis.interval(months=1))
    found["ChargePeriodStart"] = source.time("chargeperiodstart", "billingperiodstart")
    found["ProviderName"] = source.text("providername", "serviceprovidername", "invoiceissuername").fill_null("(not named)")
    found["PublisherName"] = source.text("publishername", "hostprovidername", "providername").fill_null("(not named)")
    found["InvoiceIssuerName"] = source.text("invoiceissuername", "providername").fill_null("(not named)")
    found["Tags"] = source.tags_json()
    found["x_ServiceCode"] = source.text("xservicecode", "servicename")
    found["x_UsageType"] = _meter(source)
    found["x_Operation"] = source.text("xoperation")
    found["x_TransferType"] = source.text("xtransfertype")
    found["x_FromRegion"] = source.text("xfromregion")
    found["x_ToRegion"] = source.text("xtoregion")
    found["x_ChargeKind"] = source.text("chargecategory")
    found["x_BilledRaw"] = source.needed("billedcost")
    return found


def _meter(source: Source) -> ir.Value:
    import ibis

    if source.has("xskumetercategory"):
        parts = [source.text(n).fill_null("") for n in ("xskumetercategory", "xskumetersubcategory", "xskumetername")]
        joined = parts[0] + " / " + parts[1] + " / " + parts[2]
        return ibis.cases((source.text("xskumetername").notnull(), joined), else_=ibis.null("string"))
    return source.text("xusagetype", "skumeter")
