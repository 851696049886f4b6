"""Forecasts from whole curves, held against published ones: `make bench-curves`.

Learning-rate schedules (arXiv 2503.12811), learning curves of vision and language (2209.06640, as
scored by 2505.23032), checkpoints of repeated data (2305.16264), and the time that fits take.
Writes the page, the figure and `curves.json` to `reports/curves/`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import curves_page
import numpy as np
import pandas as pd

from bayescale.fit.curves import CurveFit, Forecast, fit_curves
from bayescale.fit.folder import versions
from bayescale.runs.curves import Curves

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
SEEN = ("cosine_24000", "constant_24000", "wsdcon_9")
# Unseen points of a curve that are scored, evenly spaced: thousands lie side by side.
POINTS = 60
REPEATS_MOST = 7


def _even(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, POINTS)).round().astype(int))


def scores(forecast: Forecast, loss: np.ndarray) -> dict[str, float]:
    """Of the unseen points of one curve; `end` is its last."""
    table, below = forecast.table(), forecast.tail_probability(loss)
    off = np.log(loss) - np.log(table["median"].to_numpy())
    inside = (below > 0.05) & (below < 0.95)
    return {
        "rmsle": float(np.sqrt(np.mean(off**2))),
        "log_likelihood": float(forecast.log_density(loss).mean()),
        "mean_relative_error": float(np.mean(np.abs(np.expm1(-off)))),
        "coverage": float(inside.mean()),
        "end_inside": float(inside[-1]),
        "end_error": float(off[-1]),
        "end_width": float(table["upper"].iloc[-1] - table["lower"].iloc[-1]),
    }


def schedules(folder: Path) -> dict[str, Any]:
    """Three schedules seen, six forecast, for each size."""
    table = pd.read_csv(folder / "loss_curves.csv")
    every = Curves.from_frame(table, warmup=2160)
    rows, sizes = [], {}
    for params, part in table.groupby("params"):
        start = time.perf_counter()
        seen = part[part["schedule"].isin(SEEN)].assign(setup=str(params))
        fit = fit_curves(Curves.from_frame(seen, warmup=2160), "multi-power")
        mine = []
        for run, rest in part[~part["schedule"].isin(SEEN)].groupby("run"):
            curve = every[str(run)]
            at = _even(len(curve))
            forecast = fit.forecast_of(curve, 0, positions=curve.position[at])
            schedule = rest["schedule"].iloc[0]
            mine.append(
                {"params": params, "schedule": schedule, **scores(forecast, curve.loss[at])}
            )
        rows += mine
        sizes[f"{params / 1e6:.0f}M"] = _mean(mine) | {
            "k_hat": fit.draws[0].k_hat,
            "seconds": time.perf_counter() - start,
        }
    return {"sizes": sizes, "all": _mean(rows), "curves": rows}


def learning(folder: Path, name: str) -> dict[str, Any]:
    """Each curve's first half seen, the rest forecast."""
    table = pd.read_csv(folder / f"learning_curves_{name}.csv")
    table = table.sort_values(["curve", "examples"]).drop_duplicates(["curve", "examples", "loss"])
    counts = table[table["train"] == 1].groupby("curve").size()
    table = table[table["curve"].isin(counts[counts >= 5].index)]
    return _halves(table, table["train"] == 1)


def _halves(table: pd.DataFrame, seen: pd.Series) -> dict[str, Any]:
    start = time.perf_counter()
    names = {"run": "curve", "family": "domain"}
    fit = fit_curves(Curves.from_frame(table[seen], columns=names))
    fitted = time.perf_counter() - start
    rows = []
    for curve, rest in table[~seen].groupby("curve", sort=False):
        at = rest.iloc[_even(len(rest))]
        forecast = fit.forecast(str(curve), positions=at["examples"].to_numpy())
        rows.append({"curve": curve, **scores(forecast, at["loss"].to_numpy())})
    widths = [row["end_width"] for row in rows]
    return {
        "all": _mean(rows) | {"median_end_width": float(np.median(widths))},
        "n": len(rows),
        "seconds_of_fit": fitted,
        **_weights(fit),
        "curves": rows,
    }


def translation(folder: Path) -> dict[str, Any]:
    """Three origins of each translation curve: five to seven points seen, the last forecast."""
    table = pd.read_csv(folder / "learning_curves_lang.csv").sort_values(["curve", "examples"])
    table = table[table["domain"] == "NMT"].drop_duplicates(["curve", "examples", "loss"])
    order = table.groupby("curve").cumcount()
    rows = [
        row | {"seen": count}
        for count in (5, 6, 7)
        for row in _halves(table, order < count)["curves"]
    ]
    widths = [row["end_width"] for row in rows]
    mean = _mean(rows) | {"median_end_width": float(np.median(widths))}
    return {"all": mean, "n": len(rows), "curves": rows}


