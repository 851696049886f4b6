"""Priors learnt from public tables of runs: `make learn-priors`.

One hierarchical model over the tables of `learn_priors.toml`: each has its own parameters of the
law, of its noise and of its discrepancy, drawn from Normal distributions that all share. Their
means and spreads are found by expectation maximisation: fit every table under the priors that are
in `data/learnt_priors.toml`, set each prior to the moments of all posteriors, write them there, and
repeat. A weak hyper-prior, worth two tables, keeps a spread that few tables tell of off 0. With
`--without SOURCE` and `--out FILE`, priors that have not seen that source, to judge them by.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path

import numpy as np
import tomli_w
import xarray as xr

from bayescale import Runs, ScalingModel, Spec

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
OUT = ROOT / "data" / "learnt_priors.toml"
ROUNDS, SEED = 3, 0
# Rows of a table that are fitted, at most, at random: a larger grid would tell no more.
MOST_RUNS = 100

# The hyper-prior: means and spreads on the scale without bounds, from what papers print. It counts
# as `TABLES` tables of such a spread, and half as many of such a mean.
HYPER = {
    "params_ratio": (-1.9, 0.5),
    "tokens_ratio": (-1.7, 0.7),
    "alpha": (-1.05, 0.35),
    "beta": (-1.1, 0.35),
    "corner": (-0.5, 0.4),
    "vocabulary": (10.8, 0.8),
    "discrepancy_length_compute": (2.3, 0.3),
    "discrepancy_length_split": (1.4, 0.5),
    "discrepancy_local_growth": (0.45, 0.2),
}
TABLES = 2.0
# What no table tells of inside its own range, and what only its forecasts do: chosen by the
# interval scores of forecasts beyond the frontier, of tables that the other priors had not seen.
CHOSEN = {
    "level": {"dist": "LogNormal", "mu": 0.0, "sigma": 1.5},
    "floor_exponent": {"dist": "Normal", "mu": 0.011, "sigma": 0.005},
    "sigma": {"dist": "LogNormal", "mu": -6.0, "sigma": 1.0},
    "nu": {"dist": "LogNormal", "mu": 2.0, "sigma": 0.6},
    "discrepancy_amplitude": {"dist": "Gamma", "alpha": 2.0, "beta": 80.0},
    "discrepancy_local_amplitude": {"dist": "HalfNormal", "sigma": 0.005},
}
REAL = ("discrepancy_local_growth",)
PREFIX = "discrepancy_"
# Of each learnt parameter without bounds: a mean, and a standard deviation or a variance.
type Moments = dict[str, tuple[float, float]]


def priors(moments: Moments) -> dict[str, dict]:
    """Every prior by its name in the posterior, from moments without bounds."""
    learnt = {
        name: {
            "dist": "Normal" if name in REAL else "LogNormal",
            "mu": round(mean, 2),
            "sigma": round(spread, 2),
        }
        for name, (mean, spread) in moments.items()
    }
    return {**CHOSEN, **learnt}


def parts(every: dict[str, dict]) -> dict[str, dict]:
    """As a spec has them: those of the law and the noise, and those of the discrepancy."""
    ours = {n: prior for n, prior in every.items() if not n.startswith(PREFIX)}
    of_process = {
        n.removeprefix(PREFIX): prior for n, prior in every.items() if n.startswith(PREFIX)
    }
    return {"priors": ours, "discrepancy": of_process}


def ladders(without: str | None) -> list[tuple[dict, Runs]]:
    """The tables, each with its entry."""
    entries = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))["ladder"]
    rng = np.random.default_rng(SEED)
    found = []
    for entry in entries:
        runs = Runs.read(SHARED / entry["file"], where=entry.get("where"))
        some = np.sort(rng.permutation(len(runs))[:MOST_RUNS])
        if entry["source"] != without:
            found.append((entry, Runs(runs.table.iloc[some].reset_index(drop=True), runs.name)))
    return found


def forecast(every: dict[str, dict]) -> Spec:
    """The spec `forecast` with these priors."""
    values = tomllib.loads((ROOT / "models" / "forecast.toml").read_text("utf-8"))
    del values["priors_from"]
    return Spec.parse(tomli_w.dumps(values | every))


def present() -> Moments:
    """Moments of the priors as they are in the file."""
    every = tomllib.loads(OUT.read_text("utf-8"))["ladders"]
    named = every["priors"] | {PREFIX + n: prior for n, prior in every["discrepancy"].items()}
    return {name: (named[name]["mu"], named[name]["sigma"]) for name in HYPER}


def posterior(spec: Spec, entry: dict, runs: Runs, ess: int = 400) -> dict[str, np.ndarray]:
    """Draws of each learnt parameter without bounds, given one table."""
    model = ScalingModel(spec, response=entry.get("response", "loss"))
    fit = model.fit(runs, ess=ess, seed=SEED, show_progress=False)
    return unbounded(fit.posterior)


def unbounded(draws: xr.Dataset) -> dict[str, np.ndarray]:
    """Each learnt parameter without bounds, all chains in one array."""
    flat = {name: draws[name].to_numpy().ravel() for name in HYPER}
    return {name: values if name in REAL else np.log(values) for name, values in flat.items()}


def moments_of(draws: dict[str, np.ndarray], weights: np.ndarray | None = None) -> Moments:
    """Means and variances of draws, which all count alike unless they have weights."""
    means = {name: np.average(values, weights=weights) for name, values in draws.items()}
    return {
        name: (float(mean), float(np.average((draws[name] - mean) ** 2, weights=weights)))
        for name, mean in means.items()
    }


def learn(without: str | None = None, rounds: int = ROUNDS) -> Moments:
    """Moments of each prior, from all tables but those of one source."""
    tables = ladders(without)
    sources = [entry["source"] for entry, _ in tables]
    moments = present()
    for number in range(1, rounds + 1):
        spec = forecast(parts(priors(moments)))
        found = []
        for entry, runs in tables:
            found.append(moments_of(posterior(spec, entry, runs)))
            print(f"round {number}: {entry['source']}, {len(runs)} runs", file=sys.stderr)
        moments = from_tables(found, sources)
        print(f"round {number}: {moments}", file=sys.stderr, flush=True)
    return moments


def from_tables(found: list[Moments], sources: list[str]) -> Moments:
    """Moments of each prior, from means and variances of its parameter given each table."""
    weight = np.array([sources.count(source) ** -0.5 for source in sources])
    total, moments = weight.sum(), {}
    for name, (mean, spread) in HYPER.items():
        means, variances = np.transpose([each[name] for each in found])
        middle = (weight @ means + TABLES / 2 * mean) / (total + TABLES / 2)
        spreads = variances + (means - middle) ** 2
        sd = np.sqrt((weight @ spreads + TABLES * spread**2) / (total + TABLES))
        moments[name] = (float(middle), float(sd))
    return moments


def written(every: dict[str, dict]) -> str:
    """The file's text."""
    lines = [
        "# Priors learnt from public tables of runs by `make learn-priors`: see learnt_priors.md.",
        "",
        "[ladders]",
        'law = "joint-power"',
    ]
    for part, named in every.items():
        lines += ["", f"[ladders.{part}]"]
        for name, prior in named.items():
            inside = ", ".join(
                f'{key} = "{value}"' if key == "dist" else f"{key} = {value}"
                for key, value in prior.items()
            )
            lines.append(f"{name} = {{ {inside} }}")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--without", help="a source whose tables are left out")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    asked.out.write_text(written(parts(priors(learn(asked.without, asked.rounds)))), "utf-8")


if __name__ == "__main__":
    main()
