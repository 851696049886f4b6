"""Tables: no number is folded or cut at any width; CSV holds every digit."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayescale.base.tables import Table, as_csv, layout, wrapped
from bayescale.base.text import escaped

ROWS = [
    {
        "model": name,
        "tokens per parameter": "70.3B (61.2B to 80.1B)",
        "elpd_diff": -0.00739,
        "runs": 12345678,
        "what it is": "Parameters and tokens count separately; repeated tokens less and less",
    }
    for name in ("chinchilla", "separate-slopes", "a-very-long-name-of-a-model-that-somebody-gave")
]


def lines(table: Table, width: int | None) -> list[str]:
    return [line.plain for line in layout(table, width)]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, None])
def test_every_number_stays_whole(width: int | None) -> None:
    text = lines(Table(ROWS, "Title of 3 rows"), width)
    words = " ".join(text).split()
    assert words.count("-0.00739") == 3
    assert words.count("12345678") == 3
    assert words.count("(61.2B") == words.count("80.1B)") == 3
    assert words.count("a-very-long-name-of-a-model-that-somebody-gave") == 1
    if width is not None:  # only a single word, below its column's name or beside it, is wider
        assert all(len(line) <= width or len(line.split()) <= 2 for line in text)


def test_narrow_is_a_block_a_row() -> None:
    table = Table([{"model": "chinchilla", "elpd": -0.00739, "tokens": "70.3B (61.2B to 80.1B)"}])
    assert lines(table, 30) == [
        "model   chinchilla",
        "elpd    -0.00739",
        "tokens  70.3B (61.2B to 80.1B)",
        "",
    ]
    assert lines(table, 24)[-4:] == ["elpd    -0.00739", "tokens", "  70.3B (61.2B to 80.1B)", ""]
    assert lines(table, 10)[:2] == ["model", "  chinchilla"]


def test_text_is_wrapped_where_that_makes_room() -> None:
    text = lines(Table([{"n": 1, "what": "several words, too many of them for one line"}]), 30)
    assert text[0].split() == ["n", "what"]
    assert len(text) == 5
    assert max(map(len, text)) <= 30


@given(
    st.lists(
        st.fixed_dictionaries({"a": st.floats(), "b": st.text(max_size=60), "c": st.integers()}),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 150),
)
def test_any_table_at_any_width(rows: list[dict], width: int) -> None:
    text = "\n".join(lines(Table(rows), width))
    for row in rows:
        assert str(row["c"]) in re.split(r"\s+", text)
        for word in escaped(row["b"]).split(" "):
            assert word in text


@given(st.text(), st.integers(1, 50))
def test_wrapping_loses_nothing(text: str, width: int) -> None:
    assert " ".join(wrapped(text, width)).split() == text.split()


def test_a_control_character_is_shown_not_obeyed() -> None:
    (*_, row, _) = lines(Table([{"family": "red\x1b[31m\nnew line\0"}]), None)
    assert row == "red\\x1b[31m\\nnew line\\x00"


def test_csv_keeps_every_digit() -> None:
    table = Table(
        [{"shown": "0.333"}],
        values=[{"third": 1 / 3, "none": float("nan"), "size": {"lower": 1e9, "upper": None}}],
    )
    (row,) = csv.DictReader(io.StringIO(as_csv(table)))
    assert float(row["third"]) == 1 / 3
    assert (row["none"], row["size_lower"], row["size_upper"]) == ("", "1000000000.0", "")
