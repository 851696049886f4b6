"""Specs of responses other than the loss, with the values from which tests simulate runs."""

from pathlib import Path
from typing import Any

from bayescale import Runs, Spec
from bayescale.laws import Law, Parameter, register
from bayescale.runs.columns import COLUMNS
from bayescale.testing import ladder, simulate

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
ACCURACY = Spec.load(EXAMPLES / "accuracy.toml")
ODDS = {"reducible": 0.9, "split": 0.5, "alpha": 0.3, "beta": 0.3, "sigma": 0.05}
MEANINGS = {"level": "response at the data's centre", "rate": "exponent of compute"}

# An accuracy that rises to 1 by itself.
RISING = register(
    Law(
        name="rising",
        title="What is missing to 1 falls as a power of compute",
        equation="y = 1 - (1 - level) (C/C0)^-rate",
        citation="a test",
        parameters=tuple(Parameter(name, "unit", text) for name, text in MEANINGS.items()),
        mean=lambda x, theta, xp: (
            1 - (1 - theta["level"]) * xp.exp(-theta["rate"] * (x["params"] + x["tokens"]))
        ),
        published=lambda theta, centre: dict(theta),
        sampled=lambda constants, centre: dict(constants),
        units=MEANINGS,
        compute_only=True,
        has_optimum=False,
    )
)


def _spec(start: Spec, **changes: Any) -> Spec:
    values = start.model_dump() | {"law": start.law} | changes
    return Spec.model_validate(values)


CASES: dict[str, tuple[Spec, dict[str, float]]] = {
    "accuracy": (ACCURACY, {"level": 0.7, **ODDS}),
    "error": (
        _spec(ACCURACY, response="error", law_of="response", bounds=None),
        {"level": 0.3, **ODDS},
    ),
    "perplexity": (
        Spec.load("compute-floor").replace(response="perplexity", groups=False),
        {"level": 12.0, "reducible": 0.6, "gamma": 0.17, "sigma": 0.02, "nu": 20.0},
    ),
    "rising": (
        _spec(
            ACCURACY,
            law=RISING,
            law_of="response",
            bounds=None,
            noise={"on": "response", "dist": "Normal"},
            priors={
                "level": {"dist": "Beta", "alpha": 2.0, "beta": 2.0},
                "rate": {"dist": "Beta", "alpha": 1.0, "beta": 8.0},
                "sigma": {"dist": "LogNormal", "mu": -4.0, "sigma": 1.0},
            },
        ),
        {"level": 0.7, "rate": 0.08, "sigma": 0.01},
    ),
    "reward": (
        Spec.load("compute-only").replace(
            response="reward",
            groups=False,
            priors={
                "level": {"dist": "Normal", "mu": 0.0, "sigma": 2.0},
                "slope": {"dist": "Normal", "mu": 0.0, "sigma": 0.5},
                "sigma": {"dist": "LogNormal", "mu": -2.0, "sigma": 1.0},
            },
        ),
        {"level": -0.2, "slope": 0.1, "sigma": 0.1, "nu": 20.0},
    ),
}


def simulated(name: str, seed: int = 3) -> Runs:
    """40 runs of a ladder whose responses follow a case."""
    spec, truth = CASES[name]
    example = float(COLUMNS[spec.response].example)
    grid = ladder().table[["run", "params", "tokens"]].assign(**{spec.response: example})
    runs = simulate(spec, Runs.from_frame(grid), truth, seed)
    return Runs(runs.table.sample(40, random_state=1).reset_index(drop=True), name)
