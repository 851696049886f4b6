"""Whose intervals hold beyond the data: `make bench-skill`.

Runs a suite of splits, a suite of far ones, and Farseer's grid through ours and through the peers,
scores all with `bayescale.evaluation.scores`, and writes the page, the figures and the numbers to
`reports/forecast-skill/`. What is done is kept in `build/`, so a rerun does only what changed.
Ratios of the seconds are rough: other jobs share the machine, and ours sample on several cores.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import peers
import scalebench
import skill_distance
import skill_page
import xarray as xr

from bayescale import BayescaleError, Spec
from bayescale.base.settings import PROB
from bayescale.evaluation.backtest import backtest
from bayescale.evaluation.split_scores import described, means, scored
from bayescale.evaluation.splits import Split, read_suite
from bayescale.fit.folder import versions

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
SUITES = {"near": SHARED / "backtests.toml", "far": SHARED / "backtests_far.toml"}
GRID = SHARED / "scalebench"
KEPT = ROOT / "build" / "forecast-skill"
SEED = 0
# What papers do. The other peers are not run on the far splits and the grid, which takes an hour.
USUAL = ["bootstrap"]
RESPONSE = "loss"
# Files of ours that only show or decide what others made; all others may change a forecast.
SHOWN = ("cli/**/*.py", "report/**/*.py", "plan/**/*.py", "measure/**/*.py")


def ours() -> dict[str, Spec]:
    alone = Spec.load("chinchilla").replace(response=RESPONSE, groups=False)
    return {"bayescale, forecast": Spec.load("forecast"), "bayescale, law and iid noise": alone}


def grid() -> Split:
    """Farseer's grid as ScaleBench splits it: the 7 largest models are predicted."""
    spec, one = scalebench.read("farseer", GRID)
    return replace(one, name="farseer-grid", response=spec.response)


def response(one: Split) -> str:
    return one.response or RESPONSE


def handed(one: Split) -> dict:
    """A split as the peers get it: no response of a run to be predicted."""
    columns = {"params": "params", "tokens": "tokens", "response": response(one)}
    train = {name: one.train.table[column].tolist() for name, column in columns.items()}
    test = {name: one.test.table[name].tolist() for name in ("params", "tokens")}
    return {"name": one.name, "seed": SEED, "train": train, "test": test}


def kept(label: str, depends_on: object, make: Callable[[], list[dict]]) -> list[dict]:
    """What was made before from the same things, or what `make` gives, kept for the next time."""
    digest = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()
    path = KEPT / f"{label.replace(', ', '-').replace(' ', '-')}-{digest[:16]}.json"
    if not path.is_file():
        made = json.dumps(make())
        KEPT.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_text(made)
        unfinished.replace(path)
    return json.loads(path.read_text())


