"""What a table of runs must not hold, and the hints that its problems carry."""

import re
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayescale import Runs, Spec
from bayescale.base.errors import BayescaleError, Problem, RunsError
from bayescale.model.design import design
from bayescale.runs.notes import headers_note

GOOD = {"run": ["a", "b"], "params": [7e9, 70e9], "tokens": [2e12, 15e12], "loss": [2.1, 1.8]}


def problems(frame: pd.DataFrame) -> list[Problem]:
    with pytest.raises(RunsError) as caught:
        Runs.from_frame(frame)
    return caught.value.problems


def of_cell(column: str, cell: Any) -> Problem:
    """The problem with one cell of an otherwise good table."""
    cells = pd.Series([cell, GOOD[column][1]], dtype=object)
    (problem,) = problems(pd.DataFrame(GOOD).assign(**{column: cells}))
    assert (problem.row, problem.column) == (1, column)
    return problem


def test_all_problems_are_reported_at_once_with_row_and_rule() -> None:
    frame = pd.DataFrame(
        {
            "run": ["a", "b", "b", "d", "e", "f"],
            "params": [70, 7e9, 7e9, 7e9, 7e9, None],
            "params_active": [None, 8e9, None, None, None, None],
            "tokens": ["15e12", "many", "", 2e12, None, 1e12],
            "tokens_low": [None, None, None, None, 3e12, None],
            "tokens_high": [None, None, 1e12, None, 2e12, None],
            "loss": [2.0, 2.0, 2.0, -1.0, float("inf"), 2.0],
        }
    )
    assert {(problem.row, problem.column) for problem in problems(frame)} == {
        (1, "params"), (2, "params_active"), (2, "tokens"), (3, "run"), (3, "tokens"),
        (4, "loss"), (5, "loss"), (5, "tokens_low"), (6, "params"),
    }  # fmt: skip


def test_a_count_in_billions_is_recognised() -> None:
    with pytest.raises(RunsError, match=r"params=70: .*parameters; .*write 70e9 or 70e12"):
        Runs.from_frame(pd.DataFrame(GOOD | {"params": [7e9, 70]}))


def test_a_token_range_stands_for_a_count() -> None:
    frame = pd.DataFrame({"params": [7e9], "tokens_low": [1e12], "tokens_high": [2e13]})
    runs = Runs.from_frame(frame)
    assert not runs.known_tokens.any()
    assert runs.table["run"].tolist() == ["row-1"]


@pytest.mark.parametrize("truth", [True, np.True_])
def test_a_truth_is_no_loss(truth: object) -> None:
    assert of_cell("loss", truth).rule == "not a number; write nats per token like 2.31"
    assert len(problems(pd.DataFrame(GOOD | {"loss": [truth, truth]}))) == 2


@pytest.mark.parametrize(
    ("column", "cell", "rule"),
    [
        ("loss", "2,31", "write a decimal point: 2.31"),
        ("tokens", "2,000,000,000,000", "leave out the separators: 2000000000000"),
        ("params", "7B", "write parameters like 7e9, or read it with --units"),
        ("loss", "n/a", "write nats per token like 2.31"),
        ("loss", [2.1], "not a number"),
        ("loss", {"value": 2.1}, "not a number"),
        ("loss", 2 + 0j, "not a number"),
        ("params", 10**400, "expected 10000 to 1e+14 parameters"),
    ],
)
def test_what_is_no_number_gets_the_hint_that_fits(column: str, cell: object, rule: str) -> None:
    assert rule in of_cell(column, cell).rule


def test_numbers_of_every_kind_are_read() -> None:
    cells = pd.Series([np.float32(2.5), Decimal("2.5"), " 2.5 ", 3, np.int64(3), "3e0"])
    frame = pd.DataFrame({"params": 7e9, "tokens": pd.array([2 * 10**12] * 6, dtype="Int64")})
    assert Runs.from_frame(frame.assign(loss=cells)).table["loss"].tolist() == [2.5] * 3 + [3.0] * 3


@pytest.mark.parametrize("mark", ["\x00", "\n", "\x1b[31m", "\u2028", "\u202e", "\ud800", "\x85"])
@pytest.mark.parametrize("column", ["run", "family", "tokenizer", "lab", "dataset"])
def test_a_control_character_in_a_name_is_refused_and_written_out(mark: str, column: str) -> None:
    cells = pd.Series([f"a{mark}", "b"], dtype=object)
    (problem,) = problems(pd.DataFrame(GOOD).assign(**{column: cells}))
    assert (problem.row, problem.column) == (1, column)
    assert "control character (U+" in problem.rule
    assert mark not in str(problem)


