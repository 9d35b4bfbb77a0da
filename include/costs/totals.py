"""``totals.json``: the numbers of a report in a stable form, for other programs and for checks.

Schema, version 1. Amounts are decimal strings without exponent; currencies are never mixed.

``schema_version``   1
``engine``           not written: the totals do not depend on it
``month``            the month asked for, or null for everything that was delivered
``months``           the billing months in the totals
``rows``             rows counted
``billed_cost``      provider → currency → amount; equals the input's
``effective_cost``   the same for the amortised cost
``transfer``         provider → currency → class → ``cost``, ``effective_cost``, ``gb``
``transfer_cost``    class → currency → amount, over all providers
``transfer_gb``      class → amount
``unclassified``     ``rows``, ``gb``, ``cost`` by currency: looks like transfer, known to no rule; not in a class above
``quarantined``      ``files`` and ``rows``: not in the totals, each with file, line and reason; ``row_count``
``replaced``         deliveries (or days of them) that newer or equal ones took the place of
``allocation``       currency → ``service``, ``unallocated``, ``remainder``: billed transfer cost, exact
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from include.costs import money
from include.costs.allocation import REMAINDER, Share
from include.costs.bill import Bill, Fact
from include.costs.classify import NOT_TRANSFER, UNCLASSIFIED
from include.costs.parties import UNALLOCATED

SCHEMA_VERSION = 1


def _sum_by(pairs: Sequence[tuple[tuple[str, ...], Decimal]]) -> dict[str, Any]:
    """Nested dictionaries of exact sums as text, keys sorted."""
    amounts: dict[tuple[str, ...], list[Decimal]] = defaultdict(list)
    for key, amount in pairs:
        amounts[key].append(amount)
    tree: dict[str, Any] = {}
    for key in sorted(amounts):
        at = tree
        for step in key[:-1]:
            at = at.setdefault(step, {})
        at[key[-1]] = money.plain(money.add(amounts[key]))
    return tree


class _Line(NamedTuple):
    """All facts of one provider, currency and class."""

    provider: str
    currency: str
    transfer_class: str
    rows: int
    billed: Decimal
    effective: Decimal
    gb: Decimal


def _lines(facts: list[Fact]) -> list[_Line]:
    """Added up once: every total below is one of these few."""
    found: dict[tuple[str, str, str], list[Fact]] = defaultdict(list)
    for fact in facts:
        found[fact.provider, fact.currency, fact.transfer_class].append(fact)
    return [
        _Line(
            *key,
            rows=sum(f.rows for f in some),
            billed=money.add(f.billed for f in some),
            effective=money.add(f.effective for f in some),
            gb=money.add(f.gb for f in some),
        )
        for key, some in found.items()
    ]


def totals(bill: Bill, facts: list[Fact], shares: list[Share], month: str | None) -> dict[str, Any]:
    """The content of totals.json for these facts (already limited to `month` where one was asked for)."""
    months = sorted({f.month for f in facts})
    rests = [((p, c), rest) for (p, c, m), rest in sorted(bill.rests.items()) if m in months]
    merged = _lines(facts)
    moving = [f for f in merged if f.transfer_class not in (NOT_TRANSFER, UNCLASSIFIED)]
    unknown = [f for f in merged if f.transfer_class == UNCLASSIFIED]
    detail = []
    for f in moving:
        base = (f.provider, f.currency, f.transfer_class)
        detail += [((*base, "cost"), f.billed), ((*base, "effective_cost"), f.effective)]
        detail.append(((*base, "gb"), f.gb))
    files = [q for q in bill.quarantined if q.what == "file"]
    lines = [q for q in bill.quarantined if q.what == "row"]
    return {
        "schema_version": SCHEMA_VERSION,
        "month": month,
        "months": months,
        "rows": sum(f.rows for f in merged),
        "billed_cost": _sum_by([((f.provider, f.currency), f.billed) for f in merged] + rests),
        "effective_cost": _sum_by([((f.provider, f.currency), f.effective) for f in merged] + rests),
        "transfer": _sum_by(detail),
        "transfer_cost": _sum_by([((f.transfer_class, f.currency), f.billed) for f in moving]),
        "transfer_gb": _sum_by([((f.transfer_class,), f.gb) for f in moving]),
        "unclassified": {
            "rows": sum(f.rows for f in unknown),
            "gb": money.plain(money.add(f.gb for f in unknown)),
            "cost": _sum_by([((f.currency,), f.billed) for f in unknown]),
        },
        "quarantined": {
            "files": [{"file": q.file, "line": q.line, "reason": q.reason} for q in files],
            "rows": [{"file": q.file, "line": q.line, "rows": q.rows, "reason": q.reason} for q in lines],
            "row_count": sum(q.rows or 0 for q in lines),
        },
        "replaced": [
            {"file": r.file, "by": r.by, "reason": r.reason, "month": f"{r.month:%Y-%m}" if r.month else None,
             "days": [d.isoformat() for d in r.days]} for r in bill.replaced
        ],
        "allocation": _sum_by([(_slot(s), s.billed) for s in shares if s.transfer_class != NOT_TRANSFER]),
    }  # fmt: skip


def _slot(share: Share) -> tuple[str, ...]:
    if share.service == UNALLOCATED:
        return (share.currency, "unallocated")
    if REMAINDER in (share.service, share.tenant):
        return (share.currency, "remainder")
    return (share.currency, "service", share.service)
