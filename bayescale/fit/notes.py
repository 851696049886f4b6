"""Notes of a fit: its groups, its priors against its posterior, its residuals."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import scipy  # its parts load when first used
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.notes import Note, listed
from bayescale.laws.base import Support
from bayescale.model.design import Design
from bayescale.model.scale import scale_of
from bayescale.model.spec import Spec
from bayescale.predictive.predictive import Predictive
from bayescale.runs.columns import COLUMNS

# Ratio of posterior to prior interquartile range above which the data have said little.
LEARNT = 0.8
# Prior probability, on either side, beyond which a posterior median contradicts the prior.
_CONFLICT = 0.005
# Ratio of interquartile ranges from which on the posterior contradicts the prior's width.
_WIDER = 1.5
# Weight of a parameter in a direction that the data do not hold, from which on it is named.
_NAMED = 0.4
# Share of a constant's variance along such directions, from which on it is named.
_MOSTLY = 0.5
# Scales of the noise on the worse side of the curve from which on a run looks diverged.
_DIVERGED = 8.0
# Scale of the noise over the response above which runs scatter. Tables of one recipe from one lab
# leave .4 to 1.8 % (Chinchilla's points, Gadre, OLMo, Porian, Pythia, Marin); two whose runs differ
# in what the law does not see, repeats or experts, 3 and 5 %.
_SCATTER = 0.02
# Runs below which a trend of residuals says nothing, and its p-value.
_TREND_RUNS, _TREND = 8, 0.001
# Share of the runs, those with the most compute, that should not all lie on one side.
_LARGEST = 0.25


def group_notes(spec: Spec, design: Design) -> list[Note]:
    """What the runs cannot tell about their groups."""
    notes, members = [], {}
    for group in (group for group in spec.effects if group != "run"):
        index = design.data[f"{group}_index"].values
        labels = design.data[group].values
        members[group] = {
            label: frozenset(np.flatnonzero(index == i)) for i, label in enumerate(labels)
        }
        single = [label for label, runs in members[group].items() if len(runs) == 1]
        if len(labels) == 1:
            notes.append(
                Note(
                    "single-level-group",
                    "warning",
                    f"all runs have {group} {labels[0]}, so the standard deviation between "
                    f"groups is the prior's",
                    "leave the effect out with --no-groups if no other group will be predicted",
                )
            )
        elif single:
            notes.append(
                Note(
                    "single-run-group",
                    "info",
                    f"one run only: {group} {listed(single)}",
                    "its effect is mostly the group's distribution; read it as such",
                )
            )
    for group, other in combinations(members, 2):
        same = [
            f"{label} = {other_label}"
            for label, runs in members[group].items()
            for other_label, others in members[other].items()
            if runs == others
        ]
        if same:
            notes.append(
                Note(
                    "confounded-groups",
                    "info",
                    f"{group} and {other} hold the same runs: {listed(same)}",
                    "only the sum of the two effects is identified there",
                )
            )
    return notes


def prior_notes(spec: Spec, prior: xr.Dataset, posterior: xr.Dataset) -> list[Note]:
    """Quantities about which the data say little, and those where they contradict the prior.

    Positive ones are compared on the log scale.

    Parameters
    ----------
    spec : Spec
    prior, posterior : Dataset
        Draws (chain, draw, ...), published constants in them.
    """
    weak, shifted, wider = [], [], []
    for name in spec.all_priors():
        before, after = (_unbounded(draws[name], prior[name]) for draws in (prior, posterior))
        ratio = _width(after) / _width(before)
        below = dict(_cells((before < after.median(SAMPLE_DIMS)).mean(SAMPLE_DIMS)))
        for label, value in _cells(ratio):
            if min(below[label], 1 - below[label]) < _CONFLICT:
                shifted.append(f"{name}{label}")
            elif value > _WIDER:
                wider.append(f"{name}{label} ({value:.1f} times as wide)")
            elif value > LEARNT:
                weak.append(f"{name}{label} ({value:.0%})")
    return [*_conflict(shifted, wider), *_weak(weak, *_ridge(spec, prior, posterior))]


def _conflict(shifted: list[str], wider: list[str]) -> list[Note]:
    found = []
    if shifted:
        found.append(f"outside the prior's central 99 %: {listed(shifted)}")
    if wider:
        found.append(f"wider than the prior: {listed(wider)}")
    if not found:
        return []
    return [
        Note(
            "prior-conflict",
            "warning",
            f"the posterior contradicts the prior: {'; '.join(found)}",
            "copy the spec and write priors for this data; the forecast depends on these",
        )
    ]


def _weak(weak: list[str], direction: list[str], constants: list[str]) -> list[Note]:
    found = []
    if weak:
        found.append(f"the posterior is about as wide as the prior: {listed(weak)}")
    if len(direction) > 1:
        found.append(f"the data do not hold {' and '.join(direction)} together")
    if constants:
        found.append(f"the uncertainty is mostly the prior's: {listed(constants)}")
    if not found:
        return []
    return [
        Note(
            "weak-prior-data-separation",
            "info",
            "; ".join(found),
            "check that conclusions hold under another prior for these",
        )
    ]


def _ridge(spec: Spec, prior: xr.Dataset, posterior: xr.Dataset) -> tuple[list[str], list[str]]:
    """What lies along directions of the law's parameters that the data do not hold.

    A parameter alone may look learnt where only a combination is. In units of the prior's
    standard deviations every direction has variance 1 before the data; along those where it is
    hardly less after them, the posterior is the prior's.

    Returns
    -------
    direction : list of str
        The parameters along the least learnt of them.
    constants : list of str
        Published constants that vary mostly along them.
    """
    names = [parameter.name for parameter in spec.law.parameters]
    if any(set(posterior[name].dims) != set(SAMPLE_DIMS) for name in names):
        return [], []
    columns = []
    for name in names:
        before, after = (_unbounded(draws[name], prior[name]) for draws in (prior, posterior))
        columns.append(((after - before.mean()) / before.std()).to_numpy().ravel())
    standardised = np.stack(columns)
    variances, directions = np.linalg.eigh(np.cov(standardised))
    spreads = np.sqrt(variances.clip(min=0))
    unlearnt = (spreads > LEARNT) & (spreads < _WIDER)
    if not unlearnt.any():
        return [], []
    loosest = directions[:, unlearnt][:, -1]
    named = [name for name, weight in zip(names, loosest, strict=True) if abs(weight) > _NAMED]
    centred = (standardised - standardised.mean(axis=1, keepdims=True)).T
    constants = []
    for name in spec.law.units:
        if name in names or name not in posterior:
            continue
        values = _unbounded(posterior[name], prior[name]).to_numpy().ravel()
        slopes = np.linalg.lstsq(centred, values - values.mean())[0]
        along = (directions.T @ slopes) ** 2 * variances
        if along[unlearnt].sum() > _MOSTLY * along.sum():
            constants.append(str(name))
    return named, constants


def residual_notes(spec: Spec, inside: Predictive) -> list[Note]:
    """Whether the law follows the runs: single runs far worse, scatter, trends, the largest.

    Parameters
    ----------
    spec : Spec
    inside : Predictive
        At the runs that were fitted, for draws that saw them.
    """
    if spec.corpora:
        return []
    curve = inside.law.median(SAMPLE_DIMS)
    residual = scale_of(spec).difference(inside.observed, curve).to_numpy()
    scale = float(inside.values["sigma"].median())
    scale = max(scale, 1.4826 * float(np.median(np.abs(residual))))
    names = inside.observed["run"].to_numpy()
    along = _along(spec, inside)
    notes = []
    column = COLUMNS[spec.response]
    far = [str(name) for name in names[column.as_loss(residual) > _DIVERGED * scale]]
    if far:
        side = "above" if column.better == "lower" else "below"
        notes.append(
            Note(
                "outlying-runs",
                "warning",
                f"far {side} the curve: {listed(far)}; did they diverge?",
                "leave out what diverged with --where; otherwise they widen every interval",
            )
        )
    notes += _scatter(spec, inside, residual)
    if len(residual) < _TREND_RUNS or spec.discrepancy:
        return notes
    for name, values in along.items():
        # By the distance from the middle too: a law that is too straight misses both ends.
        middle = name if len(along) > 1 else "the middle"
        trends = {name: values, f"the distance from {middle}": np.abs(values - values.mean())}
        for axis, places in trends.items():
            if np.ptp(places) > 0 and scipy.stats.spearmanr(places, residual).pvalue < _TREND:
                notes.append(_misfit(f"residuals trend with {axis}"))
                return notes
    if "compute" not in along:
        return notes
    compute = along["compute"]
    count = max(3, round(_LARGEST * len(residual)))
    largest = residual[np.argsort(compute)[-count:]]
    side = "above" if largest.mean() > 0 else "below"
    if np.all(np.sign(largest) == np.sign(largest[0])) and np.abs(largest.mean()) > scale:
        notes.append(_misfit(f"the {count} runs with the most compute all lie {side} the curve"))
    return notes


def _scatter(spec: Spec, inside: Predictive, residual: np.ndarray) -> list[Note]:
    """Noise that is large for training runs; `residual` (run) is on the noise's scale."""
    if COLUMNS[spec.response].better != "lower" or spec.noise.on == "logit":
        return []  # an accuracy scatters by the questions that were asked
    unit = 1.0 if spec.noise.on == "log" else abs(float(inside.observed.median()))
    share = float(inside.values["sigma"].median()) / unit
    if share < _SCATTER:
        return []
    furthest = np.abs(residual).argmax()
    name, side = inside.observed["run"].to_numpy()[furthest], residual[furthest] / unit
    return [
        Note(
            "scatter",
            "warning",
            f"runs scatter by {share:.1%} around the curve, which is much for training runs; "
            f"furthest is {name}, {abs(side):.0%} {'above' if side > 0 else 'below'}",
            "look for what differs between them beside the law's inputs (learning rate, data, "
            "repeats), or train one again with another seed",
        )
    ]