def test_other_scripts_and_signs_are_names() -> None:
    names = ["Ünïcode 模型", "a\u200db 🏴‍☠️"]
    assert Runs.from_frame(pd.DataFrame(GOOD | {"run": names})).table["run"].tolist() == names


def test_many_names_that_repeat_are_one_problem() -> None:
    frame = pd.DataFrame({"run": ["a"] * 250, "params": 7e9, "tokens": 2e12})
    (problem,) = problems(frame)
    assert problem.row == 2
    assert problem.rule == "the first of 249 rows that repeat a name; names must be unique"


@pytest.mark.parametrize("header", ["a\x1b", "a\nb", 3])
def test_a_header_that_cannot_be_printed_is_refused(header: object) -> None:
    with pytest.raises(BayescaleError) as caught:
        Runs.from_frame(pd.DataFrame(GOOD).assign(**{"x": 1}).rename(columns={"x": header}))
    assert len(str(caught.value).splitlines()) == 1
    assert "\x1b" not in str(caught.value)


def test_two_columns_of_one_name_are_refused() -> None:
    frame = pd.DataFrame([[7e9, 2e12, 2.0, 9.0]], columns=["params", "tokens", "loss", "loss"])
    with pytest.raises(BayescaleError, match="two columns are called 'loss'"):
        Runs.from_frame(frame)


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        ("N", "map it with --column params=N, or columns={'params': 'N'}"),
        ("Z", "law chinchilla needs it; map it with --column params=HEADER"),
        ("Z", "the headers are run, Z, tokens, loss"),
    ],
)
def test_a_missing_column_is_looked_for_under_its_other_names(header: str, hint: str) -> None:
    runs = Runs.from_frame(pd.DataFrame(GOOD).rename(columns={"params": header}))
    with pytest.raises(RunsError, match=re.escape(hint)):
        design(Spec.load("chinchilla").replace(response="loss", groups=False), runs)


def test_headers_that_are_not_read_are_said_with_what_maps_them() -> None:
    headers = {"params": "N", "loss": "final loss"}
    note = headers_note(Runs.from_frame(pd.DataFrame(GOOD).rename(columns=headers)))
    assert note is not None
    assert "--column params=N --column loss='final loss'" in str(note)
    headers = {"loss": "metric"}
    note = headers_note(Runs.from_frame(pd.DataFrame(GOOD).rename(columns=headers)))
    assert note is not None
    assert "no column is a response" in note.text
    assert headers_note(Runs.from_frame(pd.DataFrame(GOOD))) is None


def test_a_response_is_looked_for_under_its_other_names() -> None:
    runs = Runs.from_frame(pd.DataFrame(GOOD).rename(columns={"loss": "val_loss"}))
    spec = Spec.load("chinchilla").replace(response="loss", groups=False)
    with pytest.raises(RunsError, match="loss: missing; map it with --column loss=val_loss"):
        design(spec, runs)


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["7B", "2,31", "1e400", 10**400, Decimal("NaN"), pd.NA, pd.NaT, [1], {"a": 1}]),
    st.dates(),
    st.datetimes(),
    st.complex_numbers(),
)
NAMES = ["run", "family", "params_active", "tokens_low", "tokens_high", "loss", "note"]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.fixed_dictionaries({"params": CELLS, "tokens": CELLS},
                                   optional={name: CELLS for name in NAMES}), max_size=4),
    st.sampled_from([None, "note == note", "loss < 4 or family in ('a', 'b')", "params * 2 > 3"]),
    st.booleans(),
)  # fmt: skip
def test_any_table_is_checked_or_refused_on_one_line(
    rows: list[dict[str, Any]], where: str | None, units: bool
) -> None:
    lines: list[object] = []
    try:
        Runs.from_frame(pd.DataFrame(rows), where=where, units=units).to_jsonl().encode()
    except RunsError as error:
        lines = [error, *error.problems]
    except BayescaleError as error:
        lines = [error]
    assert all(len(str(line).splitlines()) == 1 for line in lines)
