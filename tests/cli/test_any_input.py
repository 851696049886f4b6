"""Whatever stands in a file that a command reads: an answer, or one line that says why not."""

from __future__ import annotations

import copy
import json
import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from command_line import FIT_PATIENCE, check
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bayescale.base import bundled

QUICK = ("--draws", 100, "--tune", 100, "--chains", 2, "--overwrite")


def some(examples: int) -> settings:
    """So many examples; a folder of the test holds each in turn."""
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


# Tables and points.

HEADERS = st.sampled_from(
    [
        *("run", "params", "params_active", "tokens", "unique_tokens", "flops", "bpc", "loss"),
        *("family", "tokenizer", "tokens_low", "tokens_high", "N", "note", "", "bpb", "lab"),
    ]
)
CELL = st.sampled_from(
    [
        *("7e9", "70B", "2e12", "0.5", "2.5", "1", "0", "-3", "nan", "inf", "1e300", "1e-300"),
        *("", "true", "text", "1,5", "1 000", "9" * 400, "\x1b[31m", "a\nb", "家", "\ud800", "\0"),
    ]
) | st.text(max_size=8)


@st.composite
def cells(draw: st.DrawFn) -> list[list[str]]:
    """A header and rows, each by itself nearly right."""
    header = draw(st.lists(HEADERS, min_size=2, max_size=6))
    if draw(st.booleans()):
        header = ["run", "params", "tokens", draw(st.sampled_from(["bpc", "loss"])), *header]
    count = draw(st.integers(0, 8))
    plain = {"params": "7e9", "tokens": "2e12", "bpc": "0.5", "loss": "2.5"}
    rows = [[f"r{i}" if n == "run" else plain.get(n, "x") for n in header] for i in range(count)]
    for _ in range(draw(st.integers(0, 4)) if rows else 0):
        row = draw(st.sampled_from(rows))
        row[draw(st.integers(0, len(header) - 1))] = draw(CELL)
    return [header, *rows]


def written(path: Path, rows: list[list[str]], mark: str, encoding: str = "utf-8") -> Path:
    """As CSV of one kind or another; quotes are as careless as the cells."""
    quoted = [[f'"{c}"' if "\n" in c or mark in c else c for c in row] for row in rows]
    path.write_bytes("\n".join(mark.join(row) for row in quoted).encode(encoding, "surrogatepass"))
    return path


@some(60)
@given(
    rows=cells(),
    mark=st.sampled_from([",", ",", ",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16"]),
    suffix=st.sampled_from(["csv", "csv", "tsv", "txt", "json", "parquet", "xlsx", "csv.gz"]),
)
def test_tables(tmp_path: Path, rows: list, mark: str, encoding: str, suffix: str) -> None:
    table = written(tmp_path / f"runs.{suffix}", rows, mark, encoding)
    check("data", "check", table)
    check("data", "check", table, "--units", "--where", "params > 1e9")


ROW = st.dictionaries(
    HEADERS, st.none() | st.booleans() | st.floats() | CELL | st.integers() | st.lists(CELL)
)


@some(50)
@given(rows=st.lists(ROW | CELL, max_size=4))
def test_points_of_a_file(fitted_dir: Path, tmp_path: Path, rows: list) -> None:
    path = tmp_path / "points.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    check("predict", fitted_dir, "--points", path)


@some(30)
@given(rows=cells())
def test_points_of_a_table(fitted_dir: Path, tmp_path: Path, rows: list) -> None:
    check("predict", fitted_dir, "--points", written(tmp_path / "points.csv", rows, ","))


# TOML: a shipped file with some of its values, or its keys, replaced.

NUMBERS = st.sampled_from(
    [0, 1, -1, 20, 2**63, 0.5, -0.0, 1e-300, 5e-324, 1e300, 1e308, math.nan, math.inf, -math.inf]
)
VALUE = (
    NUMBERS
    | st.booleans()
    | st.sampled_from(["Normal", "HalfNormal", "LogNormal", "Beta", "bpc", "loss", "family", ""])
    | st.sampled_from(["\x1b[31m", "a\nb", "x" * 500, "__import__('os')", "../etc", "家"])
    | st.just([])
    | st.dictionaries(st.sampled_from(["dist", "mu", "sigma", "x"]), NUMBERS, max_size=2)
)


def places(content: Any, before: tuple = ()) -> list[tuple]:
    """Every key of nested tables, as a path."""
    if isinstance(content, list):
        items = list(enumerate(content))
    else:
        items = list(content.items()) if isinstance(content, dict) else []
    found = [(*before, key) for key, _ in items]
    return found + [place for key, value in items for place in places(value, (*before, key))]


