"""The full circle: `make full-circle`.

Trains the ladder of a plan, fits laws to its rows, says what one run with 8 times the compute of
the largest will reach, trains that run, and says whether the intervals held it. The rows are kept
in `build/full-circle/`: killed, the same command goes on. Writes `reports/full-circle/`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import full_circle_page
import torch

from bayescale import BayescaleError, Runs, ScalingModel, Spec
from bayescale.base.intervals import interval
from bayescale.base.settings import PROB
from bayescale.fit.folder import versions
from bayescale.measure.sweep import sweep
from bayescale.measure.sweep_plan import SweepPlan

ROOT = Path(__file__).parents[2]
# `forecast` is the spec for predictions beyond the data; the paper's line stands beside it.
SPECS = {"forecast": "loss", "compute-only": "bpc"}


def circle(ladder: SweepPlan, beyond: SweepPlan, work: Path) -> dict[str, Any]:
    """Train, fit, forecast, train, compare.

    Parameters
    ----------
    ladder, beyond : SweepPlan
        What is fitted, and the one run that is forecast.
    work : Path
        Where the rows are, or will be; what is there is not trained again.

    Returns
    -------
    dict
        `ladder` and `beyond` (rows), `forecasts` by spec, `trained` (names, now), `seconds`.
    """
    seconds: dict[str, float] = {}
    with _timed(seconds, "ladder"):
        trained = sweep(ladder, work / "ladder", progress=True)
    runs = Runs.read(work / "ladder" / "runs.csv")
    (job,) = beyond.runs()
    forecasts: dict[str, dict[str, Any]] = {}
    for name, response in SPECS.items():
        with _timed(seconds, name):
            forecasts[name] = forecast(name, response, runs, job.params, job.tokens)
        said = forecasts[name]
        print(
            f"{name}: {job.params:,} parameters on {job.tokens:,} tokens will reach {response} "
            f"{said['median']:.4g}, {PROB:.0%} of such runs {said['lower']:.4g} to "
            f"{said['upper']:.4g}",
            flush=True,
        )
    with _timed(seconds, "beyond"):
        trained += sweep(beyond, work / "beyond", progress=True)
    (reached,) = _rows(Runs.read(work / "beyond" / "runs.csv"))
    for name, said in forecasts.items():
        said["reached"] = reached[said["response"]]
        said["held"] = said["lower"] <= said["reached"] <= said["upper"]
        verdict = "holds it" if said["held"] else "does not hold it"
        print(f"{name}: it reached {said['reached']:.4g}; the interval {verdict}", flush=True)
    return {
        "prob": PROB,
        "versions": versions() | {"torch": torch.__version__},
        "ladder": _rows(runs),
        "beyond": reached,
        "forecasts": forecasts,
        "trained": trained,
        "seconds": seconds,
    }


def forecast(name: str, response: str, runs: Runs, params: float, tokens: float) -> dict[str, Any]:
    """One new run, by a shipped spec without groups, and the curve over compute to draw it on."""
    spec = Spec.load(name).replace(response=response, groups=False)
    fit = ScalingModel(spec).fit(runs)
    asked = fit.predict({"params": params, "tokens": tokens})
    (row,) = asked.table(PROB).to_dict(orient="records")
    band = full_circle_page.along(runs.table, params, tokens)
    said = interval(fit.predict(band).draws, PROB)
    return {
        "response": response,
        **{key: float(row[key]) for key in ("median", "lower", "upper")},
        "decades_outside": float(row["decades_outside"]),
        "decades_of_compute": float(row["decades_of_compute"]),
        "converged": fit.convergence.passed,
        "r_hat": fit.convergence.r_hat,
        "notes": [str(note) for note in [*fit.notes, *asked.notes]],
        "band": {"flops": (6 * band["params"] * band["tokens"]).tolist()}
        | {key: said[key].values.tolist() for key in ("median", "lower", "upper")},
    }


def _rows(runs: Runs) -> list[dict[str, Any]]:
    columns = [
        *("run", "params", "tokens", "flops", "flops_6nd", "loss", "bpc", "bpc_se"),
        *("layers", "width", "learning_rate", "seed"),
    ]
    return runs.table[columns].to_dict(orient="records")


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ladder", default="stdlib", help="a plan: what is fitted")
    parser.add_argument("--beyond", default="stdlib-8x", help="a plan of one run: the forecast's")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "full-circle")
    parser.add_argument("--out", type=Path, default=ROOT / "reports" / "full-circle")
    asked = parser.parse_args()
    plans = (SweepPlan.load(asked.ladder), SweepPlan.load(asked.beyond))
    full_circle_page.write(circle(*plans, asked.work), asked.out)
    print(f"{asked.out / 'README.md'}")


if __name__ == "__main__":
    try:
        main()
    except BayescaleError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
