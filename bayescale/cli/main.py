"""The command line. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from bayescale.base.errors import BayescaleError, RunsError
from bayescale.base.interrupts import exit_on_interrupt
from bayescale.base.settings import PROB, Settings
from bayescale.cli.measure import measure_app, sweep_command
from bayescale.cli.plan import exhaust_command, plan_app

if TYPE_CHECKING:
    from bayescale.fit.fit import Fit
    from bayescale.fit.stack import Stack
    from bayescale.model.spec import Spec
    from bayescale.runs.table import Runs

USER_ERROR, NOT_CONVERGED = 2, 3

app = typer.Typer(
    help="Bayesian scaling laws of language models: fit a table of runs, predict the next one.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="List the bundled tables, or check one of your own.")
app.add_typer(data_app, name="data")
app.add_typer(plan_app, name="plan")
app.add_typer(measure_app, name="measure")
app.command("exhaust")(exhaust_command)
app.command("sweep")(sweep_command)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Column = Annotated[
    list[str] | None,
    typer.Option("--column", help="Your header for a column, as in loss=val_loss; repeatable."),
]
Where = Annotated[
    str | None, typer.Option("--where", help="Keep the rows that match, as in 'loss < 4'.")
]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A fit's folder.")]
Kind = Annotated[str, typer.Option("--kind", help="curve, or run: one new run.")]
Processes = Annotated[
    int | None,
    typer.Option("--workers", help="So many processes do the fits; by default threads of one."),
]
Cluster = Annotated[
    str | None,
    typer.Option("--cluster", help="A Dask cluster does the fits, as tcp://HOST:8786."),
]
Prob = Annotated[float, typer.Option("--prob", help="Probability, such as 0.9.")]


def main() -> None:
    """Run the command line; a user's error is one line on standard error and exit code 2."""
    with exit_on_interrupt():
        try:
            code = app(standalone_mode=False) or 0
        except BayescaleError as error:
            _fail(str(error))
        except typer.TyperException as error:  # unknown option, missing argument, wrong type
            _fail(error.format_message())
    sys.exit(code)


