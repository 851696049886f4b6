"""What `next` and `design` say: sentences and tables for people, plain values for programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from bayescale.base.numbers import count, digits, human, percent
from bayescale.base.tables import Table
from bayescale.plan.answer import Answer
from bayescale.plan.ladder import Ladder
from bayescale.plan.next_run import BY, NextRun

# Candidates and budgets that people see.
_SHOWN, _BUDGETS = 8, 8


def answer(found: NextRun) -> Answer:
    """The answer as content, tables and notes.

    Notes
    -----
    Content: `response`, `by`, `budget`, `kind`, `prob`, `unit`; `targets`, `best` (in order, with
    `width` after each), `candidates` (all, the best first), `curve` (`budget`, `spent`, `runs`,
    `width`); `width_now`, `width_least`, `flat_from`, `aim`, `target_cost`, `by_discrepancy`.
    """
    order = {"width": "reduction", "choice": "regret", "law": "bits"}[found.by]
    ranked = found.candidates.sort_values(order, ascending=found.by == "choice", kind="stable")
    width = _writer(found, unit=False)
    content = {
        "response": found.response,
        "by": found.by,
        "budget": found.budget,
        "kind": found.kind,
        "prob": found.prob,
        "unit": found.unit,
        "targets": _records(found.targets),
        "best": _records(found.best),
        "candidates": _records(ranked),
        "curve": _records(found.curve),
        "width_now": found.width_now,
        "width_least": found.width_least,
        "flat_from": found.flat_from,
        "aim": None
        if found.aim is None
        else {"width": found.aim, "runs": found.aim_runs, "cost": found.aim_cost},
        "target_cost": found.target_cost,
        "by_discrepancy": None
        if found.by_discrepancy is None
        else dict(zip(("smaller", "larger"), found.by_discrepancy, strict=True)),
    }
    cheap = ranked[ranked["cost"] <= found.budget * (1 + 1e-9)].head(_SHOWN)
    every = max(1, len(found.curve) // _BUDGETS)
    curve = pd.concat([found.curve.iloc[::every], found.curve.iloc[-1:]]).drop_duplicates()
    tables = [
        Table(_short(found, found.best), "What to buy", _records(found.best)),
        Table(
            _short(found, cheap),
            f"One run: the best {len(cheap)} within the budget",
            _records(ranked),
        ),
        Table(
            [
                {
                    "budget": f"{row['budget']:.2e}",
                    "runs": int(row["runs"]),
                    "width": width(row["width"]),
                }
                for row in _records(curve)
            ],
            "Money and certainty: the best runs for each budget",
            _records(found.curve),
        ),
    ]
    return Answer(content, tables, found.notes, _headline(found))


def _headline(found: NextRun) -> str:
    width = _writer(found)
    spent = float(found.best["cost"].sum())
    after = float(found.best["width"].iloc[-1])
    runs = count(len(found.best), "run")
    said = [
        f"{percent(found.prob)} interval at the target: {width(found.width_now)} wide; "
        f"{runs} for {spent:.3g}: {width(after)}; all candidates: {width(found.width_least)}."
    ]
    if found.by != "width":
        said.append(f"Chosen by {BY[found.by]}.")
    if found.flat_from is not None:
        said.append(f"Beyond {found.flat_from:.2e} twice the money takes off less than 5 %.")
    if found.aim is not None:
        said.append(_aim(found))
    if found.by_discrepancy is not None:
        small, large = (width(each) for each in found.by_discrepancy)
        said.append(f"By the half of the draws with the smaller discrepancy {small}, else {large}.")
    return "\n".join(said) + "\n"


def _aim(found: NextRun) -> str:
    width = _writer(found)
    assert found.aim is not None
    if found.aim_runs is None or found.aim_cost is None:
        return f"No set of these candidates gets below {width(found.aim)}."
    if found.aim_runs == 0:
        return f"Below {width(found.aim)} already."
    below = ""
    if found.target_cost is not None:
        share = found.aim_cost / found.target_cost
        below = f", {digits(share, 2)} of the target's own cost"
    return (
        f"Below {width(found.aim)}: {count(found.aim_runs, 'run')} for {found.aim_cost:.3g}{below}."
    )


def _writer(found: NextRun, unit: bool = True) -> Callable[[float], str]:
    """How people write a width; in cells of a table without its unit."""
    if found.unit == "share":
        return lambda value: percent(value, 3)
    return lambda value: f"{digits(value)} {found.unit}" if unit else digits(value)


def _short(found: NextRun, table: pd.DataFrame) -> list[dict[str, Any]]:
    width = _writer(found, unit=False)
    short = []
    for row in _records(table):
        shown = {
            name: human(value) if isinstance(value, float) else value
            for name, value in row.items()
            if name not in ("cost", "reduction", "width", "regret", "bits")
        }
        shown |= {"cost": f"{row['cost']:.2e}", "variance less": percent(row["reduction"])}
        if "regret" in row:
            shown["regret left"] = width(row["regret"])
        if "bits" in row:
            shown["bits"] = digits(row["bits"])
        short.append({**shown, "width": width(row["width"])})
    return short


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict(orient="records")]


def ladder_answer(found: Ladder, target: dict[str, float]) -> Answer:
    """A first ladder as content, tables and notes.

    Notes
    -----
    Content: `spec`, `target`, `prob`, `width_now`, `width`, `cost`, `runs`, `stops`.
    """
    content: dict[str, Any] = {
        "spec": found.spec.name,
        "target": target,
        "prob": found.prob,
        "width_now": found.width_now,
        "width": found.width,
        "cost": found.cost,
        "runs": _records(found.runs),
        "stops": _records(found.stops),
    }
    runs = [
        {
            "params": human(row["params"]),
            "tokens": human(row["tokens"]),
            "seeds": int(row["seeds"]),
            "cost": f"{row['cost']:.2e}",
        }
        for row in _records(found.runs)
    ]
    stops = [
        {
            "largest run": f"{row['largest']:.1%} of the target's cost",
            "runs": int(row["runs"]),
            "cost": f"{row['cost']:.2e}",
            "width": percent(row["width"], 3),
        }
        for row in _records(found.stops)
    ]
    tables = [
        Table(runs, "What to train, the cheapest first", content["runs"]),
        Table(stops, "How far below the target it may stop", content["stops"]),
    ]
    headline = (
        f"{percent(found.prob)} interval for a run at the target: "
        f"{percent(found.width_now, 3)} wide before, {percent(found.width, 3)} after "
        f"{count(int(found.runs['seeds'].sum()), 'run')} for {found.cost:.3g} FLOP.\n"
    )
    return Answer(content, tables, found.notes, headline)
