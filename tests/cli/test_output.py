"""Numbers for people."""

from __future__ import annotations

import math

import pytest

from sweep_service.cli.output import delta, interval, moment, number, parameter, signed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.345, "1.345"),
        (59.663678, "59.66"),
        (1234.5678, "1,235"),
        (0.0123456, "0.01235"),
        (0.00001234, "1.234e-05"),
        (2.5e9, "2.500e+09"),
        (0.0, "0"),
        (-3.14159, "-3.142"),
        (7, "7"),
        (None, "-"),
        (True, "True"),
        (math.inf, "inf"),
    ],
)
def test_a_number_has_four_significant_digits(value: object, text: str) -> None:
    assert number(value) == text


def test_a_gain_shows_its_sign() -> None:
    assert signed(0.5) == "+0.500"
    assert signed(-0.5) == "-0.500"
    assert interval([-0.1, 0.25]) == "[-0.100, +0.250]"
    assert interval(None) == "-"


def test_a_delta_stands_in_its_three_units() -> None:
    units = {"target": 59.66, "standardised": 0.7811, "sigma": 1.0972}
    assert delta(units) == "59.66 target units = 0.7811 standardised = 1.097 sigma"
    assert delta(None) == "-"


def test_times_and_parameters_are_short() -> None:
    assert moment("2026-11-24T21:10:38.123Z") == "2026-11-24 21:10:38"
    assert moment(None) == "-"
    assert parameter([16, 8]) == "16-8"
    assert parameter("adam") == "adam"
    assert parameter(0.012137) == "0.0121"
