"""Azure cost details: actual and amortised, EA, MCA, CSP and pay-as-you-go.

Source of the columns: Microsoft Learn, "Understand usage details fields". Actual exports carry what is invoiced;
amortised ones carry reservations and savings plans spread over their use. `mode` says how a table is used:

``alone``      the only export of its account and month: its cost is billed and effective cost
``actual``     beside an amortised one: gives what was billed; lines of commitments have no effective cost
``amortised``  beside an actual one: only its lines of commitments are used, for their effective cost; nothing is billed
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.costs import money
from include.costs.source import first

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from include.costs.source import Source

COST = ("costinbillingcurrency", "pretaxcost", "cost", "extendedcost")
CURRENCY = ("billingcurrency", "billingcurrencycode", "currency", "currencycode")
_CATEGORY = {
    "usage": "Usage",
    "purchase": "Purchase",
    "refund": "Adjustment",
    "adjustment": "Adjustment",
    "roundingadjustment": "Adjustment",
    "tax": "Tax",
    "credit": "Credit",
    "unusedreservation": "Usage",
    "unusedsavingsplan": "Usage",
}
_FREQUENCY = {"usagebased": "Usage-Based", "recurring": "Recurring", "onetime": "One-Time"}
_PRICING = {"ondemand": "Standard", "reservation": "Committed", "savingsplan": "Committed", "spot": "Dynamic"}


def committed(source: Source) -> ir.BooleanValue:
    """True for lines of reservations and savings plans: bought, used or left unused."""
    import ibis

    benefit = source.text("benefitid", "reservationid").notnull()
    model = source.text("pricingmodel").lower().isin(["reservation", "savingsplan"]).fill_null(ibis.literal(False))
    unused = source.text("chargetype").lower().startswith("unused").fill_null(ibis.literal(False))
    return benefit | model | unused


def columns(source: Source, mode: str) -> dict[str, ir.Value]:
    """FOCUS columns of an Azure cost details table."""
    import ibis

    cost = source.amount(*COST)
    zero = ibis.literal(0).cast(cost.type())
    cost = cost.fill_null(zero)
    bound = committed(source)
    billed = ibis.cases((ibis.literal(mode == "amortised"), zero), else_=cost)
    effective = ibis.cases((bound & ibis.literal(mode == "actual"), zero), else_=cost)
    day = source.time("date", "usagedate", "usagedatetime")
    period = source.time("billingperiodstartdate", "billingperiodstart").fill_null(day).truncate("M")
    category, group, meter = (source.text(n) for n in ("metercategory", "metersubcategory", "metername"))
    quantity = source.quantity("quantity", "usagequantity", "consumedquantity")
    listed = money.times(source.amount("paygprice"), quantity)
    charge = source.text("chargetype").lower()
    joined = category.fill_null("") + " / " + group.fill_null("") + " / " + meter.fill_null("")
    raw = source.needed(next(name for name in COST if source.has(name)))
    tags = source.tags_json()
    return {
        "AvailabilityZone": source.text("availabilityzone"),
        "BilledCost": billed,
        "BillingAccountId": source.text("billingaccountid", "accountid", "subscriptionid", "subscriptionguid"),
        "BillingAccountName": source.text("billingaccountname", "accountname", "billingaccountid", "subscriptionname"),
        "BillingCurrency": source.text(*CURRENCY),
        "BillingPeriodStart": period,
        "BillingPeriodEnd": period + ibis.interval(months=1),
        "ChargeCategory": charge.substitute(_CATEGORY, else_="Usage").fill_null("Usage"),
        "ChargeDescription": source.text("productname", "product", "metername"),
        "ChargeFrequency": source.text("frequency").lower().substitute(_FREQUENCY, else_=ibis.null("string")),
        "ChargePeriodStart": day,
        "ChargePeriodEnd": day + ibis.interval(days=1),
        "CommitmentDiscountId": source.text("benefitid", "reservationid"),
        "CommitmentDiscountName": source.text("benefitname", "reservationname"),
        "CommitmentDiscountStatus": ibis.cases(
            (charge.startswith("unused"), "Unused"),
            ((charge == "usage") & source.text("benefitid", "reservationid").notnull(), "Used"),
            else_=ibis.null("string"),
        ),
        "ConsumedQuantity": ibis.cases((charge.fill_null("usage") == "usage", quantity), else_=ibis.null(quantity.type())),
        "ConsumedUnit": source.text("unitofmeasure"),
        "ContractedCost": cost,
        "ContractedUnitPrice": source.amount("effectiveprice", "unitprice"),
        "PricingCurrency": source.text("pricingcurrency", "pricingcurrencycode"),
        "EffectiveCost": effective,
        "InvoiceId": source.text("invoiceid"),
        "InvoiceIssuerName": source.text("publishername").fill_null("Microsoft"),
        "ListCost": first(listed, cost),
        "ListUnitPrice": source.amount("paygprice"),
        "PricingCategory": source.text("pricingmodel").lower().substitute(_PRICING, else_="Standard"),
        "PricingQuantity": quantity,
        "PricingUnit": source.text("unitofmeasure"),
        "ProviderName": ibis.literal("Microsoft"),
        "PublisherName": source.text("publishername").fill_null("Microsoft"),
        "RegionId": source.text("resourcelocation", "resourcelocationnormalized", "meterregion").lower().replace(" ", ""),
        "RegionName": source.text("resourcelocation", "meterregion"),
        "ResourceId": source.text("resourceid", "instanceid", "instancename"),
        "ResourceName": source.text("resourcename"),
        "ResourceType": source.text("resourcetype", "consumedservice"),
        "ServiceName": category.fill_null("(not named)"),
        "SkuId": source.text("meterid"),
        "SkuMeter": meter,
        "SkuPriceId": source.text("partnumber"),
        "SubAccountId": source.text("subscriptionid", "subscriptionguid"),
        "SubAccountName": source.text("subscriptionname", "subscriptionid"),
        "Tags": tags,
        "x_ServiceCode": category,
        "x_UsageType": ibis.cases((meter.notnull() | category.notnull(), joined), else_=ibis.null("string")),
        "x_ChargeKind": source.text("chargetype"),
        "x_BilledRaw": raw,
    }
