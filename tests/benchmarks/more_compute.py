"""Does more compute still suffice? `make more-compute`.

The claim that compute alone counts (arXiv 2404.19484), held against open models that its author
never saw and a controlled grid, read from `../shared/data`. Writes `reports/more-compute/`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import more_compute_28 as line
import more_compute_grid as grid
import more_compute_page as page
import more_compute_wild as wild
import numpy as np
import pandas as pd
from more_compute_marginal import approximated

from bayescale import Runs
from bayescale.fit.folder import versions

ROOT = Path(__file__).parents[2]
GRID = ROOT.parent / "shared" / "data" / "scalebench" / "farseer.csv"

# What each step adds to the one before; the last two change the law.
STEPS = {
    "groups alone": ("open-models", {"measured": False, "quality": False}),
    "latent token counts": ("open-models", {"measured": False, "quality": False}),
    "worth of a lab's tokens": ("open-models", {"measured": False}),
    "embeddings and inactive parameters": ("open-models", {}),
    "date of release": ("open-models", {"dated": True}),
    "diminishing returns": ("open-models-saturating", {}),
    "diminishing returns, and date": ("open-models-saturating", {"dated": True}),
}
FORECASTERS = {"line": "open-models", "diminishing returns": "open-models-saturating"}


def content() -> dict[str, Any]:
    of_28, the_line = line.the_line()
    table = line.intervals(of_28, line.models(wild.rows()))
    said: dict[str, Any] = {"the_28": the_line, "since": line.scores(table)}
    said["least_squares"] = least_squares(table)
    said |= open_models()
    farseer = pd.read_csv(GRID)
    said["grid"], laws = grid.grid(farseer)
    thetas = {name: grid.resampled(laws[name], farseer) for name in grid.READ}
    said["grid"]["read_at_open_models"] = grid.read_at(laws, thetas, *read_rows())
    said["grid"]["per_param"] = grid.by_ratio(laws, thetas)
    said["tests"] = tests(said, table, farseer)
    return {**said, "points": points(table), "versions": versions()}


def tests(said: dict[str, Any], table: pd.DataFrame, grid: pd.DataFrame) -> dict[str, Any]:
    """How many times as much ln N counts as ln D, and at which tokens per parameter."""
    slopes = {name: said["grid"]["slopes"][f"slope_{name}"]["median"] for name in page.SLOPES}
    of_28 = Runs.read("open-llm-bpc", where="reference_fit == True").table
    since = said["steps"]["embeddings and inactive parameters"]
    found = {
        "controlled grid": (slopes["params"] / slopes["tokens"], grid["tokens"] / grid["params"]),
        "the 28": (said["the_28"]["ratio"]["median"], of_28["tokens"] / of_28["params"]),
        "models since": (since["ratio"]["median"], table.loc[new(table), "per_param"]),
    }
    return {
        name: {"ratio": ratio, "per_param": list(np.quantile(per_param, [0.05, 0.5, 0.95]))}
        for name, (ratio, per_param) in found.items()
    }


def new(table: pd.DataFrame) -> pd.Series:
    """Mask of the models that the paper did not see."""
    return table["in_28"].isna()


def open_models() -> dict[str, Any]:
    """Sections 3 and 5 to 7."""
    fits, said = {}, {}
    for name, (base, parts) in STEPS.items():
        where = wild.USED + (" and notnull(released)" if parts.get("dated") else "")
        runs = wild.rows(where, stated=name == "groups alone")
        fits[name] = approximated(wild.spec(base, **parts), runs)
        said[name] = wild.found(fits[name], runs.table)
        print(name, said[name], flush=True)
    everyone = wild.rows().table
    forecasters = {n: wild.spec(base, dated=True) for n, base in FORECASTERS.items()}
    latest = wild.latest(forecasters)
    dated = dict(zip(FORECASTERS, (fits[page.DATED], fits[page.BOTH]), strict=True))
    undated = dict(zip(FORECASTERS, (fits[page.WHOLE], fits[page.SATURATING]), strict=True))
    return {
        "steps": said,
        "rounds": wild.by_round(fits[page.WHOLE], everyone),
        "labs": wild.worth_of_labs(fits[page.SATURATING], everyone),
        "latest": latest,
        "earlier": {str(since): wild.latest(forecasters, since) for since in wild.EARLIER},
        "next": wild.next_models(dated, latest["weights"]),
        "without_new_tokens": wild.without_new_tokens(undated),
    }


def read_rows() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Dense and other base models on the seven corpora, and a level for each round."""
    table = wild.rows(f"{wild.USED} and bpb_of == 'mean of 7' and little_code == 0", stated=True)
    rows = table.table[table.known_tokens]
    models = rows.assign(params=rows["params_active"])
    return models, pd.get_dummies(models["round"]).astype(float)


def least_squares(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Slopes of ln N and ln D as a notebook finds them, a level for each round."""
    rows = table[(table["bpb_of"] == "mean of 7") & (table["little_code"] == 0)]
    per_param, x = np.log(rows["per_param"]), rows["x"]
    both = np.column_stack([(x - per_param) / 2, (x + per_param) / 2])
    levels = pd.get_dummies(rows["round"]).to_numpy(float)
    found = np.linalg.lstsq(np.column_stack([both, levels]), rows["bpb"], rcond=None)[0]
    return {"params": float(found[0]), "tokens": float(found[1]), "rows": len(rows)}


def points(table: pd.DataFrame) -> list[dict[str, Any]]:
    """What the figures draw of each row."""
    names = ["model", "round", "architecture", "released", "per_param", "bpb", "in_28"]
    names += [f"{way}_{end}" for way in ("relative", "anchored") for end in page.ENDS]
    return table[names].astype(object).where(table[names].notna(), None).to_dict(orient="records")


if __name__ == "__main__":
    if not GRID.is_file():
        raise SystemExit(f"{GRID.name}: not in ../shared/data/scalebench")
    page.write(content(), ROOT / "reports" / "more-compute")
