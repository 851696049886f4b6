"""The commands `predict` and `invert`: questions to a fit or a stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from bayescale.base.settings import PROB
from bayescale.base.tables import Table
from bayescale.cli.options import (
    TARGET,
    At,
    Corpus,
    Folder,
    Groups,
    Kind,
    Prob,
    Target,
    pairs,
    positive,
)
from bayescale.cli.printing import Output, printing, serious


@printing
def predict_command(
    folder: Folder,
    *,
    at: At = None,
    points: Annotated[
        str | None, typer.Option("--points", help="A file of points: CSV, Parquet, JSON Lines.")
    ] = None,
    kind: Kind = "run",
    prob: Prob = PROB,
    target: Annotated[float | None, TARGET] = None,
) -> Output:
    """Predict the response at any parameters, tokens and groups, with intervals.

    With --target, also the probability of a response as good or better. With --json,
    `variance_shares` says how much of a new run's variance is parameters, groups, discrepancy
    and noise.
    """
    from bayescale.base.numbers import percent
    from bayescale.cli.points import read_points
    from bayescale.fit.stack import load
    from bayescale.predictive.decomposition import by_point
    from bayescale.predictive.predictive import KINDS

    fitted = load(folder)
    where, split_notes = read_points(at or [], points, fitted)
    prediction = fitted.predict(where, kind)
    table = prediction.table(prob)
    if target is not None:
        probability = prediction.probability_of_reaching(target).to_numpy().ravel()
        table = table.assign(target=target, probability=probability)
    rows = [{str(k): v for k, v in row.items()} for row in table.to_dict(orient="records")]
    short = [_for_people(row, list(fitted.inputs), fitted.group_names) for row in rows]
    title = f"{fitted.spec.response}, {percent(prob)} intervals for {KINDS[kind]}"

    def content() -> dict[str, Any]:
        every = rows
        if kind == "run":  # takes longer than the prediction
            shares = by_point(fitted.variance_shares(where))
            every = [row | {"variance_shares": s} for row, s in zip(rows, shares, strict=True)]
        return {"kind": kind, "prob": prob, "response": fitted.spec.response, "rows": every}

    return Output(
        content,
        [Table(short, title, rows)],
        [*serious(fitted.notes), *split_notes, *prediction.notes],
    )


def _for_people(
    row: dict[str, Any], inputs: Sequence[str], groups: Sequence[str]
) -> dict[str, Any]:
    """A row of a prediction: counts as they are said, new groups marked."""
    from bayescale.base.numbers import digits, estimate, human

    short = {"run": row["run"]}
    short |= {name: human(row[name]) for name in inputs}
    for group in groups:
        new = row[f"{group}_is"] == "new" and row[group] != "new"
        short[group] = f"{row[group]} (new)" if new else row[group]
    if "corpus" in row:
        short["corpus"] = row["corpus"]
    short |= estimate(row)
    if "probability" in row:
        short["probability"] = digits(row["probability"])
    return {**short, "decades outside": f"{row['decades_outside']:.2f}"}


@printing
def invert_command(
    folder: Folder,
    *,
    target: Target,
    params: Annotated[
        float | None,
        positive("--params", "N", "Solve for tokens.", "params"),
    ] = None,
    tokens: Annotated[
        float | None,
        positive("--tokens", "D", "Solve for parameters.", "tokens"),
    ] = None,
    tokens_per_param: Annotated[
        float | None,
        positive("--tokens-per-param", "RATIO", "Solve for both."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="NAME=VALUE,...", help="Other inputs that the law takes."),
    ] = None,
    along: Annotated[
        str | None,
        typer.Option("--along", metavar="INPUT", help="Solve for this input; --at has the others."),
    ] = None,
    group: Groups = None,
    corpus: Corpus = None,
    kind: Kind = "run",
    prob: Prob = PROB,
) -> Output:
    """The compute, tokens, parameters or other input that reach a target with a probability."""
    from bayescale.base.numbers import human
    from bayescale.cli.points import fixed_inputs
    from bayescale.fit.stack import load

    fitted = load(folder)
    inverse = fitted.invert(
        target,
        params=params,
        tokens=tokens,
        tokens_per_param=tokens_per_param,
        at=fixed_inputs(at, fitted),
        along=along,
        groups=pairs(group, "--group"),
        corpus=corpus,
        prob=prob,
        kind=kind,
    )
    content = inverse.to_dict()
    notes = [*serious(fitted.notes), *inverse.notes]
    values = {k: v for k, v in content.items() if k != "notes"}
    if not inverse.reached:
        sentence = (
            f"not reached with probability {prob:g} within 12 decades of the data; "
            f"the most probable is {inverse.most_probable:.3g}"
        )
        return Output(content, [sentence], notes)
    sizes: dict[str, float | None] = {"params": None, "tokens": None}
    if inverse.inputs:
        sizes = dict(inverse.inputs)
    row = {
        "target": target,
        "prob": prob,
        "kind": kind,
        **{k: "any split" if v is None else human(v) for k, v in sizes.items()},
        **({} if inverse.flops is None else {"flops": inverse.flops}),
    }
    return Output(content, [Table([row], values=[values])], notes)
