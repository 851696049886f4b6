"""Which law: what the report takes from laws are their properties, never their names."""

from dataclasses import replace

import pytest

from bayescale import Fit, Runs, ScalingModel, Settings, Spec
from bayescale.fit.stack import stack
from bayescale.report.explorer import refusal
from bayescale.report.which_law import which_law

SHORT = Settings(draws=100, tune=200, chains=2)
POINTS = [{"params": 7e10, "tokens": 1e13}]


def renamed(fit: Fit, **changes: object) -> Fit:
    """The same fit under a law of another name."""
    law = replace(fit.spec.law, name="mine", **changes)
    return replace(fit, spec=fit.spec.model_copy(update={"law": law}))


def fit(name: str, table: Runs) -> Fit:
    spec = Spec.load(name).replace(groups=False)
    return ScalingModel(spec).fit(table, SHORT, show_progress=False)


@pytest.mark.slow
def test_laws_are_told_apart_by_what_they_are(table: Runs) -> None:
    runs = Runs(table.table[table.known_tokens], table.name)
    compute, chinchilla, slopes = (
        fit(name, runs) for name in ("compute-only", "chinchilla", "separate-slopes")
    )
    comparison = {
        "by": "run", "runs": {"name": runs.name, "count": len(runs)}, "notes": [], "refits": [],
        "models": [
            {"model": each.spec.name, "weight": weight}
            for each, weight in ((compute, 0.5), (chinchilla, 0.3), (slopes, 0.2))
        ],
    }  # fmt: skip
    content, figures = which_law(
        comparison, [renamed(compute), renamed(slopes), renamed(chinchilla)], POINTS
    )
    pair = content["discrimination"]
    assert (pair["one"], pair["other"]) == ("compute-only", "chinchilla")
    assert "discrimination" in figures
    weights = {"compute-only": 0.5, "separate-slopes": 0.2, "chinchilla": 0.3}
    assert content["stack"]["weights"] == weights
    expected = stack([compute, slopes, chinchilla], weights).predict(POINTS[0]).table().iloc[0]
    mixed = content["stack"]["rows"][0]
    assert mixed["median"] == pytest.approx(expected["median"], rel=0.01)  # other draws mixed
    assert mixed["new_run"]["lower"] == pytest.approx(expected["lower"], rel=0.02)
    assert mixed["new_run"]["upper"] == pytest.approx(expected["upper"], rel=0.02)
    difference = content["difference"]["difference_per_decade"]
    assert difference["lower"] < difference["upper"]
    content, _ = which_law(comparison, [compute, renamed(slopes, slopes=None)], POINTS)
    assert content["difference"] is None
    assert content["discrimination"] is None
    # The page's forecaster needs the equation in JavaScript.
    assert refusal(compute) is None
    bent = renamed(compute, mean=lambda x, theta, xp: theta["level"] * xp.tanh(x["params"]))
    assert "no translation to JavaScript" in refusal(bent)