def _fail(message: str) -> NoReturn:
    line = " ".join(message.split())
    if line:  # bare `bayescale` has printed its help
        sys.stderr.write(f"bayescale: error: {line}\n")
    sys.exit(USER_ERROR)


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(help="Print this spec, to copy and edit.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """List the shipped specs, or print one."""
    from bayescale.base import bundled
    from bayescale.base.output import print_json, print_table
    from bayescale.model.spec import Spec

    if name is not None:
        if name not in bundled.specs():
            raise bundled.unknown("spec", name, list(bundled.specs()))
        if as_json:
            print_json(Spec.load(name).model_dump(mode="json"))
        else:
            sys.stdout.write(bundled.specs()[name].read_text("utf-8"))
        return
    rows = [
        {
            "spec": spec.name,
            "law": spec.law.name,
            "response": spec.response,
            "effects": ", ".join(spec.groups),
            "what": spec.title,
        }
        for spec in map(Spec.load, bundled.specs())
    ]
    print_json({"models": rows}) if as_json else print_table(rows)


@data_app.callback(invoke_without_command=True)
def data(context: typer.Context, *, as_json: Json = False) -> None:
    """List the bundled tables, or check one of your own."""
    if context.invoked_subcommand is not None:
        return
    from bayescale.base import bundled
    from bayescale.base.output import print_json, print_table
    from bayescale.runs.table import Runs

    tables = [
        {"table": name, "runs": len(Runs.read(name)), "what": bundled.card_title(name)}
        for name in bundled.tables()
    ]
    laws = [
        {"law": name, "form": said.get("law", ""), "citation": said["citation"]}
        for name, said in bundled.published_laws().items()
    ]
    if as_json:
        print_json({"tables": tables, "published_laws": bundled.published_laws()})
    else:
        print_table(tables, "Tables of runs")
        print_table(laws, "Published laws")


@data_app.command("check")
def data_check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV, Parquet or JSON Lines.")],
    *,
    column: Column = None,
    where: Where = None,
    as_json: Json = False,
) -> None:
    """Validate a table of runs and print every problem."""
    from dataclasses import asdict

    from bayescale.base.output import print_json, print_table, say

    try:
        runs = _read_runs(file, column, where)
    except RunsError as error:
        if as_json:
            print_json({"ok": False, "problems": [asdict(p) for p in error.problems]})
        else:
            for problem in error.problems:
                sys.stdout.write(f"{problem}\n")
        say(f"bayescale: error: {file}: {len(error.problems)} problems")
        raise typer.Exit(USER_ERROR) from error
    table = runs.table
    latent = int((~runs.known_tokens).sum())
    columns = [
        {
            "column": name,
            "filled": int(table[name].notna().sum()),
            "min": float(table[name].min()) if table[name].dtype.kind in "fi" else None,
            "max": float(table[name].max()) if table[name].dtype.kind in "fi" else None,
            "distinct": int(table[name].nunique()),
        }
        for name in table
    ]
    if as_json:
        said = {"ok": True, "runs": len(runs), "latent_token_counts": latent, "columns": columns}
        print_json(said)
    else:
        print_table(columns, f"{file}: {len(runs)} runs, {latent} of them with a token range")


@app.command()
def fit(
    spec: Annotated[str, typer.Argument(help="A shipped spec's name, or a TOML file.")],
    runs: Annotated[str, typer.Argument(help="A bundled table's name, or a file.")] = (
        "open-llm-bpc"
    ),
    *,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write; by default fits/SPEC.")
    ] = None,
    column: Column = None,
    where: Where = None,
    response: Annotated[
        str | None, typer.Option("--response", help="bpc, bpb or loss, instead of the spec's.")
    ] = None,
    no_groups: Annotated[
        bool, typer.Option("--no-groups", help="Leave out the spec's group effects.")
    ] = False,
    discrepancy: Annotated[
        bool, typer.Option("--discrepancy", help="Add what the law misses; see spec forecast.")
    ] = False,
    draws: Annotated[
        int | None,
        typer.Option("--draws", help="Kept draws a chain; by default as the spec needs."),
    ] = None,
    tune: Annotated[
        int | None, typer.Option("--tune", help="Tuning draws a chain; by default as it needs.")
    ] = None,
    chains: Annotated[int, typer.Option("--chains")] = Settings.chains,
    seed: Annotated[
        int, typer.Option("--seed", help="The same seed, the same draws.")
    ] = Settings.seed,
    sampler: Annotated[str, typer.Option("--sampler", help="nutpie or pymc.")] = Settings.sampler,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a fit.")] = False,
    as_json: Json = False,
) -> None:
    """Sample the posterior of a spec given a table of runs, and save it.

    Exit code 3 if the chains did not converge; the fit is saved all the same, and marked.
    """
    from dataclasses import replace

    from bayescale.fit.folder import reserved
    from bayescale.model.spec import Spec

    chosen = Spec.load(spec).replace(
        response=response, groups=not no_groups, discrepancy=discrepancy
    )
    destination = out or Path("fits") / chosen.name
    table = _read_runs(runs, column, where)
    settings = replace(
        chosen.settings,
        draws=chosen.settings.draws if draws is None else draws,
        tune=chosen.settings.tune if tune is None else tune,
        chains=chains,
        seed=seed,
        sampler=sampler,  # type: ignore[arg-type]
    )
    with reserved(destination, overwrite=overwrite):
        # Only now what takes seconds to load.
        from bayescale.base.numbers import percent
        from bayescale.base.output import print_json, print_notes, print_table, say
        from bayescale.fit.scaling import ScalingModel

        result = ScalingModel(chosen).fit(table, settings)
        result.save(destination, overwrite=overwrite)
    parameters = result.summary().reset_index(names="name").to_dict(orient="records")
    if as_json:
        print_json(
            {
                "fit": str(destination),
                "spec": chosen.name,
                "runs": len(table),
                "convergence": result.convergence.to_dict(),
                "notes": [note.to_dict() for note in result.notes],
                "parameters": parameters,
            }
        )
    else:
        title = f"{chosen.title}; {len(table)} runs, {percent(PROB)} intervals"
        print_table([_estimate(row) for row in parameters], title)
    print_notes(result.notes)
    say(f"saved in {destination}")
    _exit_if_failed([result])


@app.command()
def predict(
    folder: Folder,
    *,
    at: Annotated[
        list[str] | None,
        typer.Option(
            "--at",
            help="A point, as in params=70e9,tokens=15T,family=Llama-3; repeatable. "
            "LOW:HIGH:COUNT makes a grid, evenly spaced in logs.",
        ),
    ] = None,
    points: Annotated[
        str | None, typer.Option("--points", help="A file of points: CSV, Parquet, JSON Lines.")
    ] = None,
    kind: Kind = "run",
    prob: Prob = PROB,
    target: Annotated[
        float | None, typer.Option("--target", help="Add the probability of reaching this.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Predict the response at any parameters, tokens and groups, with intervals.

    With --json, `variance_shares` says how much of a new run's variance is parameters, groups,
    discrepancy and noise (of a single fit, not of a stack).
    """
    from bayescale.base.intervals import check_prob
    from bayescale.base.numbers import percent
    from bayescale.base.output import print_json, print_notes, print_table
    from bayescale.fit.fit import Fit
    from bayescale.fit.stack import load
    from bayescale.predictive.decomposition import by_point
    from bayescale.predictive.points import read_points
    from bayescale.predictive.predictive import KINDS, check_kind

    check_prob(prob)
    check_kind(kind)
    loaded = load(folder)
    asked = read_points(at or [], points, loaded.group_names)
    prediction = loaded.predict(asked, kind)  # type: ignore[arg-type]
    table = prediction.table(prob)
    if target is not None:
        below = prediction.probability_below(target).to_numpy().ravel()
        table = table.assign(target=target, probability=below)
    rows = [{str(k): v for k, v in row.items()} for row in table.to_dict(orient="records")]
    if as_json and kind == "run" and isinstance(loaded, Fit):
        for row, shares in zip(rows, by_point(loaded.variance_shares(asked)), strict=True):
            row["variance_shares"] = shares
    notes = _failures(loaded) + prediction.notes
    if as_json:
        said = {"kind": kind, "prob": prob, "response": loaded.spec.response, "rows": rows}
        print_json({**said, "notes": [note.to_dict() for note in notes]})
    else:
        title = f"{loaded.spec.response}, {percent(prob)} intervals for {KINDS[kind]}"
        print_table([_in_short(row, loaded.spec) for row in rows], title)
    print_notes(notes)


def _estimate(row: dict[Hashable, Any]) -> dict[str, str]:
    """A row of a fit's summary for people."""
    from bayescale.base.numbers import digits

    said = {str(key): digits(row[key]) for key in ("median", "lower", "upper", "sd")}
    ess, r_hat = f"{row['ess_bulk']:.0f}", f"{row['r_hat']:.3f}"
    return {"name": str(row["name"]), **said, "ess_bulk": ess, "r_hat": r_hat}


def _in_short(row: dict[str, Any], spec: Spec) -> dict[str, Any]:
    """A row of a prediction for people: counts as they are said, new groups marked."""
    from bayescale.base.numbers import digits, human

    short = {"run": row["run"]}
    short |= {name: human(row[name]) for name in ("params", "tokens")}
    for group in spec.named_groups:
        new = row[f"{group}_is"] == "new" and row[group] != "new"
        short[group] = f"{row[group]} (new)" if new else row[group]
    ends = ("corpus", "median", "lower", "upper", "probability")
    short |= {k: digits(row[k]) if k != "corpus" else row[k] for k in ends if k in row}
    return {**short, "decades outside": f"{row['decades_outside']:.2f}"}


@app.command()
def invert(
    folder: Folder,
    *,
    target: Annotated[float, typer.Option("--target", help="Response to reach.")],
    params: Annotated[str | None, typer.Option("--params", help="Solve for tokens.")] = None,
    tokens: Annotated[str | None, typer.Option("--tokens", help="Solve for parameters.")] = None,
    tokens_per_param: Annotated[
        str | None, typer.Option("--tokens-per-param", help="Solve for both.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="As in family=Llama-3; repeatable.")
    ] = None,
    corpus: Annotated[
        str | None, typer.Option("--corpus", help="For a fit of several corpora.")
    ] = None,
    kind: Kind = "run",
    prob: Prob = PROB,
    as_json: Json = False,
) -> None:
    """The compute, tokens or parameters that reach a target with a stated probability."""
    from bayescale.base.numbers import human, parse_number
    from bayescale.base.output import print_json, print_notes, print_table
    from bayescale.fit.stack import load
    from bayescale.predictive.points import check_groups

    loaded = load(folder)
    groups = dict(_pair(text, "--group") for text in group or [])
    check_groups(groups, loaded.group_names)
    sizes = {"params": params, "tokens": tokens, "tokens_per_param": tokens_per_param}
    answer = loaded.invert(
        target,
        **{
            name: None if text is None else parse_number(text, name) for name, text in sizes.items()
        },
        groups=groups,
        corpus=corpus,
        prob=prob,
        kind=kind,  # type: ignore[arg-type]
    )
    notes = _failures(loaded) + answer.notes
    if as_json:
        print_json({**answer.to_dict(), "notes": [note.to_dict() for note in notes]})
    elif answer.flops is None:
        sys.stdout.write(
            f"not reached with probability {prob:g} within 12 decades of the data; "
            f"the most probable is {answer.most_probable:.3g}\n"
        )
    else:
        sizes_found = {"params": answer.params, "tokens": answer.tokens}
        row = {k: "any split" if v is None else human(v) for k, v in sizes_found.items()}
        print_table([{"target": target, "prob": prob, "kind": kind, **row, "flops": answer.flops}])
    print_notes(notes)


@app.command()
def compare(
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
        float, typer.Option("--share", help="By frontier: share of runs left out.")
    ] = 0.25,
    above: Annotated[
        str | None, typer.Option("--above", help="By frontier: leave out runs above this FLOP.")
    ] = None,
    column: Column = None,
    where: Where = None,
    response: Annotated[
        str | None, typer.Option("--response", help="bpc, bpb or loss, instead of the specs'.")
    ] = None,
    no_groups: Annotated[
        bool, typer.Option("--no-groups", help="Leave out the specs' group effects.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Refit i has this plus i.")] = Settings.seed,
    workers: Processes = None,
    cluster: Cluster = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write the JSON here, for a report.")
    ] = None,
    stack_in: Annotated[
        Path | None,
        typer.Option("--stack", metavar="DIR", help="Fit all and save their weighted average."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Leave runs out, predict them with each model, and compare the predictions.

    Interrupted, the same command goes on with the refits that are not finished. Exit code 3 if a
    refit did not converge.
    """
    from bayescale.fit.folder import check_destination

    named, source = _models_and_runs(models)
    if stack_in is not None:
        check_destination(stack_in)
    runs = None if source is None else _read_runs(source, column, where)
    if runs is None and (column or where):
        runs = _read_runs("open-llm-bpc", column, where)
    chosen = [_model(name, response, no_groups) for name in named]

    from bayescale.base.numbers import digits, parse_number
    from bayescale.base.output import print_json, print_notes, print_table, say, write_json
    from bayescale.evaluation.compare import compare as compared

    limit = None if above is None else parse_number(above, "above")
    result = compared(
        chosen,
        runs,
        by=by,
        share=share,
        above=limit,
        seed=seed,
        workers=_workers(workers, cluster),
    )
    said = result.to_dict()
    if out is not None:
        write_json(out, said)
    if as_json:
        print_json(said)
    else:
        shown = ("elpd_diff", "dse", "weight", "coverage_50", "coverage_90", "crps", "rmse")
        rows = [
            {"model": row["model"], "elpd": f"{row['elpd']:.1f}"}
            | {name: digits(row[name]) for name in shown}
            | {"weight": f"{row['weight']:.2f}"}
            | {"notes": " ".join(row[name] for name in ("diag_diff", "diag_elpd") if row[name])}
            for row in said["models"]
        ]
        predicted = len(result.predictions) // len(rows)
        title = f"{predicted} of {len(result.runs)} runs predicted, left out by {by}"
        print_table(rows, title)
        print_notes(result.notes)
    if stack_in is not None:
        from bayescale.fit.fit import Fit
        from bayescale.fit.scaling import ScalingModel
        from bayescale.fit.stack import stack

        loaded = {one.spec.name: one for one in chosen if isinstance(one, Fit)}
        fits = [
            loaded.get(name) or ScalingModel(result.specs[name]).fit(result.runs)
            for name, weight in result.weights.items()
            if weight > 0
        ]
        stack(fits, result.weights).save(stack_in)
        say(f"saved in {stack_in}")
        _exit_if_failed(fits)
    if not result.passed:
        raise typer.Exit(NOT_CONVERGED)


@app.command()
def discriminate(
    one: Annotated[Path, typer.Argument(metavar="DIR", help="A fit's folder.")],
    other: Annotated[Path, typer.Argument(metavar="DIR", help="Another, of the same runs.")],
    *,
    flops: Annotated[
        list[str] | None, typer.Option("--flops", help="Compute of a line, FLOP; repeatable.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the figure here: .svg, .png or .pdf.")
    ] = None,
    prob: Prob = PROB,
    as_json: Json = False,
) -> None:
    """Where two laws part along lines of equal compute, and which run would tell them apart."""
    from bayescale.base.intervals import check_prob
    from bayescale.base.numbers import digits, human, parse_number, percent
    from bayescale.base.output import print_json, print_notes, print_table, say
    from bayescale.evaluation.discrimination import RATIOS, discrimination, most_informative
    from bayescale.evaluation.folds import training_flops
    from bayescale.fit.fit import Fit
    from bayescale.report import figures

    check_prob(prob)
    fits = Fit.load(one), Fit.load(other)
    lines = [parse_number(text, "flops") for text in flops] if flops else None
    table = discrimination(*fits, flops=lines, prob=prob)
    best = most_informative(table, float(training_flops(fits[0].runs).max()))
    if out is not None:
        print_notes(figures.save(figures.discrimination(table, *fits), out))
        say(f"figure in {out}")
    if as_json:
        rows = table.to_dict(orient="records")
        print_json({"one": str(one), "other": str(other), "prob": prob, "rows": rows})
        return
    shown = table[table["tokens_per_param"].isin(RATIOS[::2])]
    rows = [
        {name: human(row[name]) for name in ("flops", "tokens_per_param", "params", "tokens")}
        | {name: digits(row[name]) for name in ("median", "lower", "upper", "separation")}
        | {"decades outside": f"{row['decades_outside']:.2f}"}
        for row in shown.to_dict(orient="records")
    ]
    names = " minus ".join(fit.spec.name for fit in fits)
    print_table(rows, f"{names}, {fits[0].spec.response}, {percent(prob)} intervals for the curves")
    say(
        f"one run would tell most at {human(best['params'])} parameters on "
        f"{human(best['tokens'])} tokens, {best['decades_outside']:.1f} decades outside the data: "
        f"{best['median']:+.3g}, "
        f"{abs(best['separation']):.1f} standard deviations of a run"
    )


@app.command()
def backtest(
    models: Annotated[
        list[str],
        typer.Argument(metavar="SPEC... [RUNS]", help="Specs; last, a table of runs."),
    ],
    *,
    train: Annotated[
        str | None, typer.Option("--train", help="Fit the rows that match, predict the others.")
    ] = None,
    suite: Annotated[
        Path | None, typer.Option("--suite", help="A TOML file of splits, instead of RUNS.")
    ] = None,
    column: Column = None,
    where: Where = None,
    response: Annotated[
        str | None, typer.Option("--response", help="bpc, bpb or loss, instead of the specs'.")
    ] = None,
    no_groups: Annotated[
        bool, typer.Option("--no-groups", help="Leave out the specs' group effects.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed")] = Settings.seed,
    workers: Processes = None,
    cluster: Cluster = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the figure here: .svg, .png or .pdf.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fit cheap runs, predict expensive ones, and see whether the intervals hold.

    Without --train or --suite: the runs' own history, below 1/2, 1/4 and 1/8 of the most compute.
    Scores are of the response's logarithm. Interrupted, the same command goes on with the fits
    that are not finished. Exit code 3 if a fit did not converge.
    """
    from bayescale.model.spec import Spec

    named, source = _models_and_runs(models)
    specs = [Spec.load(name).replace(response=response, groups=not no_groups) for name in named]
    runs = None if source is None else _read_runs(source, column, where)

    from bayescale.base.output import print_json, print_notes, print_table, say
    from bayescale.evaluation import backtest as tests

    splits = tests.find_splits(runs, train, suite)
    results = tests.backtests(specs, splits, seed=seed, workers=_workers(workers, cluster))
    said = [
        {"spec": name, "splits": [r.to_dict() for r in done], "mean": tests.summary(done)}
        for name, done in results.items()
    ]
    if out is not None:
        from bayescale.report import figures

        print_notes(figures.save(figures.observed_in_intervals(results), out))
        say(f"figure in {out}")
    if as_json:
        print_json(said[0] if len(said) == 1 else {"backtests": said})
    else:
        for scored in said:
            title = f"{scored['spec']}: scores of the logarithm, in %"
            print_table(_backtest_rows(scored), title)
    failed = [r for done in results.values() for r in done if not r.convergence.passed]
    print_notes([note for result in failed for note in result.convergence.notes()])
    if failed:
        raise typer.Exit(NOT_CONVERGED)


def _backtest_rows(scored: dict[str, Any]) -> list[dict[str, str]]:
    """A spec's splits and their mean for people."""
    rows = [*scored["splits"], {"name": "mean", "n_train": "", "n_test": "", **scored["mean"]}]
    return [
        {name: str(row[name]) for name in ("name", "n_train", "n_test")}
        | {f"in {level} %": f"{share:.2f}" for level, share in row["coverage"].items()}
        | {k: f"{100 * row[k]:.2f}" for k in ("interval_score", "crps", "rmse", "bias")}
        | {"R-hat": f"{row['rhat']:.3f}", "s": f"{row['seconds']:.0f}"}
        for row in rows
    ]


def _workers(processes: int | None, cluster: str | None) -> Any:
    """Who does the fits, as asked."""
    from bayescale.sampling.jobs import Workers

    if processes is not None and cluster is not None:
        raise BayescaleError(
            f"--workers {processes} --cluster {cluster}: processes here, or a cluster; name one"
        )
    if cluster is not None:
        return Workers(cluster=cluster)
    return None if processes is None else Workers(processes, "processes")


def _models_and_runs(arguments: list[str]) -> tuple[list[str], str | None]:
    """Specs and folders of fits, and the table of runs if one was named last."""
    from bayescale.base import bundled

    def is_model(name: str) -> bool:
        known = name in bundled.specs() or name.endswith(".toml")
        return known or (Path(name) / "fit.json").is_file()

    *models, last = arguments
    if is_model(last) or not (last in bundled.tables() or Path(last).suffix):
        return arguments, None
    return models, last


def _model(name: str, response: str | None, no_groups: bool) -> Any:
    from bayescale.fit.fit import Fit
    from bayescale.model.spec import Spec

    if (Path(name) / "fit.json").is_file():
        if response is not None or no_groups:
            raise BayescaleError(f"{name} is a fit; --response and --no-groups are for specs")
        return Fit.load(name)
    return Spec.load(name).replace(response=response, groups=not no_groups)


@app.command()
def plot(
    kind: Annotated[str, typer.Argument(help="curve, effects, check, variance, ...")],
    folder: Folder,
    *,
    out: Annotated[Path, typer.Option("--out", help="A .svg, .png or .pdf file to write.")],
) -> None:
    """Write one figure of a fit."""
    from bayescale.base.bundled import unknown
    from bayescale.base.output import print_notes
    from bayescale.report import figures

    if kind not in figures.OF_A_FIT:
        raise unknown("figure", kind, list(figures.OF_A_FIT))
    from bayescale.fit.fit import Fit

    figure = getattr(figures, kind.replace("-", "_"))(Fit.load(folder))
    if figure is None:
        raise BayescaleError(f"{folder}: the fit has nothing to show as {kind}; use curve")
    print_notes(figures.save(figure, out))
    sys.stdout.write(f"{out}\n")


@app.command()
def report(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Fits; without any, the main job is run."),
    ] = None,
    *,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write; by default reports/NAME.")
    ] = None,
    at: Annotated[
        list[str] | None, typer.Option("--at", help="A point to predict; as for predict.")
    ] = None,
    target: Annotated[float | None, typer.Option("--target", help="Response to reach.")] = None,
    comparison: Annotated[
        Path | None, typer.Option("--comparison", help="A file from `compare --out`.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the main job.")] = Settings.seed,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    as_json: Json = False,
) -> None:
    """Write a page, Markdown and JSON that answer: what will a run reach, and how sure are we?

    Without fits: the spec compute-only on the bundled table, again on its reference runs, to
    predict the others, and compared with separate slopes and Chinchilla's law on families left
    out. Exit code 3 if a fit did not converge.
    """
    from bayescale.base.output import print_json, print_notes, read_json, say
    from bayescale.fit.fit import Fit
    from bayescale.predictive.points import read_points
    from bayescale.report.write import write

    rivals: list[Fit] = []
    compared = None if comparison is None else read_json(comparison)
    if folders:
        fits = [Fit.load(folder) for folder in folders]
        out = out or Path("reports") / folders[0].resolve().name
        command = f"bayescale report {' '.join(map(str, folders))} --out {out}"
        command += "" if comparison is None else f" --comparison {comparison}"
    else:
        out = out or Path("reports") / "open-llm-bpc"
        fits, rivals, compared = _main_job(out, seed)
        command = f"bayescale report --out {out} --seed {seed}"
    points = None
    if at:
        points = read_points(at, None, fits[0].group_names).table.to_dict(orient="records")
    said = write(
        fits,
        out,
        command=command,
        points=points,
        target=target,
        comparison=compared,
        rivals=rivals,
    )
    fits += rivals
    notes = [note for fitted in fits for note in _failures(fitted)]
    names = {"html": "index.html", "markdown": "report.md", "json": "report.json"}
    files = {kind: str(out / name) for kind, name in names.items()}
    if show:
        _open(out / names["html"])
    if as_json:
        print_json({**files, "passed": said["passed"]})
    else:
        sys.stdout.write("\n".join(files.values()) + "\n")
    print_notes(notes)
    _exit_if_failed(fits)
    if compared is not None and not compared.get("passed"):
        say("bayescale: error: refits of the comparison did not converge")
        raise typer.Exit(NOT_CONVERGED)
    say("all fits converged")


def _open(page: Path) -> None:
    """Show a page in the user's browser (of the variable BROWSER, if set)."""
    import webbrowser

    from bayescale.base.output import say

    if not webbrowser.open(page.resolve().as_uri()):
        say(f"no browser could be started; open {page}")


def _main_job(out: Path, seed: int) -> tuple[list[Fit], list[Fit], dict[str, Any]]:
    """The default spec on the bundled table and on its reference runs, and its rivals."""
    from bayescale.base.output import say
    from bayescale.evaluation.compare import compare as compared
    from bayescale.evaluation.reference import reference_runs
    from bayescale.fit.scaling import ScalingModel
    from bayescale.runs.table import Runs

    runs, settings = Runs.read("open-llm-bpc"), Settings(seed=seed)

    def fit(spec: str, table: Runs, name: str) -> Fit:
        say(f"fitting {spec} to {len(table)} runs of {table.name}")
        fitted = ScalingModel(spec).fit(table, settings)
        fitted.save(out / "fit" / name, overwrite=True)
        return fitted

    fits = [
        fit("compute-only", runs, "all"),
        fit("compute-only", reference_runs(runs), "reference"),
    ]
    rivals = [fit(spec, runs, spec) for spec in ("separate-slopes", "chinchilla")]
    specs = [fitted.spec for fitted in (fits[0], *rivals)]
    say(f"comparing {', '.join(spec.name for spec in specs)} on families left out")
    comparison = compared(specs, runs, by="family", seed=seed)
    return fits, rivals, comparison.to_dict()


def _read_runs(source: str, column: list[str] | None, where: str | None) -> Runs:
    from bayescale.runs.table import Runs

    columns = dict(_pair(text, "--column") for text in column or [])
    return Runs.read(source, columns=columns, where=where)


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise BayescaleError(f"{option} {text!r}: write it as NAME=VALUE")
    return name.strip(), value.strip()


def _failures(fitted: Fit | Stack) -> list[Any]:
    return [note for note in fitted.notes if note.level == "failure"]


def _exit_if_failed(fits: list[Fit]) -> None:
    if not all(fitted.convergence.passed for fitted in fits):
        raise typer.Exit(NOT_CONVERGED)
