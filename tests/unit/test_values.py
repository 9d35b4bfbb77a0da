"""Durations and canonical forms: what is written is what is read."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.values import canonical_json, digest, format_duration, parse_duration


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=4000)))
def test_a_duration_survives_being_written(value: timedelta) -> None:
    assert parse_duration(format_duration(value)) == value


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("7d", 604800), ("2w", 1209600), ("3.421s", 3.421), ("0s", 0)]
)
def test_durations_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text).total_seconds() == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "15", "15 minutes", "-5m", "1.5h", "m", 15])
def test_a_number_without_a_unit_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="for example 15m"):
        parse_duration(text)


def test_canonical_json_has_one_form() -> None:
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json({"x": float("nan")})
