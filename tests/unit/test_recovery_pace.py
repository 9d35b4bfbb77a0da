"""How often a sandbox is looked at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.recovery.pace import pause


@given(took=st.floats(1, 7200))
def test_what_is_measured_is_at_most_a_tenth_too_long(took: float) -> None:
    waited = 0.0
    while waited < took:
        waited += pause(waited, 0.5, 15)
    assert waited - took <= max(0.5, min(took / 10, 15)) + 1e-6


@pytest.mark.parametrize(("took", "looks"), [(60, 40), (3600, 280)])
def test_a_long_restore_is_not_asked_for_too_often(took: float, looks: int) -> None:
    waited, seen = 0.0, 0
    while waited < took:
        waited, seen = waited + pause(waited, 0.5, 15), seen + 1
    assert seen <= looks
