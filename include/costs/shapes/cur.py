"""AWS Cost and Usage Report, legacy (``lineItem/UsageType``) and 2.0 (``line_item_usage_type``), CSV and Parquet.

Source of the columns: AWS, "Data dictionary", Cost and Usage Report 2.0 and legacy. BilledCost is the unblended cost, so
that the sum equals the invoice. EffectiveCost spreads commitments as AWS documents for amortised cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.costs import money
from include.costs.source import first, is_null

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from include.costs.source import Source

_CATEGORY = {
    "usage": "Usage",
    "discountedusage": "Usage",
    "savingsplancoveredusage": "Usage",
    "tax": "Tax",
    "credit": "Credit",
    "edpdiscount": "Credit",
    "privateratediscount": "Credit",
    "bundleddiscount": "Credit",
    "spprivateratediscount": "Credit",
    "discount": "Credit",
    "refund": "Adjustment",
    "savingsplannegation": "Adjustment",
    "fee": "Purchase",
    "rifee": "Purchase",
    "savingsplanrecurringfee": "Purchase",
    "savingsplanupfrontfee": "Purchase",
}
_FREQUENCY = {
    "usage": "Usage-Based",
    "discountedusage": "Usage-Based",
    "savingsplancoveredusage": "Usage-Based",
    "savingsplannegation": "Usage-Based",
    "rifee": "Recurring",
    "savingsplanrecurringfee": "Recurring",
}


def effective(source: Source, kind: ir.StringValue, billed: ir.Value) -> ir.Value:
    """The amortised cost of a line. Lines that commitments have nothing to do with cost what was billed."""
    import ibis

    zero = ibis.literal(0).cast(billed.type())
    cases: list[tuple[ir.Value, ir.Value]] = []
    if source.has("savingsplansavingsplaneffectivecost"):
        spent = source.amount("savingsplansavingsplaneffectivecost").fill_null(zero)
        cases.append((kind == "SavingsPlanCoveredUsage", spent))
        used = source.amount("savingsplanusedcommitment").negate()
        unused = money.plus(source.amount("savingsplantotalcommitmenttodate"), used)
        cases.append((kind == "SavingsPlanRecurringFee", unused.fill_null(zero)))
        cases.append((kind.isin(["SavingsPlanNegation", "SavingsPlanUpfrontFee"]), zero))
    if source.has("reservationeffectivecost"):
        cases.append((kind == "DiscountedUsage", source.amount("reservationeffectivecost").fill_null(zero)))
        upfront = source.amount("reservationunusedamortizedupfrontfeeforbillingperiod").fill_null(zero)
        idle = source.amount("reservationunusedrecurringfee").fill_null(zero)
        cases.append((kind == "RIFee", money.plus(upfront, idle)))
        if source.has("reservationreservationarn"):
            cases.append(((kind == "Fee") & source.text("reservationreservationarn").notnull(), zero))
    return ibis.cases(*cases, else_=billed) if cases else billed


def columns(source: Source, mode: str) -> dict[str, ir.Value]:
    """FOCUS columns of a CUR table. `mode` is not used: a CUR holds billed and amortised cost at once."""
    import ibis

    del mode
    kind = source.text("lineitemlineitemtype")
    if is_null(kind):
        # Not there, or nothing that has a text.
        kind = ibis.literal("Usage")
    small = kind.lower()
    billed = source.amount("lineitemunblendedcost")
    zero = ibis.literal(0).cast(billed.type())
    period = source.time("billbillingperiodstartdate", "lineitemusagestartdate").truncate("M")
    listed = source.amount("pricingpublicondemandcost")
    quantity = source.quantity("lineitemusageamount")
    committed = kind.isin(["DiscountedUsage", "SavingsPlanCoveredUsage"])
    code = source.text("lineitemproductcode")
    found: dict[str, ir.Value] = {
        "AvailabilityZone": source.text("lineitemavailabilityzone"),
        "BilledCost": billed.fill_null(zero),
        "BillingAccountId": source.text("billpayeraccountid", "lineitemusageaccountid"),
        "BillingAccountName": source.text("billpayeraccountname", "billpayeraccountid", "lineitemusageaccountid"),
        "BillingCurrency": source.text("lineitemcurrencycode"),
        "BillingPeriodStart": period,
        "BillingPeriodEnd": period + ibis.interval(months=1),
        "ChargeCategory": small.substitute(_CATEGORY, else_="Usage").fill_null("Usage"),
        "ChargeClass": ibis.cases((kind == "Refund", "Correction"), else_=ibis.null("string")),
        "ChargeDescription": source.text("lineitemlineitemdescription", "lineitemusagetype"),
        "ChargeFrequency": small.substitute(_FREQUENCY, else_="One-Time"),
        "ChargePeriodStart": source.time("lineitemusagestartdate", "billbillingperiodstartdate"),
        "ChargePeriodEnd": source.time("lineitemusageenddate"),
        "CommitmentDiscountId": source.text("savingsplansavingsplanarn", "reservationreservationarn"),
        "ConsumedQuantity": ibis.cases((small.isin(["usage", "discountedusage"]), quantity), else_=ibis.null(quantity.type())),
        "ConsumedUnit": source.text("pricingunit"),
        "ContractedCost": billed.fill_null(zero),
        "EffectiveCost": effective(source, kind, billed.fill_null(zero)),
        "InvoiceId": source.text("billinvoiceid"),
        "InvoiceIssuerName": first(source.text("billinvoicingentity", "lineitemlegalentity"), ibis.literal("AWS")),
        "ListCost": first(listed, billed, zero),
        "ListUnitPrice": source.amount("pricingpublicondemandrate"),
        "PricingCategory": ibis.cases((committed, "Committed"), (small == "usage", "Standard"), else_=ibis.null("string")),
        "PricingQuantity": quantity,
        "PricingUnit": source.text("pricingunit"),
        "ProviderName": ibis.literal("AWS"),
        "PublisherName": first(source.text("lineitemlegalentity"), ibis.literal("AWS")),
        "RegionId": source.text("productregioncode", "productregion"),
        "RegionName": source.text("productlocation"),
        "ResourceId": source.text("lineitemresourceid"),
        "ServiceName": first(source.text("productproductname"), source.entry("product", "product_name"), code),
        "SkuId": source.text("productsku", "lineitemusagetype"),
        "SkuMeter": source.text("lineitemusagetype"),
        "SkuPriceId": source.text("pricingratecode", "pricingrateid"),
        "SubAccountId": source.text("lineitemusageaccountid"),
        "SubAccountName": source.text("lineitemusageaccountname", "lineitemusageaccountid"),
        "Tags": source.tags_json(),
        "x_ServiceCode": code,
        "x_UsageType": source.text("lineitemusagetype"),
        "x_Operation": source.text("lineitemoperation"),
        "x_TransferType": first(source.text("producttransfertype"), source.entry("product", "transfer_type")),
        "x_FromRegion": source.text("productfromregioncode"),
        "x_ToRegion": source.text("producttoregioncode"),
        "x_ChargeKind": kind,
        "x_BilledRaw": source.needed("lineitemunblendedcost"),
    }
    return found
