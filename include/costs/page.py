"""The HTML page: one file, no network, readable without JavaScript."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.costs import money, pictures

if TYPE_CHECKING:
    from include.costs.guard import GuardResult
    from include.costs.view import View

TEMPLATE = Path(__file__).parent / "page.html.j2"
MOST_LINES = 400
MEASURED = (("suspension", "Suspension savings"), ("drill", "Drill costs"))


def render(view: View, *, now: datetime, guard: GuardResult | None, gaps: list[str]) -> str:
    """The page as text. Everything that comes from bills or the catalog is escaped."""
    from jinja2 import Environment
    from markupsafe import Markup

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    places, matrix = view.matrix()
    shares = view.sums("service", "environment", "owner", "transfer_class", "provider", "origin", "to", "currency", "how")
    return template.render(
        v=view,
        name=view.figures.platform.name,
        now=now,
        D=Decimal,
        shown=pictures.shown,
        plain=money.plain,
        colours=pictures.COLOURS,
        label=label,
        # Made by pictures.py, which escapes every name it draws.
        flow=Markup(view.flow_picture()),  # noqa: S704
        trend=Markup(view.trend_picture()),  # noqa: S704
        used=sorted({route[2] for route in view.routes() if route[3] > 0}),
        unit=view.main_currency(),
        places=places,
        matrix=matrix,
        top=max((x for _, cells in matrix for x in cells), default=Decimal(0)),
        shares=shares[:MOST_LINES],
        hidden=max(len(shares) - MOST_LINES, 0),
        moved=_moved(view),
        aside=view.totals["quarantined"],
        measured=[(kind, title, view.measured(kind)) for kind, title in MEASURED],
        files=file_lines(view),
        guard=guard,
        gaps=gaps,
        problems=problems_of(view),
    )


def label(transfer_class: str) -> str:
    """A class as people write it: ``nat_processing`` → ``NAT processing``."""
    words = transfer_class.replace("vpn_direct", "VPN,_direct").split("_")
    return " ".join(word.upper() if word in ("nat", "cdn") else word for word in words)


def problems_of(view: View) -> list[str]:
    """What a reader must know before using the numbers: of the catalog, of sign-offs, of deliveries that may be the same bill."""
    said = [*view.figures.platform.problems, *(view.state.problems if view.state else ())]
    return said + [double.reason for double in view.figures.bill.doubled if not double.same]


def _moved(view: View) -> dict[tuple[str, str], Decimal]:
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for share in view.transfer:
        sums[share.provider, share.currency] += share.billed
    return sums


def file_lines(view: View) -> list[dict[str, Any]]:
    """One line for each readable file: what it is, how many rows, and whether something replaces it."""
    gone: dict[str, list[str]] = defaultdict(list)
    for replaced in view.figures.bill.replaced:
        gone[replaced.file].append(f"{replaced.reason}; {replaced.by} counts")
    for double in view.figures.bill.doubled:
        if double.same:
            gone[double.file].append(f"{double.month:%Y-%m} no, a duplicate delivery; {double.by} counts")
    return [
        {"name": i.file.name, "title": i.file.title, "rows": i.rows, "used": "; ".join(gone[i.file.name]) or "yes"}
        for i in view.figures.bill.inspected
    ]
