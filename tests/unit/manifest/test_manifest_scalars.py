"""YAML 1.2 scalars, and the traps of 1.1 that are none here."""

import math

import pytest

from vmmcompose.manifest.scalars import plain_value


@pytest.mark.parametrize(
    "text",
    ["no", "yes", "on", "off", "y", "n", "No", "22:22", "1:30", "52:54:00:12:34:56", "2026-11-23", "1_000", "0b11",
     "0o8", "0x", "0xg", "+", "-", ".", "..", "-0x10", "+0o7", "nULL", "tRUE", "1.2.3", "1e", "e1", "=", "٣", "NaN",
     "inf", "-.nan", "1,000", "0777x", "~/x", "9" * 101],
)  # fmt: skip
def test_stays_a_string(text: str) -> None:
    assert plain_value(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("-1", -1), ("+7", 7), ("0755", 755), ("010", 10), ("0o755", 0o755), ("0x1F", 31), ("1.5", 1.5),
     ("1.", 1.0), (".5", 0.5), ("-.5e3", -500.0), ("1e3", 1000.0), (".inf", math.inf), ("-.INF", -math.inf),
     ("true", True), ("False", False), ("TRUE", True), ("null", None), ("~", None), ("", None), ("Null", None)],
)  # fmt: skip
def test_is_a_value(text: str, value: object) -> None:
    found = plain_value(text)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number() -> None:
    found = plain_value(".nan")
    assert isinstance(found, float)
    assert math.isnan(found)
