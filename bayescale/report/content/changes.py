"""Changes: what a report says that an earlier fit or report did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bayescale.base.errors import BayescaleError
from bayescale.base.output import read_json
from bayescale.fit.fit import Fit
from bayescale.report.content import forecasts, posterior

type Content = Mapping[str, Any]
# What makes two forecasts those of the same point.
_POINT = ("params", "tokens")


def changes(against: Path, old: Content, section: Content) -> dict[str, Any]:
    """Runs, parameters and forecasts that differ from those of an earlier fit or report.

    Parameters
    ----------
    against : Path
    old : mapping
        What is there, as `earlier` reads it.
    section : mapping
        Content of the fit that is reported now.
    """
    before = {row["run"]: row for row in old["table"]}
    now = {row["run"]: row for row in section["table"]}
    both = [name for name in now if name in before]
    return {
        "against": str(against),
        "spec": old["spec"]["name"],
        "runs": {
            "new": [name for name in now if name not in before],
            "gone": [name for name in before if name not in now],
            "changed": [name for name in both if _differ(before[name], now[name])],
        },
        "parameters": _pairs(old["parameters"], section["parameters"], _comparable(section)),
        "forecasts": _forecasts(old["predictions"], section["predictions"]),
    }


def earlier(path: Path, response: str, points: Sequence[Content]) -> Content:
    """The parts of an earlier fit's content that are compared.

    Parameters
    ----------
    path : Path
        Folder of a fit, or of a report, whose first fit counts.
    response : str
        Of the fit that is reported now.
    points : sequence of mapping
        What its forecasts are of; the earlier fit is asked for the same.

    Raises
    ------
    BayescaleError
        If the folder is neither, or the response is another.
    """
    old = _read(path, points)
    if old["spec"]["response"] != response:
        raise BayescaleError(
            f"{path}: predicts {old['spec']['response']}, not {response}; compare fits of one "
            "response"
        )
    return old


def _read(path: Path, points: Sequence[Content]) -> Content:
    if (path / "fit.json").is_file():
        fit = Fit.load(path)
        return {
            "spec": {"name": fit.spec.name, "response": fit.spec.response},
            "table": fit.runs.table.to_dict(orient="records"),
            "parameters": posterior.parameters(fit),
            "predictions": forecasts.predictions(fit, points)["rows"],
        }
    if (path / "report.json").is_file():
        fits = read_json(path / "report.json").get("fits")
        if isinstance(fits, list) and fits:
            return dict(fits[0])
    raise BayescaleError(f"{path}: neither a fit's folder nor a report's")


def _differ(old: Content, new: Content) -> bool:
    """Whether two rows of a run say different things in the columns that both have."""
    return any(
        isinstance(new[key], str | int | float) and old[key] != new[key]
        for key in new.keys() & old.keys()
    )


def _comparable(section: Content) -> set[str]:
    """Parameters that do not depend on where the data's centre is, which new runs shift."""
    return {row["name"] for row in section["parameters"]} - set(section["law"]["at_centre"])


def _pairs(old: Sequence[Content], new: Sequence[Content], names: set[str]) -> list[dict[str, Any]]:
    before = {row["name"]: row for row in old}
    return [
        {
            "name": row["name"],
            "old": {end: before[row["name"]][end] for end in ("median", "lower", "upper")},
            "new": {end: row[end] for end in ("median", "lower", "upper")},
        }
        for row in new
        if row["name"] in names and row["name"] in before
    ]


def _forecasts(old: Sequence[Content], new: Sequence[Content]) -> list[dict[str, Any]]:
    """Forecasts of the points that both have, whatever these were called."""

    def key(row: Content) -> tuple[Any, ...]:
        groups = {k.removesuffix("_is") for k in row if k.endswith("_is")}
        sizes = tuple(f"{row[name]:.6g}" for name in _POINT)
        return (*sizes, row.get("corpus"), *(str(row[group]) for group in sorted(groups)))

    before = {key(row): row for row in old}
    return [
        {
            **{name: row[name] for name in ("run", *_POINT)},
            "old": {"median": before[key(row)]["median"], **before[key(row)]["new_run"]},
            "new": {"median": row["median"], **row["new_run"]},
        }
        for row in new
        if key(row) in before
    ]
