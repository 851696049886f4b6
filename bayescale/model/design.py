"""Design: runs as a spec's model sees them, in arrays with named dims.

The inputs are put on their scales and centred here, once: `params` and `tokens` are ln N and ln D
minus the logarithm of the data's geometric means, which travel with every fit as its `Centre`.
Unique tokens, where a law takes them, share the centre of tokens: the law needs their ratio. An
equation's inputs are not centred: its centre is 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.base.errors import Problem, RunsError
from bayescale.base.notes import listed
from bayescale.base.text import escaped
from bayescale.model.discrepancy.axes import COMPUTE
from bayescale.model.discrepancy.inducing import inducing_points
from bayescale.model.priors import typical
from bayescale.model.scale import scale_of
from bayescale.model.spec import Spec
from bayescale.runs.check import check_numbers, missing_column
from bayescale.runs.columns import COLUMNS, named_otherwise, responses
from bayescale.runs.table import Runs

# A token range is a 90 % interval: it spans this many standard deviations of ln D.
_RANGE_IN_SD = 2 * 1.6448536269514722

Centre = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Design:
    """What a model needs of the runs.

    Attributes
    ----------
    data : Dataset
        Each input of the law (run), on its scale and centred; for a latent token count the
        middle of its range. `tokens_sd` (run, latent): standard deviation of ln D, one column for
        each latent count, which rows of one checkpoint share. `{group}_index` (run): position in
        the group's coordinate, and `{group}_runs` (group) the number of its runs. `response` (run)
        or (run, corpus). With a discrepancy, `inducing_{input}` (inducing): the inducing points;
        `frontier` (): the largest ln(N D)/sqrt(2), centred, of the runs that state their tokens.
    centre : mapping
        The value on which each input of the law is centred, a geometric mean; 1 where it is not.
    """

    data: xr.Dataset
    centre: Centre

    @property
    def coords(self) -> dict[str, np.ndarray]:
        """Labels along each dim."""
        return {str(dim): index.to_numpy() for dim, index in self.data.indexes.items()}

    def with_frontier_of(self, kept: np.ndarray) -> Design:
        """The design as it was before the other runs: the frontier is that of the runs kept.

        For a fit that forecasts what lies above. Where runs are left out to be compared, whatever
        their size, the prior must stay: the frontier remains that of all of them.

        Parameters
        ----------
        kept : ndarray of bool (run)
        """
        if "frontier" not in self.data:
            return self
        below = self.data.isel(run=np.flatnonzero(kept))
        return replace(self, data=self.data.assign(frontier=_frontier(below)))


def design(spec: Spec, runs: Runs) -> Design:
    """Arrays of `runs` for the model that `spec` describes.

    Raises
    ------
    RunsError
        If a column that the spec needs is missing or blank somewhere.
    """
    require(spec, runs)
    inputs = inputs_of(spec, runs)
    centre = {name: _centre(spec, inputs, name) for name in spec.law.inputs}
    data = centred(inputs, centre)
    if spec.discrepancy:
        at_runs = {name: data[name].to_numpy() for name in spec.law.inputs}
        for name, values in inducing_points(spec.axes, at_runs, typical(spec)).items():
            data[f"inducing_{name}"] = ("inducing", values)
        data = data.assign_coords(inducing=np.arange(data.sizes["inducing"]))
        data["frontier"] = _frontier(data)
    table = runs.table
    for group in spec.groups:
        codes, labels = pd.factorize(table[group], sort=group != "run")
        data[f"{group}_index"] = ("run", codes)
        data = data.assign_coords({group: np.asarray(labels, dtype=object)})
        data[f"{group}_runs"] = (group, np.bincount(codes).astype(float))
    response = table[list(spec.columns)].to_numpy(float)
    if spec.corpora:
        data = data.assign_coords(corpus=list(spec.corpora))
        data["response"] = (("run", "corpus"), response)
    else:
        data["response"] = ("run", response[:, 0])
    return Design(data, centre)


def _centre(spec: Spec, inputs: xr.Dataset, name: str) -> float:
    if not spec.law.centred or spec.inputs[name].scale != "log":
        return 1.0
    return float(np.exp(inputs["tokens" if name == "unique_tokens" else name].mean()))


def _frontier(data: xr.Dataset) -> float:
    """Largest ln(N D)/sqrt(2) of runs that state their tokens; of all, where none does."""
    if not COMPUTE.weights.keys() <= set(data):
        return np.nan
    compute = COMPUTE.along(data)
    stated = (data["tokens_sd"] == 0).all("latent")
    return float(compute.where(stated | ~stated.any()).max())


def collapsed(spec: Spec, data: xr.Dataset) -> xr.Dataset:
    """A design's arrays as the model takes them: runs alike as one, where that is exact.

    `response` (run) is then their mean on the scale that the noise is on, `repeats` (run) their
    number and `within` (run) the sum of squares around that mean. A run that does not state its
    tokens stays alone.
    """
    if not spec.collapses:
        return data
    alike = [name for name in data if name != "response" and data[name].dims == ("run",)]
    keys = [data[name].values for name in alike] + [*data["tokens_sd"].values.T]
    _, first, cell = np.unique(np.stack(keys), axis=1, return_index=True, return_inverse=True)
    scale = scale_of(spec)
    values = scale.forward(data["response"].values, np)
    repeats = np.bincount(cell).astype(float)
    mean = np.bincount(cell, values) / repeats
    return data.isel(run=first).assign(
        response=("run", scale.back(mean)),
        repeats=("run", repeats),
        within=("run", np.bincount(cell, (values - mean[cell]) ** 2)),
    )


def inputs_of(spec: Spec, runs: Runs) -> xr.Dataset:
    """The law's inputs on their scales, uncentred (run), each by its name.

    Where unique tokens are blank, all tokens are new. `tokens_sd` (run, latent) holds the standard
    deviation of each latent ln D, whose middle is in `tokens`.
    """
    table = runs.table
    names = table["run"].to_numpy(object)
    found: dict[str, pd.Series] = {}
    tokens_sd = pd.DataFrame(index=table.index)
    for name, column in spec.inputs.items():
        if name == "params":
            found[name] = np.log(runs.seen_params(spec.params))
        elif name == "tokens":
            found[name], tokens_sd = _log_tokens(runs)
        elif name == "unique_tokens":
            unique = table.get("unique_tokens", pd.Series(np.nan, table.index))
            found[name] = np.log(unique).fillna(found["tokens"])
        else:
            found[name] = column.scaled(check_numbers(table, name, column)[0])
    return xr.Dataset(
        {name: ("run", values.to_numpy(float)) for name, values in found.items()}
        | {"tokens_sd": (("run", "latent"), tokens_sd.to_numpy(float))},
        coords={"run": names, "latent": tokens_sd.columns.to_numpy(object)},
    )


def _log_tokens(runs: Runs) -> tuple[pd.Series, pd.DataFrame]:
    """ln D of each run, and the standard deviation of each latent one (run, latent)."""
    table, known = runs.table, runs.known_tokens
    tokens = np.log(table["tokens"])
    latent = np.flatnonzero(~known)
    names = runs.latent_counts.to_numpy(object)[latent]
    column, counts = pd.factorize(names)
    deviation = np.zeros((len(table), len(counts)))
    if latent.size:
        low, high = np.log(table["tokens_low"]), np.log(table["tokens_high"])
        tokens = tokens.fillna((low + high) / 2)
        deviation[latent, column] = ((high - low) / _RANGE_IN_SD)[~known]
    return tokens, pd.DataFrame(deviation, table.index, np.asarray(counts, dtype=object))


def require_inputs(spec: Spec, runs: Runs) -> None:
    """Raise a `RunsError` if runs, or points of a prediction, lack what the law takes in."""
    optional = {"unique_tokens"}  # all tokens are new without it
    runs.require(name for name in spec.law.inputs if name not in optional)
    problems = []
    for name, column in spec.inputs.items():
        if name in spec.declared:
            problems += check_numbers(runs.table, name, column)[1]
        if name not in optional | {"params", "tokens"}:
            for row in runs.table.index[runs.table[name].isna()]:
                run = str(runs.table.at[row, "run"])
                problems.append(Problem(int(row), run, name, "blank", "the law needs it; fill it"))
    if problems:
        raise RunsError(runs.name, problems)


def centred(inputs: xr.Dataset, centre: Centre) -> xr.Dataset:
    """The inputs minus the logarithm of the centre."""
    return inputs.assign(
        {name: inputs[name] - np.log(centre[name]) for name in centre if name in inputs}
    )


def require(spec: Spec, runs: Runs) -> None:
    """Raise a `RunsError` with every problem, if runs lack what a fit of the spec needs."""
    table, problems = runs.table, []
    hints: dict[str, str] = dict.fromkeys(
        map(str, spec.groups),
        f"spec {spec.name} has effects by it; or leave them out with --no-groups",
    )
    there = " or ".join(name for name in responses() if name in table)
    other = f"choose another with --response{' ' if there else ''}{there}"
    headers = listed(map(escaped, map(str, table.columns)))
    for name in spec.law.inputs:
        needs = f"law {spec.law.name} needs it; map it with --column {name}=HEADER"
        hints[name] = f"{needs}; the headers are {headers}"
    hints |= dict.fromkeys(spec.columns, f"the spec's response; or {other}")
    for column, hint in hints.items():
        if column not in table:
            if column in COLUMNS and named_otherwise(column, table.columns):
                problems.append(missing_column(column, table.columns))
                continue
            rule = f"missing; it is {hint}" if column in spec.columns else f"missing; {hint}"
            problems.append(Problem(None, "", column, "", rule))
            continue
        blank = table[column].isna()
        if column == "tokens" and {"tokens_low", "tokens_high"} <= set(table):
            blank &= table["tokens_low"].isna() | table["tokens_high"].isna()
        for row in table.index[blank]:
            run = str(table.at[row, "run"])
            rule = "every run needs one here; fill it, or leave the run out with --where"
            problems.append(Problem(int(row), run, column, "blank", rule))
        if column in spec.columns and column not in COLUMNS:
            problems += check_numbers(table, column, COLUMNS[spec.response])[1]
        if column in spec.declared:
            problems += check_numbers(table, column, spec.inputs[column])[1]
        problems += _without_value(spec, table, column)
    if problems:
        raise RunsError(runs.name, problems)


def _without_value(spec: Spec, table: pd.DataFrame, column: str) -> list[Problem]:
    """Responses that the scale of the noise has no value for, as the logarithm none for 0."""
    if column not in spec.columns:
        return []
    scale, response = scale_of(spec), COLUMNS[spec.response]
    values = pd.to_numeric(table[column], errors="coerce")
    beyond = values.between(response.low, response.high) & (
        (values <= scale.low) | (values >= scale.high)
    )
    rule = f"with noise on the {spec.noise.on} it must lie above {scale.low:g}"
    rule += f" and below {scale.high:g}" if np.isfinite(scale.high) else ""
    hint = 'correct it, leave the run out with --where, or put noise.on = "response"'
    return [
        Problem(int(row), str(table.at[row, "run"]), column, f"{values[row]:g}", f"{rule}; {hint}")
        for row in table.index[beyond]
    ]
