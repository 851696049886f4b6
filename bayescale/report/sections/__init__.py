"""Sections: a report's content in sentences and tables, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable

from bayescale.base.numbers import human, plural
from bayescale.report.document import Block, Document, Section
from bayescale.report.sections.asked import changes
from bayescale.report.sections.benchmarks import benchmarks
from bayescale.report.sections.forecasts import answer, families, forecast
from bayescale.report.sections.grounds import checks, data, priors, reproduce
from bayescale.report.sections.laws import comparison, discrepancy, law
from bayescale.report.sections.plans import exhaustion, plan
from bayescale.report.sections.running import running
from bayescale.report.sections.writing import Content, Context
from bayescale.report.sentences import joined, sentence

__all__ = ["document"]


def document(report: Content, drawn: set[str]) -> Document:
    """The document of a report's content; `drawn` are the figures that exist."""
    sections = []
    for i, fit in enumerate(report["fits"]):
        context = Context(report, fit, f"f{i}", drawn)
        for name, write in _sections(first=i == 0).items():
            blocks = write(context)
            if not blocks:  # it does not apply
                continue
            title = sentence(f"sections.{name}")
            if len(report["fits"]) > 1:
                names = {"spec": fit["spec"]["name"], "runs": fit["runs"]["name"]}
                title = sentence("sections.of_fit", title=title, **names)
            sections.append(Section(name if i == 0 else f"{name}-{i}", title, blocks))
    sections.append(Section("reproduce", sentence("sections.reproduce"), reproduce(report)))
    lead = _lead(report["fits"][0])
    return Document(sentence("title"), sentence("kicker"), lead, _alerts(report), sections)


def _sections(*, first: bool) -> dict[str, Callable[[Context], list[Block]]]:
    """Writers of a fit's sections, in order; what is about all fits stands with the first."""
    writers: dict[str, Callable[[Context], list[Block]]] = {
        "answer": answer,
        "forecast": forecast,
        "families": families,
        "law": (lambda context: law(context) + comparison(context)) if first else law,
        "discrepancy": discrepancy,
        "plan": plan,
    }
    if first:
        writers = {
            **{"answer": answer, "running": running, "benchmarks": benchmarks},
            **{"changes": changes, **writers},
            "exhaustion": exhaustion,
        }
    return writers | {"checks": checks, "priors": priors, "data": data}


def _lead(fit: Content) -> str:
    groups = [f"{count} {plural(group)}" for group, count in fit["runs"]["groups"].items()]
    return sentence(
        "lead",
        count=fit["runs"]["count"],
        runs=fit["runs"]["name"],
        groups=sentence("lead_groups", groups=joined(groups)) if groups else "",
        low=human(fit["runs"]["params"][0]),
        high=human(fit["runs"]["params"][1]),
        spec=fit["spec"]["name"],
        title=fit["spec"]["title"][0].lower() + fit["spec"]["title"][1:],
    )


def _alerts(report: Content) -> list[str]:
    """What a reader must know before any number."""
    alerts = [
        sentence(
            "unconverged",
            spec=fit["spec"]["name"],
            runs=fit["runs"]["name"],
            why=_failures(fit),
        )
        for fit in report["fits"]
        if not fit["convergence"]["passed"]
    ]
    scores = report["benchmarks"]
    if scores and not scores["convergence"]["passed"]:
        alerts.append(
            sentence("benchmarks.unconverged", file=scores["file"], why=_failures(scores))
        )
    if report["law"] and not report["law"].get("passed", True):
        alerts.append(sentence("refits_unconverged"))
    return alerts


def _failures(content: Content) -> str:
    """Why the numbers of a fit may not be used."""
    return "; ".join(note["text"] for note in content["notes"] if note["level"] == "failure")