def checkpoints(folder: Path) -> dict[str, Any]:
    """The final loss of each run from 30 % of it, its cosine schedule known."""
    table = pd.read_csv(folder / "datablations_trajectories.csv")
    table = table[table["run_group"] != "oscar_2.8B_ep4_gzBUN"]  # the same curve as with 3 epochs
    last = table.groupby("run_group")["tokens"].transform("max")
    size = table["dataset"] + " " + table["params"].astype(str)
    table = table.assign(end=last, run=table["run_group"], family=size)
    table = table.drop(columns=["unique_tokens", "flops"])
    fit = fit_curves(Curves.from_frame(table[table["tokens"] <= 0.3 * last], schedule="cosine"))
    rows = []
    for run, rest in table.groupby("run"):
        final = rest.loc[rest["tokens"].idxmax()]
        forecast = fit.forecast(str(run))
        rows.append(
            {
                "run": run,
                "epochs": int(final["total_epochs"]),
                **scores(_last(forecast), np.array([final["loss"]])),
            }
        )
    few = [row for row in rows if row["epochs"] <= REPEATS_MOST]
    return {
        "all": _mean(rows) | _within(rows),
        "up_to_7_epochs": _mean(few) | _within(few),
        "n": len(rows),
        "n_up_to_7_epochs": len(few),
        **_weights(fit),
        "curves": rows,
    }


def _last(forecast: Forecast) -> Forecast:
    part = {"position": [-1]}
    return Forecast(
        forecast.run,
        forecast.mean.isel(part),
        forecast.sd.isel(part),
        forecast.draws.isel(part),
    )


def speed(_: Path) -> dict[str, Any]:
    """A hundred simulated curves of 200 points; then one more point of one."""
    rng = np.random.default_rng(1)
    position = np.geomspace(100, 20_000, 201).round()
    rows = []
    for run in range(100):
        loss = 2 + rng.normal(0, 0.1) + 12 * position ** -rng.uniform(0.25, 0.4)
        loss = loss * np.exp(rng.normal(0, 0.003, len(position)))
        rows.append(pd.DataFrame({"run": f"run {run}", "step": position, "loss": loss}))
    table = pd.concat(rows)
    most = position[-2]
    fit_curves(Curves.from_frame(rows[0]))  # compiles
    start, busy = time.perf_counter(), time.process_time()
    fit = fit_curves(Curves.from_frame(table[table["step"] <= most]))
    fitted, computed = time.perf_counter() - start, time.process_time() - busy
    start, busy = time.perf_counter(), time.process_time()
    fit.update(Curves.from_frame(rows[0])["run 0"]).forecast(
        "run 0", positions=np.array([25_000.0])
    )
    return {
        "fit_100_curves_s": fitted,
        "fit_100_curves_processor_s": computed,
        "one_more_checkpoint_s": time.perf_counter() - start,
        "one_more_checkpoint_processor_s": time.process_time() - busy,
    }


def _weights(fit: CurveFit) -> dict[str, float]:
    k_hat = np.array([drawn.k_hat for drawn in fit.draws])
    return {"k_hat_largest": float(k_hat.max()), "k_hat_above_0.7": int((k_hat > 0.7).sum())}


def _within(rows: list[dict[str, Any]]) -> dict[str, float]:
    off = np.abs([row["end_error"] for row in rows])
    return {"within_1_percent": float((off <= 0.01).mean()), "median_error": float(np.median(off))}


def _mean(rows: list[dict[str, Any]]) -> dict[str, float]:
    frame = pd.DataFrame(rows).select_dtypes("number")
    return {str(key): float(value) for key, value in frame.mean().items() if key in _SCORES}


_SCORES = (
    *("rmsle", "log_likelihood", "mean_relative_error", "coverage"),
    *("end_inside", "end_error", "end_width"),
)
PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "speed": speed,
    "language": lambda folder: learning(folder, "lang"),
    "translation": translation,
    "schedules": schedules,
    "checkpoints": checkpoints,
    "vision": lambda folder: learning(folder, "vision"),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=ROOT / "reports" / "curves")
    parser.add_argument("parts", nargs="*", default=list(PARTS))
    options = parser.parse_args()
    if not options.data.is_dir():
        raise SystemExit(f"{options.data.name}: no such folder; name one with --data")
    done: dict[str, Any] = curves_page.earlier(options.out)
    for name in options.parts:
        start = time.perf_counter()
        done[name] = PARTS[name](options.data)
        print(f"{name}: {time.perf_counter() - start:.0f} s, {done[name].get('all', done[name])}")
        curves_page.write(done | {"versions": versions()}, options.out)


if __name__ == "__main__":
    main()
