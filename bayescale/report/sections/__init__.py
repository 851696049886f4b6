"""Sections: the content of a report, put into sentences and tables, in the order of a page."""

from __future__ import annotations

from collections.abc import Callable

from bayescale.base.numbers import human, plural
from bayescale.report.document import Block, Document, Section
from bayescale.report.sections.forecasts import answer, families, forecast
from bayescale.report.sections.grounds import checks, data, priors, reproduce
from bayescale.report.sections.laws import compared, law, misses
from bayescale.report.sections.plans import exhaustion, plan
from bayescale.report.sections.writing import Content, Subject
from bayescale.report.sentences import joined, say

__all__ = ["document"]


def document(said: Content, drawn: set[str]) -> Document:
    """The report of a content; `drawn` are the figures that there are."""
    sections = []
    for i, fit in enumerate(said["fits"]):
        subject = Subject(said, fit, f"f{i}", drawn)
        for name, write in _sections(first=i == 0).items():
            title = say(f"sections.{name}")
            if len(said["fits"]) > 1:
                names = {"spec": fit["spec"]["name"], "runs": fit["runs"]["name"]}
                title = say("sections.of_fit", title=title, **names)
            sections.append(Section(name if i == 0 else f"{name}-{i}", title, write(subject)))
    sections.append(Section("reproduce", say("sections.reproduce"), reproduce(said)))
    return Document(say("title"), say("kicker"), _lead(said["fits"][0]), _alerts(said), sections)


def _sections(*, first: bool) -> dict[str, Callable[[Subject], list[Block]]]:
    """Writers of a fit's sections, in order; what is said of all fits goes with the first."""
    writers: dict[str, Callable[[Subject], list[Block]]] = {
        "answer": answer,
        "forecast": forecast,
        "families": families,
        "law": (lambda subject: law(subject) + compared(subject)) if first else law,
        "misses": misses,
        "plan": plan,
    }
    if first:
        writers["exhaustion"] = exhaustion
    return writers | {"checks": checks, "priors": priors, "data": data}


def _lead(fit: Content) -> str:
    groups = [f"{n} {plural(group)}" for group, n in fit["runs"]["groups"].items()]
    return say(
        "lead",
        count=fit["runs"]["count"],
        runs=fit["runs"]["name"],
        groups=say("lead_groups", groups=joined(groups)) if groups else "",
        low=human(fit["runs"]["params"][0]),
        high=human(fit["runs"]["params"][1]),
        spec=fit["spec"]["name"],
        title=fit["spec"]["title"][0].lower() + fit["spec"]["title"][1:],
    )


def _alerts(said: Content) -> list[str]:
    """What a reader must know before any number."""
    found = [
        say(
            "unconverged",
            spec=fit["spec"]["name"],
            runs=fit["runs"]["name"],
            why="; ".join(n["text"] for n in fit["notes"] if n["level"] == "failure"),
        )
        for fit in said["fits"]
        if not fit["convergence"]["passed"]
    ]
    if said["law"] and not said["law"].get("passed", True):
        found.append(say("refits_unconverged"))
    return found
