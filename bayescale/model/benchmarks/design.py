"""Design: a table of scores as arrays with named dims, and what a form samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.base.errors import BayescaleError
from bayescale.model.benchmarks import formulas
from bayescale.model.benchmarks.formulas import MODEL_SD
from bayescale.model.density.nodes import Dims, ordered
from bayescale.runs.benchmarks.scores import Scores

# Each benchmark from compute, through latent capabilities, or through losses.
FORMS = ("direct", "latent", "two-stage")
# What a table without families has all models belong to.
NO_FAMILY = "all"
# Latent capabilities, where there are as many benchmarks.
FACTORS = 1
_COUNTS = ("params", "tokens")
# Of a score, to tell which effects the scores determine.
_TYPICAL_ERROR = 0.02


@dataclass(frozen=True, eq=False)
class Design:
    """Arrays of a table of scores.

    Attributes
    ----------
    form : {"direct", "latent", "two-stage"}
    centre : mapping
        Geometric means of parameters, tokens and each loss.
    data : Dataset
        What `bayescale.model.benchmarks.formulas` calls `x`; missing scores and losses are 0, and
        their `score_used` or `log_loss_used` too.
    """

    form: str
    centre: dict[str, float]
    data: xr.Dataset

    @property
    def families(self) -> list[str]:
        """Names of the families; the only one is `all` where the table has none."""
        return [str(name) for name in self.data["family"].values]

    @property
    def has_families(self) -> bool:
        """Whether the models are of several families."""
        return len(self.families) > 1

    @property
    def has_law(self) -> bool:
        """Whether losses follow from parameters and tokens, which all models then state."""
        return self.form == "two-stage" and bool(self.data["stated"].all())

    @property
    def takes_losses(self) -> bool:
        """Whether a prediction needs losses in place of parameters and tokens."""
        return self.form == "two-stage" and not self.has_law

    @property
    def blocks(self) -> dict[str, Dims]:
        """Everything that is sampled, all standard normal, with its dims."""
        data = self.data
        names: dict[str, tuple[str, ...]] = dict.fromkeys(
            ("level_z", "floor_z", "lapse_z", "score_sd_z"), ("benchmark",)
        )
        if self.form != "two-stage":
            names |= dict.fromkeys(("slope_params_z", "slope_tokens_z"), ("factor",))
            names |= {"loading_z": ("benchmark", "factor")}
            if self.form == "latent":
                names |= {"model_sd_z": ("factor",), "model_z": ("run", "factor")}
            if self.form == "latent" and self.has_families:
                names |= {"capability_sd_z": ("factor",), "capability_z": ("family", "factor")}
            if data["tuned"].any():
                names["tuning_z"] = ("benchmark",)
            if data.sizes.get("unstated"):
                names["unstated_z"] = ("unstated",)
        else:
            names |= {"common_steepness_z": (), "steepness_z": ("benchmark",)}
            if "own_index" not in data:
                names |= {"common_weight_z": ("corpus",), "weight_z": ("benchmark", "corpus")}
            if self.has_law:
                of_corpus = ("loss_level", "irreducible", "of_params", "alpha", "beta", "loss_sd")
                names |= {f"{name}_z": ("corpus",) for name in of_corpus}
                names |= {"common_alpha_z": (), "common_beta_z": ()}
            elif data.sizes.get("absent"):
                names["absent_z"] = ("absent",)
        if data["contaminated"].any():
            names["contamination_z"] = ("benchmark",)
        if self.has_families:
            names |= {"bias_sd_z": ("benchmark",), "bias_z": ("family", "benchmark")}
        return {name: ordered(dims) for name, dims in names.items()}

    @property
    def coords(self) -> dict[str, Any]:
        """Labels of the dims."""
        return {str(dim): index.to_numpy() for dim, index in self.data.indexes.items()}


def design(scores: Scores, form: str) -> Design:
    """The arrays of a table of scores.

    Raises
    ------
    BayescaleError
        If the table lacks what the form needs.
    """
    table = scores.runs.table
    logs = pd.DataFrame(
        {n: np.log(table[n]) if n in table else np.nan for n in _COUNTS}, table.index
    ).astype(float)
    _require(scores, form, logs)
    losses = np.log(scores.losses.astype(float))
    centre = pd.concat([logs.mean().fillna(0.0), losses.mean()])
    logs, losses = logs - centre[logs.columns], losses - centre[losses.columns]
    families = _families(table)
    names = sorted(set(families))
    member = np.array([names.index(name) for name in families])
    at_chance = scores.at_chance
    data = {
        "params": ("run", logs["params"].fillna(0.0)),
        "tokens": ("run", logs["tokens"].fillna(0.0)),
        "stated": (("run", "count"), logs.notna()),
        "tuned": ("run", scores.tuned.astype(float)),
        "contaminated": (("run", "benchmark"), scores.contaminated.astype(float)),
        "family_index": ("run", member),
        "score": (("run", "benchmark"), scores.scores.fillna(0.0)),
        "score_used": (("run", "benchmark"), scores.scores.notna().astype(float)),
        "log_loss": (("run", "corpus"), losses.fillna(0.0)),
        "log_loss_used": (("run", "corpus"), losses.notna().astype(float)),
        "chance": ("benchmark", [each.chance for each in scores.benchmarks.values()]),
        "no_chance": ("benchmark", [1.0 * (b.chance == 0) for b in scores.benchmarks.values()]),
        "at_chance": ("benchmark", [1.0 * (n in at_chance) for n in scores.benchmarks]),
        "questions": ("benchmark", [1.0 * b.questions for b in scores.benchmarks.values()]),
        **_references(scores),
        **_family_references(scores, member),
        **_unstated(logs),
    }
    if scores.own:
        data["own_index"] = ("benchmark", np.arange(len(scores.benchmarks)))
    if form == "two-stage" and not logs.notna().all(axis=None):
        data |= _absent(losses.to_numpy())
    arrays = {name: (dims, np.asarray(values)) for name, (dims, values) in data.items()}
    labels = {
        "run": table["run"].to_numpy(str),
        "family": names,
        "benchmark": list(scores.benchmarks),
        "factor": np.arange(FACTORS),
        "member": np.arange(arrays["member_index"][1].shape[1]),
        "corpus": list(losses.columns),
        "absent": np.arange(int(losses.isna().to_numpy().sum())),
        "unstated": table["run"].to_numpy(str)[logs["tokens"].isna()],
    }
    centres = {str(name): float(np.exp(mean)) for name, mean in centre.items()}
    return Design(form, centres, xr.Dataset(arrays, coords=labels))


def usual_form(scores: Scores) -> str:
    """Two-stage where benchmarks have their own losses or parameters are not known; else latent."""
    table = scores.runs.table
    sized = set(_COUNTS) <= set(table) and table["params"].notna().all() and table["tokens"].any()
    return "two-stage" if scores.own or (not sized and not scores.losses.empty) else "latent"


def _require(scores: Scores, form: str, logs: pd.DataFrame) -> None:
    name = scores.runs.name
    if form == "two-stage" and scores.losses.empty:
        raise BayescaleError(
            f"{name}: the two-stage form needs losses: columns that begin with bpb, bpc or loss"
        )
    if form != "two-stage":
        for count in _COUNTS:
            if logs[count].isna().all():
                raise BayescaleError(f"{name}: the {form} form needs {count}, and no model has any")
        blank = logs.index[logs["params"].isna()]
        if len(blank):
            run = scores.runs.table.at[blank[0], "run"]
            raise BayescaleError(
                f"{name}: row {blank[0]} ({run}): params=blank: the {form} form needs it; leave "
                "such models out with --where 'params > 0'"
            )


def _references(scores: Scores) -> dict[str, Any]:
    """Mean scores, and a score's slope there if floor and lapse are as expected."""
    known = scores.benchmarks.values()
    chance = np.array([each.chance for each in known])
    mean = scores.scores.mean().to_numpy()

    def slope(reference: np.ndarray) -> np.ndarray:
        above = formulas.rounded(reference - chance)
        below = formulas.rounded(1 - formulas.expit(formulas.LAPSE, np) - reference)
        return np.asarray(formulas.slope(above, below))

    # How well its scores tell a model's rest, as a ratio of variances.
    told = (MODEL_SD * slope(scores.scores.to_numpy()) / _TYPICAL_ERROR) ** 2
    told = np.nan_to_num(told).sum(1)
    return {
        "reference": ("benchmark", mean),
        "reference_slope": ("benchmark", slope(mean)),
        "told": ("run", told / (1 + told)),
        "sampling": ("benchmark", mean * (1 - mean) / [each.questions for each in known]),
        "benchmarks": ((), float(len(known))),
    }


