"""Which export a file is, told by its columns alone: order, case, separators and extra columns do not matter."""

from __future__ import annotations

import re
from typing import Literal

from include.values import Frozen

Shape = Literal["cur", "focus", "azure", "google"]
COST_DETAILS: Shape = "azure"
"""The one export that is delivered twice, actual and amortised, over the same charges."""
STANDARD: Shape = "focus"
"""The shape that every provider can deliver beside its own."""


def canonical(column: str) -> str:
    """One spelling for all: ``lineItem/UnblendedCost``, ``line_item_unblended_cost`` → ``lineitemunblendedcost``."""
    return re.sub(r"[^a-z0-9]", "", column.lower())


class Signature(Frozen):
    """The columns without which an export cannot be read. Each inner tuple: one of them must be there."""

    shape: Shape
    title: str
    needs: tuple[tuple[str, ...], ...]
    telling: tuple[str, ...]
    """Columns that only this export has: used to say what a file nearly is when a needed column is missing."""


SIGNATURES: tuple[Signature, ...] = (
    Signature(
        shape="focus",
        title="FOCUS",
        needs=(
            ("billedcost",),
            ("billingcurrency",),
            ("chargeperiodstart", "billingperiodstart"),
            ("billingaccountid",),
            ("chargedescription", "skumeter", "xusagetype", "xskumetername"),
        ),
        telling=("billedcost", "effectivecost", "chargecategory", "chargedescription", "pricingquantity"),
    ),
    Signature(
        shape="cur",
        title="AWS Cost and Usage Report",
        needs=(
            ("lineitemunblendedcost",),
            ("lineitemcurrencycode",),
            ("lineitemusagestartdate", "billbillingperiodstartdate"),
            ("billpayeraccountid", "lineitemusageaccountid"),
            ("lineitemusagetype",),
        ),
        telling=("lineitemunblendedcost", "lineitemusagetype", "lineitemlineitemtype", "lineitemproductcode"),
    ),
    Signature(
        shape="azure",
        title="Azure cost details",
        needs=(
            ("costinbillingcurrency", "pretaxcost", "cost", "extendedcost"),
            ("billingcurrency", "billingcurrencycode", "currency", "currencycode"),
            ("date", "usagedate", "usagedatetime"),
            ("metercategory", "metername"),
            ("billingaccountid", "accountid", "subscriptionid", "subscriptionguid"),
        ),
        telling=("metercategory", "metername", "meterid", "costinbillingcurrency", "unitofmeasure"),
    ),
    Signature(
        shape="google",
        title="Google Cloud billing export",
        needs=(("cost",), ("currency",), ("skudescription",), ("usagestarttime", "invoicemonth"), ("billingaccountid",)),
        telling=("skudescription", "servicedescription", "usagestarttime", "invoicemonth"),
    ),
)


def wanted(column: str) -> str:
    """What a needed column must hold, by its canonical name: ``number``, ``currency``, ``date`` or ``text``."""
    if "cost" in column:
        return "number"
    if "currency" in column:
        return "currency"
    return "date" if re.search(r"date|period|start|month", column) else "text"


class NotBilling(ValueError):
    """A file that is none of the known exports; the message says what it nearly is and which columns are missing."""


def recognise(columns: list[str]) -> Signature:
    """The export whose needed columns are all there. Raises NotBilling naming the missing ones.

    A FOCUS file wins over the others: vendors add their own columns to it.
    """
    have = {canonical(column) for column in columns}
    for signature in SIGNATURES:
        if all(have & set(one_of) for one_of in signature.needs):
            return signature
    near = max(SIGNATURES, key=lambda s: len(have & set(s.telling)))
    if len(have & set(near.telling)) < 2:
        shown = ", ".join(columns[:6])
        raise NotBilling(f"not a billing export: none of the known ones has the columns {shown}")
    missing = [" or ".join(one_of) for one_of in near.needs if not have & set(one_of)]
    raise NotBilling(f"looks like {near.title}, but has no column {', '.join(missing)}")


def signature_of(shape: str) -> Signature:
    """The signature of a recognised shape."""
    return next(signature for signature in SIGNATURES if signature.shape == shape)
