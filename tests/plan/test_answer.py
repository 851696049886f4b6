"""What plans say: every row readable, stable keys, and a plan of one's own by the recipe."""

import json
import re
from dataclasses import dataclass, replace

import numpy as np
import pytest
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.numbers import human
from bayescale.plan import allocation, exhaustion, overhead, printed, serving
from bayescale.plan.answer import Answer, rows, shared, summary, with_unit
from bayescale.plan.curve import Curve
from bayescale.plan.mixture import Mixture
from bayescale.plan.scenario import Scenario
from bayescale.plan.solve import root

CURVE = Curve.published("besiroglu-2024")
LINE = Curve.published("open-llm-least-squares")
SERVED = {"prob": 0.9, "generated_tokens": 1e12}


def spread(curve: Curve) -> Curve:
    """The curve with draws whose level differs by 1 %."""
    factor = np.exp(0.01 * np.random.default_rng(0).standard_normal((1, 200)))
    ones = xr.DataArray(np.ones_like(factor), dims=SAMPLE_DIMS)
    theta = {name: value * ones for name, value in curve.theta.items()}
    return replace(curve, theta={**theta, "level": theta["level"] * factor})


ANSWERS = {
    "optimum": lambda: allocation.answer(CURVE, 1e23, 0.9),
    "optimum with draws": lambda: allocation.answer(spread(CURVE), 1e23, 0.9),
    "optimum of compute alone": lambda: allocation.answer(LINE, 1e23, 0.9),
    "optimum with repeats": lambda: allocation.answer(
        Curve.published("muennighoff-2023"), 1e22, 0.9, unique_tokens=1e11
    ),
    "printed": lambda: printed.answer("deepseek-2024", 1e23),
    "overhead": lambda: overhead.answer(CURVE, 0.5, 0.9),
    "serve": lambda: serving.answer(CURVE, as_good_as=1e10, **SERVED),
    "serve with compute alone": lambda: serving.answer(LINE, target=0.4, **SERVED),
    "stack": lambda: allocation.answer(
        Mixture.of([spread(CURVE), spread(CURVE)], [0.5, 0.5], 0), 1e23, 0.9
    ),
    "exhaust": lambda: exhaustion.answer(
        exhaustion.exhaust(Scenario.load("villalobos-2024"), [CURVE])
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_row_is_read_without_the_source(name: str) -> None:
    """No label is a key of the code; `a` and `b` say what they are the exponents of."""
    answer = ANSWERS[name]()
    for table in answer.tables:
        labels = [row.get("quantity", label) for row in table.rows for label in row]
        assert labels
        for label in labels:
            assert not re.search(r"[a-z]_[a-z]", label), label
            assert label not in ("a", "b", "within", "prob", "saving", "total", "unit")
        assert len({tuple(row) for row in table.rows}) == 1  # one header for all rows
    keys = [key for key in answer.content if isinstance(key, str) and key]
    assert len(keys) == len(answer.content)


def test_the_response_has_its_own_name() -> None:
    """The best bpc was once in a row named loss."""
    answer = allocation.answer(LINE, 1e24, 0.9)
    assert answer.content["bpc"] == pytest.approx(0.4158, abs=1e-4)
    assert "loss" not in answer.content
    (row,) = [row for row in answer.tables[0].rows if row["quantity"].startswith("bpc")]
    assert row == {"quantity": "bpc (bits per character) of the curve", "value": "0.4158"}
    served = serving.answer(LINE, target=0.4, max_tokens=1e13, **SERVED)
    labels = [row["quantity"] for row in served.tables[0].rows]
    assert "target bpc (bits per character) of one new run" in labels


def test_what_is_not_there_is_no_row_and_what_is_infinite_is_a_dash() -> None:
    absent = {row["quantity"] for row in allocation.answer(LINE, 1e24, 0.9).tables[0].rows}
    assert "parameters N" not in absent
    assert allocation.answer(LINE, 1e24, 0.9).content["params"] is None
    impossible = overhead.answer(CURVE, 0.05, 0.9)
    texts = {row["quantity"]: row["value"] for row in impossible.tables[0].rows}
    assert texts["training tokens over the compute-optimal ones"] == "\N{EN DASH}"


def test_draws_are_summarised() -> None:
    draws = xr.DataArray(np.arange(1.0, 102.0)[None], dims=SAMPLE_DIMS)
    ends = summary(draws, 0.9)
    assert ends == pytest.approx({"mean": 51.0, "median": 51.0, "lower": 6.0, "upper": 96.0})
    assert summary(xr.concat([draws, 2 * draws], "year"), 0.9)[1]["median"] == 102.0
    assert summary(np.inf, 0.9) is None
    (row,) = rows(0.9, [("n", "parameters", 1e9 * draws, human)])
    assert row.text == "51B (6B to 96B)"


@dataclass(frozen=True)
class Catching:
    """A plan written by the recipe in `bayescale.plan`: how much longer a smaller model trains."""

    factor: xr.DataArray


def catching_up(curve: Curve, params: float, tokens: float) -> Catching:
    """Tokens over `tokens` at which half the parameters give the same response."""
    target = curve.at(params, tokens)

    def missing(more, g):
        x = {"params": np.log(params / 2), "tokens": np.log(tokens) + more}
        return curve.loss(x, g) - g["target"]

    return Catching(np.exp(root(missing, 0.0, 50.0, {**curve.theta, "target": target})))


def catching_up_answer(curve: Curve, params: float, tokens: float, prob: float) -> Answer:
    plan = catching_up(curve, params, tokens)
    quantities = [
        *shared(**curve.origin, params=params, tokens=tokens),
        ("factor", f"times the tokens, for the same {with_unit(curve.response)}", plan.factor),
    ]
    return Answer.of(rows(prob, quantities), curve.notes)


def test_a_plan_of_ones_own() -> None:
    """Its computation and its rows are all: people and programs get theirs."""
    answer = catching_up_answer(spread(CURVE), 1e10, 2e11, 0.9)
    texts = {row["quantity"]: row["value"] for row in answer.tables[0].rows}
    assert texts["parameters N"] == "10B"
    assert " to " in texts["times the tokens, for the same loss (nats per token)"]
    assert 2 < answer.content["factor"]["median"] < 4
    json.dumps(answer.content, allow_nan=False)


def test_every_part_of_the_report_has_its_writer() -> None:
    from bayescale.report import decisions
    from bayescale.report.sections import plans

    parts = [part.__name__ for part in decisions._PARTS]
    assert parts == [write.__name__ for write in plans._WRITERS]
