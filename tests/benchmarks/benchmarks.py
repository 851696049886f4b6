"""Forecasts of benchmark scores against what was observed: `make bench-benchmarks`.

Three published tables: the OLMo ladder (13B and 7B from sizes up to 1B and up to 3B), models of
many families (those above 8.4e22 FLOP from those below), and checkpoints (one training corpus left
out). Then emergence, simulated. Writes the page, the figure and `benchmarks.json` to
`reports/benchmarks/` after each part; `benchmarks.py PART...` renews some.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import benchmarks_page
import numpy as np
import pandas as pd
from emergence import simulated_emergence
from score_rivals import pca_and_lines, sigmoid_of_loss, sloth

from bayescale import Runs
from bayescale.evaluation.benchmarks import HeldOut, beyond_frontier, forms_of, held_out
from bayescale.fit.folder import versions
from bayescale.runs.benchmarks.scores import Scores

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
FRONTIER = 8.4e22
# The ladder's columns of each benchmark, behind `acc_` and `bpb_`.
LADDER = {
    "mmlu": "mmlu_test_mean4",
    "hellaswag": "hellaswag_val",
    "arc_challenge": "arc_challenge_test",
    "arc_easy": "arc_easy_test",
    "piqa": "piqa_val",
    "commonsenseqa": "csqa_val",
    "social_iqa": "socialiqa_val",
    "openbookqa": "openbookqa_test",
}
# Scores of 13B-5T (mean of its last checkpoints), and the published relative errors in %, in two
# stages and from FLOP.
OBSERVED_13B = {
    "mmlu": (0.516, 0.7, 4.8),
    "hellaswag": (0.832, 2.5, 1.9),
    "arc_challenge": (0.638, 17.5, 10.8),
    "arc_easy": (0.872, 11.4, 6.4),
    "piqa": (0.830, 1.1, 1.0),
    "commonsenseqa": (0.741, 4.7, 4.6),
    "social_iqa": (0.616, 2.7, 4.0),
    "openbookqa": (0.486, 7.8, 7.2),
}


def olmo(folder: Path) -> dict[str, Any]:
    """The ladder's forecasts by form, sizes fitted and target."""
    columns = {"params": "params_excl_input_emb"}
    runs = Runs.read(folder / "olmo_ladder_tasks.csv", columns=columns)
    scores = Scores.of(runs, {name: f"acc_{column}" for name, column in LADDER.items()})
    target = runs.table["target"].to_numpy(bool)
    small = ~target & (runs.table["size"] != "3B").to_numpy()
    splits = {"1B": (small, target), "3B": (~target, target)}
    found: dict[str, Any] = {}
    for form in ("two-stage", "latent", "direct"):
        for size, done in zip(splits, held_out(scores, list(splits.values()), form), strict=True):
            for name, key in (("13B", "peteish13_eval_final"), ("7B", "peteish7_eval_anneal")):
                found[f"{form} {size} {name}"] = _ladder_target(done, key, name)
    return found


def _ladder_target(done: HeldOut, run: str, name: str) -> dict[str, Any]:
    points = done.points[done.points["run"] == run].set_index("benchmark")
    if name == "13B":
        points["observed"] = pd.Series(
            {k: observed for k, (observed, _, _) in OBSERVED_13B.items()}
        )
    error = (points["median"] / points["observed"] - 1).abs()
    inside = (points["observed"] >= points["lower"]) & (points["observed"] <= points["upper"])
    tasks = points[["observed", "median", "lower", "upper"]].assign(relative_error=error)
    return {
        "mean_relative_error": float(error.mean()),
        "inside": int(inside.sum()),
        "tasks": tasks.to_dict(orient="index"),
        "convergence": done.convergence.to_dict(),
        "seconds": done.seconds,
    }


def frontier(folder: Path) -> dict[str, Any]:
    """Models above the frontier, from those below."""
    runs = Runs.read(folder / "model_benchmarks.csv", blank_counts=True)
    scores = Scores.of(runs).with_compute()
    split = beyond_frontier(scores, FRONTIER)
    by_form = {form: held_out(scores, [split], form)[0] for form in forms_of(scores)}
    observed = scores.scores[split[1]]
    rivals = {"pca": pca_and_lines(scores, *split), "sloth": sloth(scores, *split)}
    table = _beside(by_form["latent"], observed, rivals)
    forms = {
        form: {"crps": each.crps, "rmse": each.rmse, "coverage": each.coverage}
        | {"convergence": each.convergence.to_dict()}
        for form, each in by_form.items()
    }
    return {"models": [int(mask.sum()) for mask in split], **table, "forms": forms}


def corpora(folder: Path) -> dict[str, Any]:
    """Checkpoints of each training corpus, from those of the others, given their losses."""
    frame = pd.read_csv(folder / "bpb_and_benchmarks.csv", dtype=str)
    frame["run"] = [f"{run} {row}" for row, run in enumerate(frame["run"])]
    frame = frame.assign(family=frame["dataset"]).drop(columns=["params", "tokens"])
    scores = Scores.of(Runs.from_frame(frame, blank_counts=True))
    scores = scores.rows(scores.losses.notna().any(axis=1).to_numpy())
    names = scores.runs.table["family"].to_numpy(str)
    splits = [(names != name, names == name) for name in np.unique(names)]
    done = held_out(scores, splits)
    points = pd.concat([each.points for each in done])
    worst = max(done, key=lambda each: each.convergence.r_hat)
    together = HeldOut(worst.form, points, worst.convergence, sum(each.seconds for each in done))
    order = np.concatenate([np.flatnonzero(test) for _, test in splits])
    rival = np.concatenate([sigmoid_of_loss(scores, *split) for split in splits])
    table = _beside(together, scores.scores.iloc[order], {"sigmoid": rival})
    by_corpus = {
        str(name): {"rmse": each.rmse, "coverage": each.coverage}
        for name, each in zip(np.unique(names), done, strict=True)
    }
    return {**table, "by_corpus": by_corpus}


def _beside(done: HeldOut, observed: pd.DataFrame, rivals: dict[str, np.ndarray]) -> dict[str, Any]:
    """A held-out prediction with RMSE of the rivals for each benchmark."""
    table = done.by_benchmark()
    for name, predicted in rivals.items():
        square = (predicted - observed.to_numpy()) ** 2
        table[f"rmse_{name}"] = pd.Series(np.nanmean(square, axis=0) ** 0.5, observed.columns)
    lower = {name: int((table["rmse"] < table[f"rmse_{name}"]).sum()) for name in rivals}
    return {
        "benchmarks": table.to_dict(orient="index"),
        "rmse": done.rmse,
        "coverage": done.coverage,
        "lower_than": lower,
        "convergence": done.convergence.to_dict(),
        "seconds": done.seconds,
    }


PARTS = {
    "ladder": olmo,
    "frontier": frontier,
    "corpora": corpora,
    "emergence": lambda folder: simulated_emergence(),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=ROOT / "reports" / "benchmarks")
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=", ".join(PARTS))
    options = parser.parse_args()
    if not options.data.is_dir():
        raise SystemExit(f"{options.data.name}: no such folder; name one with --data")
    file = options.out / "benchmarks.json"
    content: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    for name in options.parts:
        content[name] = PARTS[name](options.data)
        print(name, json.dumps(content[name]), flush=True)
        if name == "ladder":
            ladder = content["ladder"]
            content["olmo"] = {size: ladder[f"two-stage 1B {size}"] for size in ("13B", "7B")}
        content["versions"] = versions()
        benchmarks_page.write(content, OBSERVED_13B, options.out)


if __name__ == "__main__":
    main()