@st.composite
def altered(draw: st.DrawFn, text: str) -> str:
    content = copy.deepcopy(tomllib.loads(text))
    for _ in range(draw(st.integers(1, 3))):
        *before, last = draw(st.sampled_from(places(content)))
        table = content
        for key in before:
            table = table[key]
        what = draw(st.sampled_from(["replace", "replace", "replace", "remove", "rename"]))
        if what == "replace":
            table[last] = draw(VALUE)
        else:
            value = table.pop(last)
            if what == "rename" and isinstance(table, dict):
                table[draw(st.sampled_from(["x", "name", "\x1b", "priors"]))] = value
        if not places(content):
            break
    return lines(content)


def lines(content: dict[str, Any]) -> str:
    return "\n".join(f"{json.dumps(key)} = {toml(value)}" for key, value in content.items())


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(k)} = {toml(v)}' for k, v in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, float):
        return str(value)
    return json.dumps(value)


SPECS = [bundled.specs()[n].read_text("utf-8") for n in ("compute-only", "chinchilla", "forecast")]
SUITE = """\
[[backtest]]
name = "small"
file = "runs.csv"
train = "params < 5e9"
where = "bpc < 1"
[[backtest]]
name = "cheap"
file = "runs.csv"
train = "params * tokens < 1e22"
"""
RUNS = [
    ["run", "params", "tokens", "bpc"],
    *(
        [f"r{i}-{j}", f"{n:.3g}", f"{d:.3g}", f"{3 * (n * d) ** -0.035 + 0.001 * (i * j % 3):.4f}"]
        for i, n in enumerate((1e9, 3e9, 7e9, 2e10))
        for j, d in enumerate((1e11, 4e11, 2e12))
    ),
]


@some(75)
@given(text=st.sampled_from(SPECS).flatmap(altered))
def test_specs(tmp_path: Path, text: str) -> None:
    spec = tmp_path / "mine.toml"
    spec.write_text(text, "utf-8")
    check("fit", spec, tmp_path / "no-such-table.csv", "--out", tmp_path / "fit")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The recursion limit")  # which PyTensor raises for good
@some(5)
@given(
    name=st.sampled_from(["level", "slope", "sigma", "nu"]),
    mu=st.sampled_from([0.5, -0.1, 0.0, 7.0, -300.0, 300.0, 1e8, -1e30]),
    sigma=st.sampled_from([0.1, 1e-8, 1e-30, 30.0, 1e8, 1e30]),
)
def test_priors_that_are_sampled(tmp_path: Path, name: str, mu: float, sigma: float) -> None:
    """Far from the data, next to nothing wide, or as wide as can be written."""
    content = tomllib.loads(SPECS[0])
    content["priors"][name] |= {"mu": mu, "sigma": sigma}
    spec = tmp_path / "mine.toml"
    spec.write_text(lines(content), "utf-8")
    runs = written(tmp_path / "runs.csv", RUNS, ",")
    check(
        "fit", spec, runs, "--no-groups", "--out", tmp_path / "fit", *QUICK, patience=FIT_PATIENCE
    )


SIZES = st.sampled_from([1e6, 1e9, 7e9, 7.1e9, 1e13]) | st.floats(1e5, 1e14)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The recursion limit")  # which PyTensor raises for good
@some(5)
@given(
    spec=st.sampled_from(["compute-only", "kaplan", "chinchilla"]),
    rows=st.lists(
        st.tuples(SIZES, SIZES, st.floats(0.05, 4), st.sampled_from("ab")), min_size=1, max_size=6
    ),
)
def test_tables_that_are_sampled(tmp_path: Path, spec: str, rows: list) -> None:
    """One run, equal runs, rising ones, sizes decades apart."""
    header = ["run", "params", "tokens", "bpc", "family", "tokenizer"]
    table = [[f"r{i}", *map(str, row), "t"] for i, row in enumerate(rows)]
    runs = written(tmp_path / "runs.csv", [header, *table], ",")
    check("fit", spec, runs, "--out", tmp_path / "fit", *QUICK, patience=FIT_PATIENCE)


@some(25)
@given(text=altered(bundled.read_input("scenarios", "villalobos-2024")))
def test_scenarios(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    check("exhaust", path, "--published", "devries-2023")


@some(15)
@given(text=altered(SUITE), condition=st.text(max_size=20))
def test_suites(tmp_path: Path, text: str, condition: str) -> None:
    written(tmp_path / "runs.csv", RUNS[:2], ",")  # too few to fit: every suite is refused
    path = tmp_path / "suite.toml"
    path.write_text(text, "utf-8")
    assert check("backtest", "compute-only", "--suite", path) == 2
    path.write_text(SUITE.replace("bpc < 1", json.dumps(condition)[1:-1]), "utf-8")
    assert check("backtest", "compute-only", "--suite", path) == 2
