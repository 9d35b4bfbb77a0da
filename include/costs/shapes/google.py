"""Google Cloud billing export (standard and detailed), as Parquet with nested columns or CSV with flattened ones.

Source of the columns: Google Cloud, "Structure of Detailed data export". BilledCost is cost plus credits: "To get the
total cost including credits, any credits.amount should be added to cost"; Google's own FOCUS view does the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.costs import money
from include.costs.source import WrongKind, first, may_be_number

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from include.costs.source import Source

_CATEGORY = {"regular": "Usage", "tax": "Tax", "adjustment": "Adjustment", "rounding_error": "Adjustment"}


_AMOUNT = r'^\s*:\s*"?(-?[0-9.]+(?:[eE][+-]?[0-9]+)?)'


def credits(source: Source) -> ir.Value | None:
    """The sum of a row's credits (negative or zero); None when the export has no credits.

    A list of structs (Parquet), JSON text (CSV), or a plain number in ``credits``, ``credits.amount`` or ``credit_total``.
    """
    import ibis

    value = source.column("credits")
    if value is not None and value.type().is_array():
        _check_credits(value.type())
        amounts = value.map(lambda credit: _exact(credit["amount"]))
        return ibis.cases((value.length() > 0, amounts.sums().cast(money.MONEY)), else_=ibis.null(money.MONEY))
    if value is not None and value.type().is_string():
        return first(value.try_cast(money.MONEY), _json_amounts(value))
    flat = next((name for name in ("creditsamount", "credittotal", "credits") if source.has(name)), None)
    given = source.column(flat) if flat else None
    if flat is None or given is None:
        return None
    if not may_be_number(given):
        raise WrongKind(f"the column {flat} holds {given.type()}, where amounts are expected: the total would miss them")
    return source.amount(flat)


def _check_credits(kind: Any) -> None:
    """Raises WrongKind for a list in which no amount can be found."""
    amount = kind.value_type["amount"] if kind.value_type.is_struct() and "amount" in kind.value_type.names else None
    if amount is None or amount.is_boolean() or not (amount.is_numeric() or amount.is_string()):
        raise WrongKind(f"the column credits holds {kind}, where amounts are expected: the total would miss them")


def _unread(source: Source) -> ir.Value | None:
    """True where credits are written that nobody can read: counted without them the row would be too dear."""
    import ibis

    value = source.column("credits")
    given = credits(source)
    if value is None or given is None or not value.type().is_string():
        return None
    return (value.notnull() & given.isnull() & ~value.isin(["", "[]", "{}"])).fill_null(ibis.literal(False))


def _exact(amount: ir.Value) -> ir.Value:
    return amount.cast("string").try_cast(money.MONEY) if amount.type().is_floating() else amount.try_cast(money.MONEY)


def _json_amounts(text: ir.StringValue) -> ir.Value:
    """The sum of all numbers behind ``"amount":`` in JSON text."""
    import ibis

    parts = text.re_split('"amount"').map(lambda part: part.re_extract(_AMOUNT, 1).nullif("").try_cast(money.MONEY))
    return ibis.cases((text.contains('"amount"'), parts.sums().cast(money.MONEY)), else_=ibis.null(money.MONEY))


def columns(source: Source, mode: str) -> dict[str, ir.Value]:
    """FOCUS columns of a Google Cloud export."""
    import ibis

    del mode
    cost = source.amount("cost")
    unread = {} if (credit := _unread(source)) is None else {"x_Unread": credit}
    zero = ibis.literal(0).cast(money.MONEY)
    given = credits(source)
    billed = cost.fill_null(zero) if given is None else money.plus(cost.fill_null(zero), given.fill_null(zero))
    start = source.time("usagestarttime")
    period = _invoice_month(source).fill_null(start).truncate("M")
    listed = source.amount("costatlist", "costatlistconsumptionmodel").fill_null(cost.fill_null(zero))
    kind = source.text("costtype").lower()
    correction = source.text("adjustmentinfoid", "adjustmentinfotype").notnull()
    region = source.text("locationregion", "locationlocation", "region")
    project = source.text("projectid", "projectnumber")
    return unread | {
        "AvailabilityZone": source.text("locationzone"),
        "BilledCost": billed,
        "BillingAccountId": source.text("billingaccountid"),
        "BillingAccountName": source.text("billingaccountname", "billingaccountid"),
        "BillingCurrency": source.text("currency"),
        "BillingPeriodStart": period,
        "BillingPeriodEnd": period + ibis.interval(months=1),
        "ChargeCategory": kind.substitute(_CATEGORY, else_="Usage").fill_null("Usage"),
        "ChargeClass": ibis.cases((correction, "Correction"), else_=ibis.null("string")),
        "ChargeDescription": source.text("skudescription"),
        "ChargeFrequency": ibis.cases((kind.fill_null("regular") == "regular", "Usage-Based"), else_="One-Time"),
        "ChargePeriodStart": start.fill_null(period),
        "ChargePeriodEnd": source.time("usageendtime"),
        "ConsumedQuantity": source.quantity("usageamount"),
        "ConsumedUnit": source.text("usageunit"),
        "ContractedCost": cost.fill_null(zero),
        "ContractedUnitPrice": source.amount("priceeffectiveprice"),
        "EffectiveCost": billed,
        "InvoiceIssuerName": source.text("sellername").fill_null("Google Cloud"),
        "ListCost": listed,
        "ListUnitPrice": source.amount("pricelistprice"),
        "PricingCategory": ibis.literal("Standard"),
        "PricingQuantity": source.quantity("usageamountinpricingunits", "usageamount"),
        "PricingUnit": source.text("usagepricingunit", "usageunit"),
        "ProviderName": ibis.literal("Google Cloud"),
        "PublisherName": source.text("sellername").fill_null("Google Cloud"),
        "RegionId": region,
        "RegionName": region,
        "ResourceId": source.text("resourceglobalname", "resourcename"),
        "ResourceName": source.text("resourcename"),
        "ServiceName": source.text("servicedescription").fill_null("(not named)"),
        "SkuId": source.text("skuid"),
        "SkuMeter": source.text("skudescription"),
        "SkuPriceId": source.text("skuid"),
        "SubAccountId": project,
        "SubAccountName": source.text("projectname", "projectid"),
        "Tags": source.tags_json(),
        "x_ServiceCode": source.text("serviceid"),
        "x_UsageType": source.text("skudescription"),
        "x_ChargeKind": source.text("costtype"),
        "x_BilledRaw": source.needed("cost"),
    }


def _invoice_month(source: Source) -> ir.Value:
    """``202411`` (or ``2024-11``) as the first day of that month."""
    import ibis

    if not source.has("invoicemonth"):
        return ibis.null("timestamp")
    digits = source.text("invoicemonth").replace("-", "").substr(0, 6)
    return (digits.substr(0, 4) + ibis.literal("-") + digits.substr(4, 2) + ibis.literal("-01")).try_cast("timestamp")
