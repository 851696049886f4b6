"""The command line. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from bayescale.errors import BayescaleError, RunsError
from bayescale.plan.commands import exhaust_command, plan_app
from bayescale.settings import PROB, Settings

if TYPE_CHECKING:
    from bayescale.fit import Fit
    from bayescale.runs import Runs
    from bayescale.spec import Spec

USER_ERROR, NOT_CONVERGED, INTERRUPTED = 2, 3, 130

app = typer.Typer(
    help="Bayesian scaling laws of language models: fit a table of runs, predict the next one.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="List the bundled tables, or check one of your own.")
app.add_typer(data_app, name="data")
app.add_typer(plan_app, name="plan")
app.command("exhaust")(exhaust_command)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Column = Annotated[
    list[str] | None,
    typer.Option("--column", help="Your header for a column, as in loss=val_loss; repeatable."),
]
Where = Annotated[
    str | None, typer.Option("--where", help="Keep the rows that match, as in 'loss < 4'.")
]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A fit's folder.")]
Kind = Annotated[str, typer.Option("--kind", help="mean: the curve; run: one new run.")]
Prob = Annotated[float, typer.Option("--prob", help="Probability, such as 0.9.")]


def main() -> None:
    """Run the command line; a user's error is one line on standard error and exit code 2."""
    try:
        code = app(standalone_mode=False) or 0
    except BayescaleError as error:
        _fail(str(error))
    except typer.TyperException as error:  # unknown option, missing argument, wrong type
        _fail(error.format_message())
    if code == INTERRUPTED:
        sys.stderr.write("bayescale: interrupted; no fit was left half-written\n")
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
    from bayescale import bundled
    from bayescale.output import print_json, print_table
    from bayescale.spec import Spec

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
    from bayescale import bundled
    from bayescale.output import print_json, print_table
    from bayescale.runs import Runs

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

    from bayescale.output import print_json, print_table, say

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
    hidden = int((~runs.known_tokens).sum())
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
        said = {"ok": True, "runs": len(runs), "hidden_token_counts": hidden, "columns": columns}
        print_json(said)
    else:
        print_table(columns, f"{file}: {len(runs)} runs, {hidden} of them with a token range")


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
    draws: Annotated[int, typer.Option("--draws", help="Kept draws a chain.")] = Settings.draws,
    tune: Annotated[int, typer.Option("--tune", help="Tuning draws a chain.")] = Settings.tune,
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
    from bayescale.folder import check_destination
    from bayescale.spec import Spec

    chosen = Spec.load(spec).replace(response=response, groups=not no_groups)
    destination = out or Path("fits") / chosen.name
    check_destination(destination, overwrite=overwrite)
    table = _read_runs(runs, column, where)

    # Only now what takes seconds to load.
    from bayescale.numbers import percent
    from bayescale.output import print_json, print_notes, print_table, say
    from bayescale.scaling import ScalingModel

    settings = Settings(
        draws=draws,
        tune=tune,
        chains=chains,
        seed=seed,
        sampler=sampler,  # type: ignore[arg-type]
    )
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
    """Predict the response at any parameters, tokens and groups, with intervals."""
    from bayescale.fit import Fit
    from bayescale.intervals import check_prob
    from bayescale.numbers import percent
    from bayescale.output import print_json, print_notes, print_table
    from bayescale.points import read_points
    from bayescale.predict import KINDS, check_kind

    check_prob(prob)
    check_kind(kind)
    loaded = Fit.load(folder)
    asked = read_points(at or [], points, loaded.spec)
    prediction = loaded.predict(asked, kind)  # type: ignore[arg-type]
    table = prediction.table(prob)
    if target is not None:
        below = prediction.probability_below(target).to_numpy().ravel()
        table = table.assign(target=target, probability=below)
    rows = [{str(k): v for k, v in row.items()} for row in table.to_dict(orient="records")]
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
    from bayescale.numbers import digits

    said = {str(key): digits(row[key]) for key in ("median", "lower", "upper", "sd")}
    ess, r_hat = f"{row['ess_bulk']:.0f}", f"{row['r_hat']:.3f}"
    return {"name": str(row["name"]), **said, "ess_bulk": ess, "r_hat": r_hat}


