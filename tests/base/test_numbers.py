import math
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayescale.base.errors import BayescaleError
from bayescale.base.numbers import (
    Write,
    digits,
    estimate,
    human,
    parse_number,
    percent,
    plural,
    within,
)

two_digits = partial(digits, count=2)


@pytest.mark.parametrize(
    ("text", "value"),
    [("70e9", 70e9), ("70B", 70e9), ("15T", 15e12), ("1.5t", 1.5e12), (" 350m ", 3.5e8),
     ("1_000", 1000.0), ("20", 20.0), (".5k", 500.0)],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text: str, value: float) -> None:
    assert parse_number(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "abc", "70 G", "1e", "nan", "inf", "1e999", "7O", "--5", "²"])
def test_what_is_no_number_is_said(text: str) -> None:
    with pytest.raises(BayescaleError, match="params="):
        parse_number(text, "params")


@given(st.floats(min_value=1e6, max_value=1e16))
def test_human_keeps_three_digits(value: float) -> None:
    assert parse_number(human(value)) == pytest.approx(value, rel=5.1e-3)


def test_formats() -> None:
    assert (digits(0.36), digits(-0.0306), digits(123.4), digits(0.0)) == (
        "0.360", "-0.0306", "123", "0",
    )  # fmt: skip
    assert percent(0.9) == "90\N{NO-BREAK SPACE}%"
    assert (plural("family"), plural("tokenizer")) == ("families", "tokenizers")


@pytest.mark.parametrize(
    ("lower", "upper", "write", "texts"),
    [
        (2.00012, 2.00019, digits, ("2.000120", "2.000190")),
        (0.351, 0.372, digits, ("0.351", "0.372")),
        (3.312, 3.3287, digits, ("3.312", "3.329")),
        (-0.0004, 0.0123, digits, ("-0.000400", "0.0123")),
        (70.31e9, 70.35e9, human, ("70.31B", "70.35B")),
        (61.2e9, 80.13e9, human, ("61.2B", "80.1B")),
        (0.00051, 0.00068, percent, ("0.051\N{NO-BREAK SPACE}%", "0.068\N{NO-BREAK SPACE}%")),
        (0.22, 0.37, percent, ("22\N{NO-BREAK SPACE}%", "37\N{NO-BREAK SPACE}%")),
        (2.0, 2.0, digits, ("2.00", "2.00")),
        (-math.inf, 2.0, digits, ("-inf", "2.00")),
    ],
)
def test_an_interval_is_written_as_finely_as_it_is_wide(
    lower: float, upper: float, write: Write, texts: tuple[str, str]
) -> None:
    fine = within(lower, upper, write)
    assert (fine(lower), fine(upper)) == texts


@given(
    st.floats(1e-6, 1e15),
    st.floats(1e-9, 0.5),
    st.sampled_from([digits, human, two_digits]),
)
def test_ends_that_differ_are_written_differently(lower: float, share: float, write: Write) -> None:
    """Both ends, and a median halfway, whatever the size and the width."""
    upper, median = lower * (1 + share), lower * (1 + share / 2)
    texts = estimate({"lower": lower, "median": median, "upper": upper}, write)
    assert len(set(texts.values())) == 3
