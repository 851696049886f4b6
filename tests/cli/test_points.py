"""Points on the command line: any two sizes, grids, and the limits of both."""

import json
import math
import time
from pathlib import Path

import pytest

from bayescale import BayescaleError, Fit, Spec
from bayescale.cli.points import read_points


class Fitted:
    """As much of a fit as points need."""

    def __init__(self, spec: str, runs) -> None:
        self.specs = (Spec.load(spec),)
        self.inputs = self.specs[0].inputs
        self.group_names = ("family", "tokenizer")
        self.runs = runs


def row(text: str, fitted) -> dict:
    runs, _ = read_points([text], None, fitted)
    (record,) = runs.table.to_dict(orient="records")
    return record


@pytest.mark.parametrize(
    "text",
    [
        "params=70e9,tokens=1.4e12",
        "params=70B,flops=5.88e23",
        "params=70B,tokens_per_param=20",
        "tokens=1.4T,flops=5.88e23",
        "tokens=1.4T,tokens_per_param=20",
        "flops=5.88e23,tokens_per_param=20",
    ],
)
def test_two_sizes_give_the_others(text: str, table) -> None:
    point = row(text, Fitted("chinchilla", table))
    assert point["params"] == pytest.approx(70e9)
    assert point["tokens"] == pytest.approx(1.4e12)


def test_flops_count_active_parameters(table) -> None:
    point = row("params=100B,params_active=10B,flops=6e23", Fitted("chinchilla", table))
    assert point["tokens"] == pytest.approx(1e13)
    assert point["params"] == 1e11


def test_flops_alone_for_a_law_of_compute_alone(run, fitted: Fit, fitted_dir: Path, table) -> None:
    runs, notes = read_points(["flops=1e24,family=Llama-3"], None, fitted)
    (point,) = runs.table.to_dict(orient="records")
    assert 6 * point["params"] * point["tokens"] == pytest.approx(1e24)
    known = table.table[table.known_tokens]
    assert point["tokens"] / point["params"] == pytest.approx(
        math.exp((known["tokens"] / known["params"]).map(math.log).mean())
    )
    assert [note.code for note in notes] == ["any-split"]
    code, out, err = run("predict", fitted_dir, "--at", "flops=1e23:1e25:3", "--json")
    assert code == 0
    assert [r["flops"] for r in json.loads(out)["rows"]] == pytest.approx([1e23, 1e24, 1e25])
    assert err.count("[any-split]") == 1
    split = fitted.predict({"params": 1e10, "tokens": 1e24 / 6e10}, "curve").table()
    code, out, _ = run("predict", fitted_dir, "--at", "flops=1e24", "--kind", "curve", "--json")
    assert json.loads(out)["rows"][0]["median"] == pytest.approx(split["median"][0])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("flops=1e24", "not flops; write"),
        ("params=70B", "not params; write"),
        ("family=A", "not none of them"),
        ("params=70B,tokens=1T,flops=1e24", "not params, tokens, flops"),
        ("params=70B,tokens=1T,tokens_per_param=20", "give two of"),
        ("tokens=1T,params_active=1B,flops=1e24", "params_active stands beside params"),
        ("params=70B,tokens=0", "tokens=0: must be positive"),
        ("params=70B,flops=-1e24", "flops=-1e24: must be positive"),
        ("params=1e300,tokens=1e12", "beyond 1e"),
        ("params=1e20,tokens=1e12", "expected 10000 to 1e.14 parameters"),
        ("params=1e9:1e12:1,tokens=1e12", "LOW:HIGH:COUNT"),
        ("params=1e9:1e12:\N{SUPERSCRIPT TWO},tokens=1e12", "LOW:HIGH:COUNT"),
        ("params=1e9:1e12:" + "9" * 5000 + ",tokens=1e12", "LOW:HIGH:COUNT"),
        ("params=1e9:1e12:3:4,tokens=1e12", "LOW:HIGH:COUNT"),
        ("params=1e12:1e9:3,tokens=1e12", "0 < LOW < HIGH"),
    ],
)
def test_what_makes_no_point(text: str, says: str, table) -> None:
    with pytest.raises(BayescaleError, match=says):
        row(text, Fitted("chinchilla", table))


def test_a_huge_grid_is_refused_at_once(table) -> None:
    grid = "params=1e9:1e12:100000,tokens=1e9:1e12:100000"
    start = time.monotonic()
    with pytest.raises(BayescaleError, match="10000000000 points; at most 100000"):
        read_points([grid], None, Fitted("chinchilla", table))
    with pytest.raises(BayescaleError, match="200000 points"):
        read_points(["params=1e9:1e12:100000,tokens=1e12"] * 2, None, Fitted("chinchilla", table))
    assert time.monotonic() - start < 2


def test_a_law_with_a_discrepancy_needs_the_split(table) -> None:
    fitted = Fitted("compute-only", table)
    fitted.specs = (fitted.specs[0].replace(discrepancy=True),)
    with pytest.raises(BayescaleError, match="give two of"):
        row("flops=1e24", fitted)


def test_many_new_families_are_said_in_a_few_lines(run, fitted_dir: Path, tmp_path: Path) -> None:
    rows = "".join(f"family-{i},7e9,2e12\n" for i in range(500))
    (tmp_path / "points.csv").write_text(f"family,params,tokens\n{rows}")
    code, out, err = run("predict", fitted_dir, "--points", "points.csv", "--json")
    assert code == 0
    assert len(json.loads(out)["rows"]) == 500
    assert len(err.splitlines()) < 10
    assert max(map(len, err.splitlines())) < 1000
    assert "family-7 and 492 more are not in the data" in err
    assert "Warning" not in err
