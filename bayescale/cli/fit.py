"""The command `fit`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from bayescale.base.settings import PROB, Settings
from bayescale.base.tables import Table
from bayescale.cli.options import (
    Column,
    NoGroups,
    Response,
    Seed,
    Units,
    Where,
    one_of,
    read_runs,
    whole,
)
from bayescale.cli.printing import Output, printing


@printing
def fit_command(
    spec: Annotated[str, typer.Argument(help="A shipped spec's name, or a TOML file.")],
    runs: Annotated[
        str, typer.Argument(help="A bundled table's name, a file, or - for standard input.")
    ] = ("open-llm-bpc"),
    *,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write; by default fits/SPEC.")
    ] = None,
    column: Column = None,
    where: Where = None,
    units: Units = False,
    response: Response = None,
    no_groups: NoGroups = False,
    keep_groups: Annotated[
        bool,
        typer.Option("--keep-groups", help="Fit the effect of a group that all runs share, too."),
    ] = False,
    discrepancy: Annotated[
        bool,
        typer.Option("--discrepancy", help="Add a model discrepancy; see the spec forecast."),
    ] = False,
    draws: Annotated[
        int | None,
        whole("--draws", "N", "Kept draws a chain; by default as the spec needs."),
    ] = None,
    tune: Annotated[
        int | None,
        whole("--tune", "N", "Tuning draws a chain; by default as it needs."),
    ] = None,
    chains: Annotated[
        int,
        whole("--chains", "N", "Independent chains, which have to agree."),
    ] = Settings.chains,
    seed: Seed = Settings.seed,
    sampler: Annotated[
        Literal["nutpie", "pymc"],
        typer.Option(
            "--sampler",
            parser=one_of("sampler", ("nutpie", "pymc")),
            metavar="NAME",
            help="nutpie, or pymc: PyMC's own NUTS.",
        ),
    ] = Settings.sampler,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a fit.")] = False,
) -> Output:
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
    table = read_runs(runs, column, where, units)
    settings = replace(
        chosen.settings,
        draws=chosen.settings.draws if draws is None else draws,
        tune=chosen.settings.tune if tune is None else tune,
        chains=chains,
        seed=seed,
        sampler=sampler,
    )
    with reserved(destination, overwrite=overwrite):
        # Only now what takes seconds to load.
        from bayescale.base.numbers import count, percent
        from bayescale.fit.scaling import ScalingModel

        fitted = ScalingModel(chosen).fit(table, settings, keep_groups=keep_groups)
        fitted.save(destination, overwrite=overwrite)
    parameters = fitted.summary().reset_index(names="name").to_dict(orient="records")
    title = f"{chosen.title}; {count(len(table), 'run')}, {percent(PROB)} intervals"
    return Output(
        {
            "fit": str(destination),
            "spec": chosen.name,
            "runs": len(table),
            "convergence": fitted.convergence.to_dict(),
            "parameters": parameters,
        },
        [Table([_for_people(row) for row in parameters], title, parameters)],
        fitted.notes,
        [f"saved in {destination}"],
    )


def _for_people(row: Mapping[Hashable, Any]) -> dict[str, str]:
    """A row of a fit's summary in short numbers."""
    from bayescale.base.numbers import digits, estimate

    ess, r_hat = f"{row['ess_bulk']:.0f}", f"{row['r_hat']:.3f}"
    sd = digits(row["sd"])
    return {"name": str(row["name"]), **estimate(row), "sd": sd, "ess_bulk": ess, "r_hat": r_hat}
