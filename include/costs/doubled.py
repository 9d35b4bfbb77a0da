"""The same bill in two shapes: a vendor's own export and its FOCUS export, both delivered. Only one of them may count.

The rule: a provider's own export counts, because it holds the usage types and commitments that FOCUS leaves out; the FOCUS
rows of the same provider, account and month are put aside as a duplicate delivery. They are the same bill when their totals
are near enough in every currency; where they are not, both count, and the page warns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from include.costs import money
from include.costs.headers import STANDARD
from include.values import Frozen

if TYPE_CHECKING:
    from include.costs.deliveries import Replaced
    from include.costs.inspection import Inspected, Slice

NEAR = Decimal("0.01")
"""Totals of one bill in two shapes differ by late credits and rounding, by at most this share of the larger one."""
Scope = tuple[str, str, date]
Sums = dict[str, Decimal]


class Doubled(Frozen):
    """Rows of one account and month in a FOCUS file that another file holds in the provider's own shape."""

    file: str
    by: str
    account: str
    """As in the file."""
    month: date
    rows: int
    same: bool
    """True: put aside. False: the totals differ too much to decide; both count."""
    reason: str


def find(kept: Iterable[Inspected], gone: Iterable[Replaced], modes: Mapping[str, str]) -> list[Doubled]:
    """All doubles. `gone`: what newer deliveries replace, which is in no total. Amortised views bill nothing."""
    whole = {(r.file, r.account, r.month) for r in gone if not r.days}
    standard: dict[Scope, list[tuple[str, Slice]]] = defaultdict(list)
    own: dict[Scope, list[tuple[str, Slice]]] = defaultdict(list)
    for one in kept:
        if modes.get(one.file.name) == "amortised":
            continue
        side = standard if one.file.shape == STANDARD else own
        for part in one.slices:
            if (one.file.name, part.account, part.month) not in whole:
                side[scope_of(part)].append((one.file.name, part))
    return [double for scope, parts in sorted(standard.items()) if scope in own for double in _judge(scope, parts, own[scope])]


def scope_of(part: Slice) -> Scope:
    """Provider, account and month. Azure's FOCUS writes the account as the last part of a path."""
    return (part.provider.lower(), part.account.rstrip("/").rpartition("/")[2].lower(), part.month)


def _judge(scope: Scope, parts: list[tuple[str, Slice]], own: list[tuple[str, Slice]]) -> list[Doubled]:
    if max(s.first_day for _, s in parts) > max(s.last_day for _, s in own):
        return []
    mine, theirs = _sums(parts), _sums(own)
    same = all(near(mine[c], theirs.get(c, Decimal(0))) for c in mine)
    by = ", ".join(sorted({name for name, _ in own}))
    amounts = "; ".join(
        f"{money.plain(mine[c])} {c} here, {money.plain(theirs.get(c, Decimal(0)))} {c} there" for c in sorted(mine)
    )
    what = f"account {scope[1]} of {parts[0][1].provider} in {scope[2]:%Y-%m}"
    if same:
        reason = f"a duplicate delivery: {what} is also in {by} as the provider's own export, which counts ({amounts})"
    else:
        reason = f"{what} is also in {by}, but the totals differ, so both count ({amounts}): remove one if they are the same bill"
    rows: dict[tuple[str, str], int] = defaultdict(int)
    for name, part in parts:
        rows[name, part.account] += part.rows
    return [
        Doubled(file=name, by=by, account=account, month=scope[2], rows=count, same=same, reason=reason)
        for (name, account), count in sorted(rows.items())
    ]


def _sums(parts: list[tuple[str, Slice]]) -> Sums:
    sums: Sums = {}
    for _, part in parts:
        sums[part.currency] = money.EXACT.add(sums.get(part.currency, Decimal(0)), part.billed)
    return sums


def near(one: Decimal, two: Decimal) -> bool:
    """Equal within `NEAR` of the larger one."""
    return abs(one - two) <= NEAR * max(abs(one), abs(two))
