"""Which law? The comparison of models in a report: scores, curves overlaid, where they part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from bayescale import parting, plots_compare
from bayescale.errors import BayescaleError
from bayescale.fit import Fit
from bayescale.folds import training_flops

Figures = dict[str, Figure]


def which_law(comparison: Mapping[str, Any], fits: Sequence[Fit]) -> tuple[dict[str, Any], Figures]:
    """What a report says of a comparison, and its figures.

    Parameters
    ----------
    comparison : mapping
        As `Comparison.to_dict` gives it, or as read from `bayescale compare --out`.
    fits : sequence of Fit
        Of the compared models; those of the same runs are drawn together.

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
    said: dict[str, Any] = {**comparison, "parting": None, "difference": None}
    runs = set(fits[0].runs.table["run"]) if fits else set()
    alike = [fit for fit in fits if set(fit.runs.table["run"]) == runs]
    figures: Figures = {}
    if len(alike) > 1:
        figures["overlay"] = plots_compare.overlay(alike)
    pair = _pair(alike)
    if pair is not None:
        table = parting.parting(*pair)
        best = parting.most_telling(table, float(training_flops(pair[0].runs).max()))
        shown = table[table["tokens_per_param"].isin(parting.RATIOS[::4])]
        said["parting"] = {
            "one": pair[0].spec.name,
            "other": pair[1].spec.name,
            "rows": shown.to_dict(orient="records"),
            "most_telling": best.to_dict(),
        }
        figures["parting"] = plots_compare.parting(table, *pair)
    for fit in alike:
        if "difference_per_decade" in fit.posterior and not fit.spec.corpora:
            summary = fit.summary()
            said["difference"] = {
                name: {key: float(value) for key, value in summary.loc[name].items()}
                for name in ("params_per_decade", "tokens_per_decade", "difference_per_decade")
            }
    return said, figures


def _pair(fits: Sequence[Fit]) -> tuple[Fit, Fit] | None:
    """A law of compute alone and Chinchilla's, if both were fitted."""
    alone = [fit for fit in fits if fit.spec.law.compute_only]
    split = [fit for fit in fits if fit.spec.law.name == "chinchilla"]
    return (alone[0], split[0]) if alone and split else None
