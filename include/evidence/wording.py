"""How durations are written in reports: short, and never more exact than a reader needs."""

from __future__ import annotations


def brief(seconds: float | None) -> str:
    """``0.4s``, ``95s``, ``12m 5s``, ``3h 10m``, ``4d 2h``; a dash for None. The page's script writes the same."""
    if seconds is None:
        return "–"  # noqa: RUF001
    if seconds < 10:
        return f"{seconds:.1f}".rstrip("0").rstrip(".") + "s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole}s"
    for size, unit, lower, lower_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            count, rest = divmod(whole, size)
            return f"{count}{unit}" + (f" {rest // lower}{lower_unit}" if rest // lower else "")
    return f"{whole}s"