def _family_references(scores: Scores, families: np.ndarray) -> dict[str, Any]:
    """Each family's mean score on a benchmark, of how many models, and their shares in it."""
    members, is_one = _members(families)
    used = scores.scores.notna().to_numpy(float)[members] * is_one[:, :, None]
    count = used.sum(1)
    share = used / np.maximum(count[:, None], 1)
    tuned = scores.tuned.to_numpy(float)[members]
    contaminated = scores.contaminated.to_numpy(float)[members]
    mean = (share * scores.scores.fillna(0.0).to_numpy()[members]).sum(1)
    cells = ("family", "benchmark")
    return {
        "family_reference": (cells, np.where(count > 0, mean, scores.scores.mean())),
        "family_scored": (cells, count),
        "family_tuned": (cells, (share * tuned[:, :, None]).sum(1)),
        "family_contaminated": (cells, (share * contaminated).sum(1)),
        "member_index": (("family", "member"), members),
        "share": (("family", "member", "benchmark"), share),
    }


def _members(families: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of each family's models (family, member), and where there is one."""
    of_family = [np.flatnonzero(families == family) for family in range(families.max() + 1)]
    most = max(map(len, of_family))
    places = np.array([np.resize(each, most) for each in of_family])
    return places, np.arange(most) < np.array([[len(each)] for each in of_family])


def _unstated(logs: pd.DataFrame) -> dict[str, Any]:
    """Where the token counts that are not stated stand among the latent ones."""
    missing = logs["tokens"].isna().to_numpy()
    spread = logs["tokens"].std(ddof=0)
    return {
        "is_unstated": ("run", missing.astype(float)),
        "unstated_index": ("run", np.where(missing, np.cumsum(missing) - 1, 0)),
        "tokens_sd": ((), 0.0 if np.isnan(spread) else float(spread)),
    }


def completed(losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log losses (run, corpus), missing ones as the model's others let expect, and their errors.

    Each missing loss is a regression on those that the model has, over the models that have all of
    them; of a model without any, the mean.

    Returns
    -------
    losses : ndarray (run, corpus)
    spread : ndarray (run, corpus)
        Standard deviation of the regression's residuals; 0 where a loss is known.
    """
    known = np.isfinite(losses)
    expected, spread = losses.copy(), np.zeros(losses.shape)
    for run, corpus in np.argwhere(~known):
        others = list(np.flatnonzero(known[run]))
        rows = known[:, [corpus, *others]].all(axis=1)
        while others and rows.sum() <= len(others) + 1:  # too few for so many coefficients
            others.pop()
            rows = known[:, [corpus, *others]].all(axis=1)
        terms = np.column_stack([np.ones(len(losses)), losses[:, others]])
        weights = np.linalg.lstsq(terms[rows], losses[rows, corpus], rcond=None)[0]
        residuals = losses[rows, corpus] - terms[rows] @ weights
        expected[run, corpus] = terms[run] @ weights
        freedom = max(rows.sum() - terms.shape[1], 1)
        spread[run, corpus] = np.sqrt((residuals**2).sum() / freedom)
    return expected, spread


def _absent(losses: np.ndarray) -> dict[str, Any]:
    """Missing losses: what is expected of them, and where their deviations stand."""
    missing = ~np.isfinite(losses)
    if not missing.any():
        return {}
    expected, spread = completed(losses)
    place = np.where(missing, np.cumsum(missing).reshape(missing.shape) - 1, 0)
    return {
        "log_loss": (("run", "corpus"), expected),
        "absent_sd": (("run", "corpus"), spread),
        "absent_index": (("run", "corpus"), place),
    }


def _families(table: pd.DataFrame) -> list[str]:
    """The family of each model; one without is a family of its own."""
    if "family" not in table or table["family"].isna().all():
        return [NO_FAMILY] * len(table)
    return [str(f) for f in table["family"].where(table["family"].notna(), table["run"])]


def as_x(data: xr.Dataset) -> Mapping[str, xr.DataArray]:
    """The arrays by name, without labels, for equations over DataArrays."""
    return {str(name): xr.DataArray(v.values, dims=v.dims) for name, v in data.items()}