def sources() -> str:
    """A digest of our code and of the versions that it runs with."""
    package = ROOT / "bayescale"
    shown = {path for pattern in SHOWN for path in package.glob(pattern)}
    files = [*sorted({*package.rglob("*.py")} - shown), ROOT / "requirements.lock"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def jobs(
    suite: list[Split], workers: Sequence[str]
) -> Iterator[tuple[str, Split, object, Callable[[], list[dict]]]]:
    """A name, a split, all that the outcome depends on, and what makes it; peers first."""
    for worker in workers:
        asked = peers.settings(worker)
        for one in suite:
            rows = handed(one)
            yield worker, one, [asked, rows], partial(peers.forecasts, worker, rows)
    code = sources()
    for name, spec in ours().items():
        for one in suite:
            reached = one.test.table[response(one)].tolist()
            asked = [code, spec.model_dump(mode="json"), handed(one), reached]
            yield name, one, asked, partial(by_us, name, spec, one)


def by_us(name: str, spec: Spec, one: Split) -> list[dict]:
    done = backtest(spec, one, seed=SEED, show_progress=False)
    mean_error = float(done.points["error"].abs().mean())
    version = versions()["bayescale"]
    return [{"method": name, "version": version, **done.to_dict(), "mean_error": mean_error}]


def by_peer(one: Split, draws: np.ndarray) -> dict:
    """Scores of a peer's draws (draw, run) of ln(response); of a point, its error and no more."""
    if len(draws) == 1:
        error = draws[0] - np.log(one.test.table[response(one)].to_numpy(float))
        return {
            "rmse": float(np.sqrt((error**2).mean())),
            "bias": float(error.mean()),
            "mean_error": float(np.abs(error).mean()),
        }
    runs = one.test.table["run"].to_numpy()
    logs = xr.DataArray(draws[None], dims=("chain", "draw", "run"), coords={"run": runs})
    points = scored(one, response(one), logs)
    mean_error = float(points["error"].abs().mean())
    return {
        **described(one, points),
        "mean_error": mean_error,
        "points": points.to_dict(orient="records"),
    }


def mean(done: list[dict]) -> dict:
    """Means over the splits that a method did; a point has few."""
    if not done or "points" not in done[0]:
        names = ("rmse", "bias", "seconds") if done else ()
        return {name: float(np.mean([one[name] for one in done])) for name in names}
    said = means(done)
    if "rhat" in done[0]:
        said["rhat"] = max(one["rhat"] for one in done)
        said["passed"] = all(one["passed"] for one in done)
    return said


def run(suite: list[Split], workers: Sequence[str]) -> dict[str, Any]:
    """The sizes of each split; each method's version, its scores by split, and their means."""
    methods: dict[str, dict] = {}
    work = list(jobs(suite, workers))
    for i, (name, one, asked, make) in enumerate(work, 1):
        label = f"{name}, {one.name}"
        print(f"{i} of {len(work)}: {label}", file=sys.stderr, flush=True)
        try:
            made = kept(label, asked, make)
        except BayescaleError as error:
            print(f"  not done: {error}", file=sys.stderr, flush=True)
            made = [{"method": name, "version": "", "error": str(error)}]
        for each in made:
            method, version = each.pop("method"), each.pop("version")
            draws = each.pop("draws", None)
            said = each if draws is None else each | by_peer(one, np.asarray(draws))
            row = methods.setdefault(method, {"method": method, "version": version, "splits": {}})
            row["splits"][one.name] = said
    for row in methods.values():
        row["mean"] = mean([one for one in row["splits"].values() if "error" not in one])
    sizes = {one.name: {"n_train": len(one.train), "n_test": len(one.test)} for one in suite}
    return {"splits": sizes, "methods": list(methods.values())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", type=Path, default=SUITES["near"], help="a TOML file of splits")
    parser.add_argument("--far", type=Path, default=SUITES["far"], help="another, of far ones")
    parser.add_argument("--out", type=Path, default=skill_page.OUT)
    asked = parser.parse_args()
    for suite in (asked.suite, asked.far):
        if not suite.is_file():
            raise BayescaleError(f"no suite of splits at {suite}; name one with --suite and --far")
    near, far = read_suite(asked.suite), read_suite(asked.far)
    peers.find_uv()
    of_near = run(near, list(peers.PINS))
    of_far, of_grid = (run(splits, USUAL) for splits in (far, [grid()]))
    pairs = [(near, of_near["methods"]), (far, of_far["methods"])]
    distance = skill_distance.by_distance(pairs)
    for done in (of_near, of_far, of_grid):
        for method in done["methods"]:
            for one in method["splits"].values():
                one.pop("points", None)
    skill_page.write(
        {
            "suite": asked.suite.name,
            "prob": PROB,
            "seed": SEED,
            "versions": versions(),
            "pins": peers.PINS,
            **of_near,
            "far": {"suite": asked.far.name, **of_far},
            "grid": of_grid,
            "distance": distance,
        },
        asked.out,
    )


if __name__ == "__main__":
    try:
        main()
    except BayescaleError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