def _along(spec: Spec, inside: Predictive) -> dict[str, np.ndarray]:
    """What residuals may trend with: compute, or each input of a law that takes none (run)."""
    law, inputs = spec.law, inside.inputs
    columns = {name: inputs[name] for name in law.inputs}
    if law.takes_compute:
        columns = {"compute": inputs["params"] + inputs["tokens"]}
    return {
        name: values.mean([dim for dim in SAMPLE_DIMS if dim in values.dims]).to_numpy()
        for name, values in columns.items()
    }


def _misfit(what: str) -> Note:
    return Note(
        "misfit",
        "warning",
        f"{what}: the law does not follow these runs",
        "try another law, or add the model discrepancy: spec forecast, or --discrepancy",
    )


def conflict_notes(expected: xr.DataArray, observed: xr.DataArray) -> list[Note]:
    """Whether most responses lie where the prior puts almost nothing.

    Parameters
    ----------
    expected : DataArray
        Prior predictive draws (chain, draw, run, ...).
    observed : DataArray
    """
    lower, upper = (float(end) for end in expected.quantile([0.005, 0.995]))
    if float(((observed < lower) | (observed > upper)).mean()) <= 0.5:
        return []
    return [
        Note(
            "prior-data-conflict",
            "warning",
            f"most responses (median {float(observed.median()):.3g}) lie outside the 99 % that "
            f"the prior expects ({lower:.3g} to {upper:.3g})",
            "copy the spec and write priors for this response",
        )
    ]


