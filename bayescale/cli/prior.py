"""The command `prior`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bayescale.base.errors import BayescaleError
from bayescale.base.numbers import parse_number
from bayescale.base.settings import PROB
from bayescale.base.tables import Table
from bayescale.cli.options import FigureFile, Prob, Response
from bayescale.cli.printing import Output, printing

if TYPE_CHECKING:
    from bayescale.model.spec import Spec


@printing
def prior_command(
    spec: Annotated[str, typer.Argument(help="A shipped spec's name, or a TOML file.")],
    *,
    response: Response = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            "--expect",
            metavar="PARAMETER=INPUT:LOW:HIGH",
            help="A prior from an expectation: alpha=params:3:9 where a tenfold N lowers the "
            "response by 3 to 9 %, or raises it where higher is better; repeatable.",
        ),
    ] = None,
    prob: Prob = PROB,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the spec with these priors: a .toml file.")
    ] = None,
    figure: FigureFile = None,
) -> Output:
    """Say what a spec expects before any data, and make priors from what you expect.

    A prior from --expect keeps its kind. Of all priors that hold --prob between the ends, it is
    the one of maximum entropy; the law's other parameters stay at the medians of their priors.
    """
    import numpy as np

    from bayescale.base.numbers import percent
    from bayescale.fit.prior import changes, elicited
    from bayescale.model.spec import Spec

    chosen = Spec.load(spec)
    if response is not None:
        chosen = chosen.replace(response=response)
    for text in expect or ():
        parameter, name, change = _expected(text, chosen)
        found = elicited(chosen, parameter, name, change, prob)
        chosen = chosen.replace(priors={parameter: found})
    tails = [(1 - prob) / 2, 0.5, (1 + prob) / 2]
    rows, shown = [], []
    for tenfold, values in changes(chosen).items():
        lower, median, upper = (float(v) for v in np.quantile(values, tails))
        row = {"median": median, "lower": lower, "upper": upper}
        rows.append({"tenfold": str(tenfold), **row})
        shown.append({"tenfold": str(tenfold), **{key: percent(v) for key, v in row.items()}})
    named = {str(text).partition("=")[0].strip() for text in expect or ()}
    made = [
        {"parameter": name, "prior": str(chosen.priors[name])}
        for name in chosen.priors
        if name in named
    ]
    title = f"{chosen.name}: change of {chosen.response} at the data's centre, {percent(prob)}"
    tables = [Table(made, "Priors from what is expected")] if made else []
    remarks = _written(chosen, out, figure, prob)
    return Output(
        {"spec": chosen.model_dump(mode="json"), "changes": rows, "prob": prob},
        [*tables, Table(shown, title, rows)],
        remarks=remarks,
    )


def _expected(text: str, spec: Spec) -> tuple[str, str, tuple[float, float]]:
    """Parameter, input and the two changes, as shares, of PARAMETER=INPUT:LOW:HIGH."""
    from bayescale.base.bundled import unknown
    from bayescale.cli.options import check_text
    from bayescale.fit.prior import asked
    from bayescale.runs.columns import COLUMNS

    check_text(text, "--expect")
    parameter, equals, rest = (part.strip() for part in text.partition("="))
    name, *ends = (part.strip() for part in rest.split(":"))
    if not equals or len(ends) != 2:
        raise BayescaleError(
            f"--expect {text!r}: write PARAMETER=INPUT:LOW:HIGH, as in alpha=params:3:9 where a "
            "tenfold N lowers the response by 3 to 9 %"
        )
    known = [each.name for each in spec.law.parameters]
    if parameter not in known:
        raise unknown("--expect: parameter", parameter, known)
    if name not in asked(spec):
        raise unknown("--expect: input", name, asked(spec))
    low, high = (parse_number(end, "--expect") / 100 for end in ends)
    if not low < high < 1:
        raise BayescaleError(f"--expect {text!r}: needs LOW below HIGH, both below 100 %")
    as_loss = COLUMNS[spec.response].as_loss
    return parameter, name, (as_loss(-high), as_loss(-low))


def _written(spec: Spec, out: Path | None, figure: Path | None, prob: float) -> list[str]:
    """Write what was asked for; says where."""
    from bayescale.base.files import write_whole

    remarks = []
    if out is not None:
        try:
            write_whole(out, spec.to_toml())
        except OSError as error:
            raise BayescaleError(f"{out}: cannot be written: {error.strerror}") from error
        remarks.append(f"spec in {out}")
    if figure is not None:
        from bayescale.report import figures

        figures.save(figures.prior_predictive(spec, prob), figure)
        remarks.append(f"figure in {figure}")
    return remarks
