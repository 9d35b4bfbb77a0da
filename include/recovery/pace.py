"""How often a sandbox is looked at while it is being restored."""

from __future__ import annotations


def pause(waited: float, first: float, slowest: float) -> float:
    """Seconds until the next look: a tenth of the seconds waited so far, within `first` and `slowest`.

    A look that comes late counts as RTO, so by this rule what is measured is at most a tenth, or `slowest` seconds, too long;
    an hour's restore takes some 280 looks at 15 s, a minute's some 35.
    """
    return min(max(waited / 10, first), slowest)
