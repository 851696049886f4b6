"""The commands `compare`, `discriminate` and `backtest`: how well models predict held-out runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.base.errors import BayescaleError
from bayescale.base.settings import PROB, Settings
from bayescale.base.tables import Table
from bayescale.cli.options import (
    FOLDER,
    Cluster,
    Column,
    FigureOut,
    NoGroups,
    Prob,
    Processes,
    Response,
    Seed,
    Units,
    Where,
    is_fit,
    models_and_runs,
    number,
    positive,
    read_runs,
    workers_of,
)
from bayescale.cli.printing import Output, failures, printing

if TYPE_CHECKING:
    from bayescale.base.notes import Note
    from bayescale.evaluation.compare import Comparison
    from bayescale.fit.fit import Fit
    from bayescale.model.spec import Spec

# Shown of each split, in the order of the table.
_SCORES = ("interval_score", "crps", "rmse", "bias")


@printing
def compare_command(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="SPEC... [RUNS]",
            help="Specs or folders of fits; last, a table of runs, by default the fits' or the "
            "bundled one.",
        ),
    ],
    *,
    by: Annotated[
        str, typer.Option("--by", help="run, family, tokenizer, lab, dataset or frontier.")
    ] = "run",
    share: Annotated[
        float,
        number("--share", "SHARE", "By frontier: share of runs left out."),
    ] = 0.25,
    above: Annotated[
        float | None,
        positive("--above", "FLOP", "By frontier: leave out runs above this FLOP.", "flops"),
    ] = None,
    column: Column = None,
    where: Where = None,
    units: Units = False,
    response: Response = None,
    no_groups: NoGroups = False,
    seed: Seed = Settings.seed,
    workers: Processes = None,
    cluster: Cluster = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write the JSON here, for a report.")
    ] = None,
    stack_in: Annotated[
        Path | None,
        typer.Option("--stack", metavar="DIR", help="Fit all and save their weighted average."),
    ] = None,
) -> Output:
    """Leave runs out, predict them with each model, and compare the predictions.

    Interrupted, the same command goes on with the refits that are not finished. Exit code 3 if a
    refit did not converge.
    """
    from bayescale.fit.folder import check_destination

    names, source = models_and_runs(models)
    if stack_in is not None:
        check_destination(stack_in)
    runs = None if source is None else read_runs(source, column, where, units)
    if runs is None and (column or where):
        runs = read_runs("open-llm-bpc", column, where, units)
    chosen = [_model(name, response, no_groups) for name in names]

    from bayescale.base.output import write_json
    from bayescale.evaluation.compare import compare

    comparison = compare(
        chosen,
        runs,
        by=by,
        share=share,
        above=above,
        seed=seed,
        workers=workers_of(workers, cluster),
    )
    content = comparison.to_dict()
    notes, remarks = list(comparison.notes), []
    if out is not None:
        write_json(out, content)
        remarks.append(f"comparison in {out}")
    if stack_in is not None:
        content["stack"] = str(stack_in)
        notes += _save_stack(comparison, chosen, stack_in)
        remarks.append(f"saved in {stack_in}")
    return Output(content, [_comparison_table(content, by)], notes, remarks)


def _model(name: str, response: str | None, no_groups: bool) -> Fit | Spec:
    from bayescale.fit.fit import Fit
    from bayescale.model.spec import Spec

    if is_fit(name):
        if response is not None or no_groups:
            raise BayescaleError(f"{name} is a fit; --response and --no-groups are for specs")
        return Fit.load(name)
    return Spec.load(name).replace(response=response, groups=not no_groups)


def _comparison_table(content: Mapping[str, Any], by: str) -> Table:
    from bayescale.base.numbers import digits

    scores = ("elpd_diff", "dse", "weight", "coverage_50", "coverage_90", "crps", "rmse")
    rows = [
        {"model": row["model"], "elpd": f"{row['elpd']:.1f}"}
        | {name: digits(row[name]) for name in scores}
        | {"weight": f"{row['weight']:.2f}"}
        | {"notes": " ".join(row[name] for name in ("diag_diff", "diag_elpd") if row[name])}
        for row in content["models"]
    ]
    predicted = len(content["predictions"]) // len(rows)
    title = f"{predicted} of {content['runs']['count']} runs predicted, left out by {by}"
    return Table(rows, title, content["models"])


def _save_stack(comparison: Comparison, models: list[Fit | Spec], folder: Path) -> list[Note]:
    """Fit what is not yet fitted, save the weighted average, and return what failed in the fits."""
    from bayescale.fit.fit import Fit
    from bayescale.fit.scaling import ScalingModel
    from bayescale.fit.stack import stack

    loaded = {model.spec.name: model for model in models if isinstance(model, Fit)}
    fits = [
        loaded.get(name) or ScalingModel(comparison.specs[name]).fit(comparison.runs)
        for name, weight in comparison.weights.items()
        if weight > 0
    ]
    mixture = stack(fits, comparison.weights)
    mixture.save(folder)
    return failures(mixture.notes)


@printing
def discriminate_command(
    one: Annotated[Path, FOLDER],
    other: Annotated[Path, typer.Argument(metavar="DIR", help="Another, of the same runs.")],
    *,
    flops: Annotated[
        list[float] | None,
        positive("--flops", "FLOP", "Compute of a line, FLOP; repeatable.", "flops"),
    ] = None,
    out: FigureOut = None,
    prob: Prob = PROB,
) -> Output:
    """Where two laws differ along lines of equal compute, and which run would tell them apart."""
    from bayescale.base.numbers import digits, estimate, human, percent
    from bayescale.evaluation.discrimination import RATIOS, discrimination, most_informative
    from bayescale.evaluation.folds import training_flops
    from bayescale.fit.fit import Fit

    fits = Fit.load(one), Fit.load(other)
    points = discrimination(*fits, flops=flops, prob=prob)
    best = most_informative(points, float(training_flops(fits[0].runs).max()))
    notes = [note for fit in fits for note in failures(fit.notes)]
    remarks = []
    if out is not None:
        from bayescale.report import figures

        notes += figures.save(figures.discrimination(points, *fits), out)
        remarks.append(f"figure in {out}")
    every = points.to_dict(orient="records")
    rows = [
        {
            name.replace("_", " "): human(row[name])
            for name in ("flops", "tokens_per_param", "params", "tokens")
        }
        | estimate(row)
        | {"separation": digits(row["separation"])}
        | {"decades outside": f"{row['decades_outside']:.2f}"}
        for row in every
        if row["tokens_per_param"] in RATIOS[::2]
    ]
    names = " minus ".join(fit.spec.name for fit in fits)
    title = f"{names}, {fits[0].spec.response}, {percent(prob)} intervals for the curves"
    conclusion = (
        f"one run would tell most at {human(best['params'])} parameters on "
        f"{human(best['tokens'])} tokens, {best['decades_outside']:.1f} decades outside the data: "
        f"{best['median']:+.3g}, {abs(best['separation']):.1f} standard deviations of a run"
    )
    content = {
        "one": str(one),
        "other": str(other),
        "prob": prob,
        "rows": every,
        "most_informative": best.to_dict(),
    }
    return Output(content, [Table(rows, title, every), conclusion], notes, remarks)


@printing
def backtest_command(
    models: Annotated[
        list[str],
        typer.Argument(metavar="SPEC... [RUNS]", help="Specs; last, a table of runs."),
    ],
    *,
    train: Annotated[
        str | None, typer.Option("--train", help="Fit the rows that match, predict the others.")
    ] = None,
    suite: Annotated[
        Path | None,
        typer.Option("--suite", help="Splits instead of RUNS: a TOML file, or published."),
    ] = None,
    column: Column = None,
    where: Where = None,
    units: Units = False,
    response: Response = None,
    no_groups: NoGroups = False,
    seed: Seed = Settings.seed,
    workers: Processes = None,
    cluster: Cluster = None,
    out: FigureOut = None,
) -> Output:
    """Fit cheap runs, predict expensive ones, and see whether the intervals hold.

    Without --train or --suite: the runs' own history, below 1/2, 1/4 and 1/8 of the most compute.
    Scores are of the response's logarithm, of an accuracy, error, score or reward of itself.
    Interrupted, the same command goes on with the fits that are not finished. Exit code 3 if a
    fit did not converge.
    """
    from bayescale.model.spec import Spec

    names, source = models_and_runs(models)
    specs = [Spec.load(name).replace(response=response, groups=not no_groups) for name in names]
    runs = None if source is None else read_runs(source, column, where, units)

    from bayescale.evaluation.backtest import backtests, summary
    from bayescale.evaluation.splits import find_splits

    splits = find_splits(runs, train, suite)
    results = backtests(specs, splits, seed=seed, workers=workers_of(workers, cluster))
    scored = [
        {"spec": name, "splits": [r.to_dict() for r in done], "mean": summary(done)}
        for name, done in results.items()
    ]
    notes = [
        note for done in results.values() for each in done for note in each.convergence.notes()
    ]
    remarks = []
    if out is not None:
        from bayescale.report import figures

        notes += figures.save(figures.observed_in_intervals(results), out)
        remarks.append(f"figure in {out}")
    content = scored[0] if len(scored) == 1 else {"backtests": scored}
    tables = [
        _backtest_table(each, done[0].spec.response)
        for each, done in zip(scored, results.values(), strict=True)
    ]
    return Output(content, tables, notes, remarks)


def _backtest_table(scored: Mapping[str, Any], response: str) -> Table:
    """A spec's splits and their mean."""
    from bayescale.base.numbers import digits
    from bayescale.evaluation.split_scores import on_log
    from bayescale.runs.columns import COLUMNS

    shares = COLUMNS[response].scale != "linear"
    mean = {"name": "mean", "n_train": "", "n_test": "", **scored["mean"]}
    rows = [*scored["splits"], mean]
    shown = [
        {name: str(row[name]) for name in ("name", "n_train", "n_test")}
        | {f"in {level} %": f"{share:.2f}" for level, share in row["coverage"].items()}
        | {k: f"{100 * row[k]:.2f}" if shares else digits(row[k]) for k in _SCORES}
        | {
            "R2": "" if row["r2"] is None else f"{row['r2']:.3f}",
            "R-hat": f"{row['rhat']:.3f}",
            "s": f"{row['seconds']:.0f}",
        }
        for row in rows
    ]
    values = [
        {"spec": scored["spec"]} | {k: v for k, v in row.items() if k != "points"} for row in rows
    ]
    of = "the logarithm" if on_log(response) else response
    unit = ", in %" if shares else ""
    return Table(shown, f"{scored['spec']}: scores of {of}{unit}", values)