def thinned_note(replicated: xr.Dataset, posterior: xr.Dataset) -> list[Note]:
    """That a fit's replicates are of some of its draws, where they are."""
    kept, drawn = (d.sizes["chain"] * d.sizes["draw"] for d in (replicated, posterior))
    if kept == drawn:
        return []
    return [
        Note(
            "thinned-replicates",
            "info",
            f"replicates of the {replicated.sizes['run']} runs are kept for {kept} of {drawn} "
            "draws, evenly spaced, to bound memory; the posterior is whole",
            "nothing to do; intervals of single runs in checks are a little coarser",
        )
    ]


def _unbounded(draws: xr.DataArray, prior: xr.DataArray) -> xr.DataArray:
    """On the scale where its bounds are not seen, which the prior's draws tell."""
    support: Support = "real"
    if float(prior.min()) > 0:
        support = "unit" if float(prior.max()) < 1 else "positive"
    tiny = np.finfo(float).tiny
    match support:
        case "real":
            return draws
        case "positive":
            return xr.DataArray(np.log(draws.clip(min=tiny)))
        case "unit":
            inside = draws.clip(min=tiny, max=1 - 1e-16)
            return xr.DataArray(np.log(inside) - np.log1p(-inside))


def _width(draws: xr.DataArray) -> xr.DataArray:
    quartiles = draws.quantile([0.25, 0.75], dim=SAMPLE_DIMS)
    return quartiles.sel(quantile=0.75, drop=True) - quartiles.sel(quantile=0.25, drop=True)


def _cells(values: xr.DataArray) -> list[tuple[str, float]]:
    """Each value with its label in brackets: '' for a scalar, '[python]' along a dim."""
    if not values.dims:
        return [("", float(values))]
    (dim,) = values.dims
    return [(f"[{label}]", float(values.sel({dim: label}))) for label in values[dim].values]
