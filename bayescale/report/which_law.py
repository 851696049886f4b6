"""Which law? The comparison of models in a report: scores, forecasts, curves, discrimination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from bayescale.base.errors import BayescaleError
from bayescale.evaluation import discrimination
from bayescale.evaluation.folds import training_flops
from bayescale.fit.fit import Fit
from bayescale.fit.stack import Stack, stack
from bayescale.predictive.points import as_points
from bayescale.report.content.forecasts import STEP
from bayescale.report.figures import comparison as comparison_figures
from bayescale.report.figures.compute import along_compute, training_compute

# Keys of the direct test: change per tenfold N, per tenfold D, and their difference.
_SLOPES = ("params_per_decade", "tokens_per_decade", "difference_per_decade")


def which_law(
    comparison: Mapping[str, Any], fits: Sequence[Fit], points: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, Figure]]:
    """What a report shows of a comparison, and its figures.

    Parameters
    ----------
    comparison : mapping
        As `Comparison.to_dict` gives it, or as read from `bayescale compare --out`.
    fits : sequence of Fit
        Of the compared models; those of the first one's runs and response are shown together.
    points : sequence of mapping
        What the report forecasts; each of these fits forecasts it as well.

    Raises
    ------
    BayescaleError
        If the comparison is not one.
    """
    missing = {"by", "runs", "models", "notes", "refits"} - comparison.keys()
    if missing:
        raise BayescaleError(
            f"comparison without {', '.join(sorted(missing))}; write one with "
            "`bayescale compare --out FILE`"
        )
    alike = [fit for fit in fits if _comparable(fit, fits[0])]
    weights = {model["model"]: model["weight"] for model in comparison["models"]}
    weighed = [fit for fit in alike if fit.spec.name in weights and not fit.spec.corpora]
    content: dict[str, Any] = {
        **comparison,
        "forecasts": [
            {
                "model": fit.spec.name,
                "weight": weights[fit.spec.name],
                "rows": _forecasts(fit, points),
            }
            for fit in (weighed if len(weighed) > 1 else [])
        ],
        "stack": _stacked(weighed, weights, points),
        "overlay": _overlay(alike) if len(alike) > 1 else [],
        "discrimination": None,
        "difference": _direct_test(alike),
    }
    figures: dict[str, Figure] = {}
    if len(alike) > 1:
        figures["overlay"] = comparison_figures.overlay(alike)
    pair = _pair(alike, weights)
    if pair is not None:
        table = discrimination.discrimination(*pair)
        best = discrimination.most_informative(table, float(training_flops(pair[0].runs).max()))
        shown = table[table["tokens_per_param"].isin(discrimination.RATIOS[::4])]
        content["discrimination"] = {
            "one": pair[0].spec.name,
            "other": pair[1].spec.name,
            "rows": shown.to_dict(orient="records"),
            "most_informative": best.to_dict(),
        }
        figures["discrimination"] = comparison_figures.discrimination(table, *pair)
    return content, figures


def _comparable(fit: Fit, first: Fit) -> bool:
    """Whether two fits are of the same runs and the same response."""
    same_runs = set(fit.runs.table["run"]) == set(first.runs.table["run"])
    return same_runs and fit.spec.columns == first.spec.columns


def _stacked(
    fits: Sequence[Fit], weights: Mapping[str, float], points: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Forecasts of all laws in the shares of their weights; None if one law has all the weight."""
    if len(fits) < 2:
        return None
    mixed = stack(fits, weights)
    if len(mixed.fits) < 2:
        return None
    shares = {fit.spec.name: share for fit, share in zip(mixed.fits, mixed.weights, strict=True)}
    return {"weights": shares, "rows": _forecasts(mixed, points)}


def _forecasts(fit: Fit | Stack, points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Median and interval of one new run at each point."""
    table = fit.predict(as_points(list(points)), "run").table()
    return [
        {"median": row["median"], "new_run": {end: row[end] for end in ("lower", "upper")}}
        for row in table.to_dict(orient="records")
    ]


def _overlay(fits: Sequence[Fit]) -> list[dict[str, Any]]:
    """The curves of the overlay at a few budgets."""
    if fits[0].spec.corpora:
        return []
    _, grid = along_compute(fits[0], training_compute(fits[0])["tokens"])
    others = {name: value for fit in fits for name, value in fit.usual_inputs.items()}
    points = as_points(grid.iloc[::STEP].assign(**others))
    tables = [fit.predict(points, "curve").table() for fit in fits]
    sizes = tables[0][["params", "tokens", "flops"]]
    rows: list[dict[str, Any]] = sizes.to_dict(orient="records")
    for i, row in enumerate(rows):
        row["curves"] = [
            {"model": fit.spec.name}
            | {key: float(table.iloc[i][key]) for key in ("median", "lower", "upper")}
            for fit, table in zip(fits, tables, strict=True)
        ]
    return rows


def _direct_test(fits: Sequence[Fit]) -> dict[str, Any] | None:
    """Slopes for N and for D and their difference, of a law that has both."""
    for fit in fits:
        if fit.spec.law.slopes and not fit.spec.corpora:
            summary = fit.summary()
            return {
                key: {str(k): float(value) for k, value in summary.loc[name].items()}
                for key, name in zip(_SLOPES, fit.spec.law.slopes, strict=True)
            }
    return None


def _pair(fits: Sequence[Fit], weights: Mapping[str, float]) -> tuple[Fit, Fit] | None:
    """A law for which the split does not count and one for which some split is best.

    Of each kind the one with the most weight in the comparison; None without one of both.
    """
    by_weight = sorted(fits, key=lambda fit: -weights.get(fit.spec.name, 0.0))
    alone = [fit for fit in by_weight if fit.spec.law.compute_only]
    split = [fit for fit in by_weight if fit.spec.law.has_optimum]
    return (alone[0], split[0]) if alone and split else None
