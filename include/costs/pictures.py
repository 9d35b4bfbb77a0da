"""Pictures as SVG text, without a library: a flow of routes and a stacked trend. Colours come from the page's style sheet."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from html import escape

COLOURS = {
    "internet_egress": "#c2410c",
    "inter_region": "#0f766e",
    "inter_zone": "#2563eb",
    "cross_cloud": "#9333ea",
    "vpn_direct_connect": "#475569",
    "nat_processing": "#b45309",
    "gateway_transit": "#0369a1",
    "private_link": "#4d7c0f",
    "cdn": "#be185d",
    "peering": "#6d28d9",
    "inbound": "#64748b",
    "other_transfer": "#78716c",
    "unclassified": "#dc2626",
}
_FONT = "font-family='system-ui,sans-serif' font-size='12'"


def shown(amount: Decimal) -> str:
    """An amount for people: two decimals and thousands separators; more decimals below a cent."""
    if amount and abs(amount) < Decimal("0.0001"):
        return "below 0.0001" if amount > 0 else "above -0.0001"
    if amount and abs(amount) < Decimal("0.01"):
        return f"{amount:.4f}"
    return f"{amount:,.2f}"


def flow(routes: list[tuple[str, str, str, Decimal]], unit: str, *, most: int = 24) -> str:
    """Routes (from, to, class, amount) as bands between two columns; widths by amount, the smallest routes joined as one."""
    kept = sorted((r for r in routes if r[3] > 0), key=lambda r: -r[3])
    rest = sum((r[3] for r in kept[most:]), Decimal(0))
    kept = kept[:most] + ([("other routes", "other places", "other_transfer", rest)] if rest else [])
    if not kept:
        return ""
    total = sum((r[3] for r in kept), Decimal(0))
    left = _stack([(r[0], r[3]) for r in kept], total)
    right = _stack([(r[1], r[3]) for r in kept], total)
    height = max(max(y + h for y, h in side.values()) for side in (left, right)) + 16
    used_left: dict[str, float] = defaultdict(float)
    used_right: dict[str, float] = defaultdict(float)
    bands = []
    for origin, to, name, amount in kept:
        width = float(amount / total) * 400
        y1 = left[origin][0] + used_left[origin] + width / 2
        y2 = right[to][0] + used_right[to] + width / 2
        used_left[origin] += width
        used_right[to] += width
        label = escape(f"{origin} → {to}, {name.replace('_', ' ')}: {shown(amount)} {unit}")
        bands.append(
            f"<path d='M212 {y1:.1f} C 400 {y1:.1f} 400 {y2:.1f} 588 {y2:.1f}' fill='none' "
            f"stroke='{COLOURS.get(name, '#78716c')}' "
            f"stroke-opacity='.55' stroke-width='{max(width, 1.2):.1f}'><title>{label}</title></path>"
        )
    nodes = [_node(n, y, h, 204, 198, "end") for n, (y, h) in left.items()]
    nodes += [_node(n, y, h, 588, 602, "start") for n, (y, h) in right.items()]
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 800 {height:.0f}' role='img' class='picture' {_FONT} "
        f"aria-label='Flow of transfer cost by route'>{''.join(bands)}{''.join(nodes)}</svg>"
    )


def _stack(pairs: list[tuple[str, Decimal]], total: Decimal) -> dict[str, tuple[float, float]]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for name, amount in pairs:
        sums[name] += amount
    places, at = {}, 12.0
    for name, amount in sorted(sums.items(), key=lambda p: -p[1]):
        high = max(float(amount / total) * 400, 2.0)
        places[name] = (at, high)
        at += max(high, 14.0) + 6
    return places


def _node(name: str, y: float, height: float, x: int, text_x: int, anchor: str) -> str:
    return (
        f"<rect x='{x}' y='{y:.1f}' width='8' height='{height:.1f}' fill='currentColor' fill-opacity='.7'/>"
        f"<text x='{text_x}' y='{y + height / 2 + 4:.1f}' text-anchor='{anchor}' fill='currentColor'>{escape(name[:30])}</text>"
    )


def trend(days: list[tuple[str, str, Decimal]], unit: str) -> str:
    """(day or month, class, amount) as stacked bars, oldest at the left."""
    sums: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for day, name, amount in days:
        sums[day][name] += amount
    if not sums:
        return ""
    labels = sorted(sums)
    top = max((sum((v for v in parts.values() if v > 0), Decimal(0)) for parts in sums.values()), default=Decimal(0))
    if top <= 0:
        return ""
    step = 720 / len(labels)
    bars = []
    for at, day in enumerate(labels):
        y = 210.0
        for name in sorted(sums[day], key=lambda n: list(COLOURS).index(n) if n in COLOURS else 99):
            amount = sums[day][name]
            if amount <= 0:
                continue
            high = float(amount / top) * 190
            y -= high
            title = escape(f"{day}, {name.replace('_', ' ')}: {shown(amount)} {unit}")
            bars.append(
                f"<rect x='{60 + at * step:.1f}' y='{y:.1f}' width='{max(step - 1.5, 1):.1f}' height='{high:.2f}' "
                f"fill='{COLOURS.get(name, '#78716c')}'><title>{title}</title></rect>"
            )
    marks = [at for at in range(len(labels)) if at % max(len(labels) // 8, 1) == 0]
    texts = [
        f"<text x='{60 + at * step + step / 2:.1f}' y='228' text-anchor='middle' fill='currentColor'>{escape(labels[at])}</text>"
        for at in marks
    ]
    axis = (
        f"<line x1='58' y1='210' x2='782' y2='210' stroke='currentColor' stroke-opacity='.5'/>"
        f"<text x='54' y='26' text-anchor='end' fill='currentColor'>{shown(top)}</text>"
        "<text x='54' y='213' text-anchor='end' fill='currentColor'>0</text>"
    )
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 800 236' role='img' class='picture' {_FONT} "
        f"aria-label='Transfer cost over time'>{axis}{''.join(bars)}{''.join(texts)}</svg>"
    )


def png(svg: str, *, scale: float = 1.5) -> bytes:
    """A picture for e-mail, on white."""
    import vl_convert

    painted = svg.replace("currentColor", "#1f2937").replace("<svg ", "<svg style='background:#ffffff' ", 1)
    return bytes(vl_convert.svg_to_png(painted, scale=scale))