def _in_short(row: dict[str, Any], spec: Spec) -> dict[str, Any]:
    """A row of a prediction for people: counts as they are said, new groups marked."""
    from bayescale.numbers import digits, human

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
    from bayescale.fit import Fit
    from bayescale.numbers import human, parse_number
    from bayescale.output import print_json, print_notes, print_table
    from bayescale.points import check_groups

    loaded = Fit.load(folder)
    groups = dict(_pair(text, "--group") for text in group or [])
    check_groups(groups, loaded.spec)
    sizes = {"params": params, "tokens": tokens, "tokens_per_param": tokens_per_param}
    answer = loaded.invert(
        target,
        **{
            name: None if text is None else parse_number(text, name) for name, text in sizes.items()
        },
        groups=groups,
        corpus=corpus,
        prob=prob,
        kind=kind,
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
    seed: Annotated[int, typer.Option("--seed", help="Of the main job.")] = Settings.seed,
    as_json: Json = False,
) -> None:
    """Write a page and a JSON file that answer: what will a run reach, and how sure are we?

    Without fits: the spec compute-only on the bundled table, and again on its reference runs, to
    predict the others. Exit code 3 if a fit did not converge.
    """
    from bayescale.fit import Fit
    from bayescale.output import print_json, print_notes, say
    from bayescale.points import read_points
    from bayescale.report import write

    if folders:
        fits = [Fit.load(folder) for folder in folders]
        out = out or Path("reports") / folders[0].resolve().name
        command = f"bayescale report {' '.join(map(str, folders))} --out {out}"
    else:
        out = out or Path("reports") / "open-llm-bpc"
        fits = _main_job(out, seed)
        command = f"bayescale report --out {out} --seed {seed}"
    points = None
    if at:
        points = read_points(at, None, fits[0].spec).table.to_dict(orient="records")
    said = write(fits, out, command=command, points=points, target=target)
    notes = [note for fitted in fits for note in _failures(fitted)]
    files = {"html": str(out / "index.html"), "json": str(out / "report.json")}
    if as_json:
        print_json({**files, "passed": said["passed"]})
    else:
        sys.stdout.write("\n".join(files.values()) + "\n")
    print_notes(notes)
    _exit_if_failed(fits)
    say("all fits converged")


def _main_job(out: Path, seed: int) -> list[Fit]:
    """The default spec on the bundled table, and on its reference runs, saved with the report."""
    from bayescale.output import say
    from bayescale.reference import reference_runs
    from bayescale.runs import Runs
    from bayescale.scaling import ScalingModel

    model, runs = ScalingModel("compute-only"), Runs.read("open-llm-bpc")
    fits = []
    for name, table in (("all", runs), ("reference", reference_runs(runs))):
        say(f"fitting {model.spec.name} to {len(table)} runs of {table.name}")
        fitted = model.fit(table, Settings(seed=seed))
        fitted.save(out / "fit" / name, overwrite=True)
        fits.append(fitted)
    return fits


def _read_runs(source: str, column: list[str] | None, where: str | None) -> Runs:
    from bayescale.runs import Runs

    columns = dict(_pair(text, "--column") for text in column or [])
    return Runs.read(source, columns=columns, where=where)


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise BayescaleError(f"{option} {text!r}: write it as NAME=VALUE")
    return name.strip(), value.strip()


def _failures(fitted: Fit) -> list[Any]:
    return [note for note in fitted.notes if note.level == "failure"]


def _exit_if_failed(fits: list[Fit]) -> None:
    if not all(fitted.convergence.passed for fitted in fits):
        raise typer.Exit(NOT_CONVERGED)
