import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayescale.base.errors import BayescaleError
from bayescale.base.numbers import digits, human, parse_number, percent, plural


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
