"""Forecasts: question and answer, the forecasts with their explorer, what each group adds."""

from __future__ import annotations

from bayescale.base.numbers import digits, percent
from bayescale.report.document import Block, Heading, Interactive, Key, Paragraph, Table
from bayescale.report.sections.writing import INTERVAL, Content, Subject, band, note, notes, sizes
from bayescale.report.sentences import columns, joined, say

# Notes on groups stand beside the groups' effects, and only there.
GROUP_NOTES = ("single-run-group", "confounded-groups", "single-level-group")


def answer(of: Subject) -> list[Block]:
    """The first point, what its interval is made of, and whether to trust it."""
    first, spec = of.fit["predictions"][0], of.fit["spec"]
    params, tokens = sizes(first)
    known = [str(first[g]) for g in of.groups if first.get(f"{g}_is") == "known"]
    by = say("answer.by", groups=", ".join(known)) if known else of.new_group("answer.by_new")
    question = say("answer.question", run=first["run"], params=params, tokens=tokens, by=by)
    intervals = [
        (say(f"answer.{name}", prob=of.prob), band(first[key]), spec["unit"])
        for name, key in (("run", "new_run"), ("curve", "curve"))
    ]
    median = (say("answer.median"), digits(first["median"]), spec["unit"])
    shares = [
        say("answer.component", share=percent(first["variance_shares"][name]), meaning=meaning)
        for name, meaning in of.all["components"].items()
        if abs(first["variance_shares"][name]) >= 0.005
    ]
    return [
        Paragraph(question, "lead"),
        Key([median, *intervals]),
        *_rivals(of),
        Paragraph(say("answer.components", shares=joined(shares))),
        *_history(of),
        Paragraph(_passed(of)),
        *_target(of),
    ]


def _rivals(of: Subject) -> list[Block]:
    """The forecasts that another law puts outside their interval."""
    blocks: list[Block] = []
    for rival in _others(of):
        for own, other in zip(of.fit["predictions"], rival["rows"], strict=True):
            inside = own["new_run"]["lower"] <= other["median"] <= own["new_run"]["upper"]
            if not inside:
                params, tokens = sizes(own)
                text = say(
                    "answer.rival",
                    run=own["run"],
                    params=params,
                    tokens=tokens,
                    own=_median_and_band(own),
                    model=rival["model"],
                    other=_median_and_band(other),
                    weight=f"{rival['weight']:.2f}",
                )
                blocks.append(Paragraph(text, "warning"))
    return blocks


def _others(of: Subject) -> list[Content]:
    """Forecasts of the same points by the laws that were compared with the first fit's."""
    law = of.all["law"]
    return law["forecasts"] if law and of.key == "f0" else []


def _history(of: Subject) -> list[Block]:
    history = of.fit["history"]
    if history["refused"]:
        return [Paragraph(say("answer.unknown", why=history["refused"]))]
    held = say(
        "answer.held",
        frontiers=len(history["frontiers"]),
        prob=of.prob,
        held=round(history["pooled_coverage"]["90"] * history["predictions"]),
        predictions=history["predictions"],
        runs=history["runs"],
    )
    few = " " + say("answer.few") if history["runs"] < 20 else ""
    return [Paragraph(held + few), *notes(history["notes"])]


def _passed(of: Subject) -> str:
    checks = of.fit["checks"]

    def names(key: str, status: str) -> str:
        those = [row["name"] for row in checks if row["status"] == status]
        return say(f"answer.{key}", names=", ".join(those)) if those else ""

    return say(
        "answer.checks",
        passed=sum(row["status"] == "passed" for row in checks),
        count=len(checks),
        failed=names("failed", "failed"),
        look=names("look", "attention"),
        unknown=names("not_known", "unknown"),
    )


def _target(of: Subject) -> list[Block]:
    answers = of.fit["inverse"]
    if not answers:
        return []
    target, unit = digits(answers[0]["target"]), of.fit["spec"]["unit"]
    title = say("answer.target", target=f"{target} {unit}")
    usual = of.fit["usual_target"]
    text = say("answer.target_usual" if usual else "answer.target_own", target=target)
    rows = [_reaching(of, row) for row in answers]
    table = Table(title, columns("by prob params tokens flops"), rows)
    return [Heading(title), Paragraph(text, "small"), table]


def _reaching(of: Subject, row: Content) -> list[str]:
    by = ", ".join(map(str, row["groups"].values()))
    named = by or of.new_group("answer.any_group") or say("answer.any_run")
    if row["flops"] is None:
        why = say("answer.unreachable", most=percent(row["most_probable"]))
        return [named, percent(row["prob"]), why, "", ""]
    return [named, percent(row["prob"]), *sizes(row), digits(row["flops"])]


def forecast(of: Subject) -> list[Block]:
    """All points, the explorer, the curve, and what its intervals are made of."""
    corpus = "corpus " if of.corpora else ""
    head = columns(f"run {corpus}params tokens flops")
    tail = columns("median curve new_run outside", prob=of.prob)
    table = Table(say("forecast.all"), [*head, *of.groups, *tail],
                  [_forecast(of, row) for row in of.fit["predictions"]])  # fmt: skip
    asked = of.fit["explorer_refused"]
    explorer: Block = (
        Paragraph(say("forecast.refused", why=asked))
        if asked
        else Interactive("forecaster", of.key, say("forecast.fallback"))
    )
    along = Table(
        say("forecast.curve_alt"),
        columns(f"flops params tokens {corpus}median curve new_run", prob=of.prob),
        [[digits(r["flops"]), *sizes(r), *of.of_corpus(r), digits(r["median"]), band(r["curve"]),
          band(r["new_run"])] for r in of.fit["curve"]],
        folded=True,
    )  # fmt: skip
    shares = Table(
        say("forecast.variance_alt"),
        [*columns("run"), *of.all["components"].values()],
        [[str(r["run"]), *(percent(r["variance_shares"][name]) for name in of.all["components"])]
         for r in of.fit["predictions"]],
        folded=True,
    )  # fmt: skip
    group = of.new_group("forecast.curve_group")
    latent = say("forecast.latent") if of.fit["latent_tokens"] else ""
    warnings = [one for one in of.fit["prediction_notes"] if one["level"] == "warning"]
    return [
        table,
        Paragraph(say("answer.kinds", prob=of.prob), "small"),
        *notes(warnings),
        *_by_law(of),
        explorer,
        *of.figure("curve", "forecast.curve", along, prob=of.prob, group=group, latent=latent),
        *of.figure("variance", "forecast.variance", shares, prob=of.prob),
    ]


def _forecast(of: Subject, row: Content) -> list[str]:
    groups = [
        say("forecast.new", group=row[g])
        if row[f"{g}_is"] == "new" and row[g] != "new"
        else str(row[g])
        for g in of.groups
    ]
    intervals = [band(row[kind]) for kind in ("curve", "new_run")]
    return [str(row["run"]), *of.of_corpus(row), *sizes(row), digits(row["flops"]), *groups,
            digits(row["median"]), *intervals, f"{row['decades_outside']:.2f}"]  # fmt: skip


def _by_law(of: Subject) -> list[Block]:
    """The points under each law that was compared, the first fit's own among them."""
    others = _others(of)
    if not others:
        return []
    text = say("forecast.rivals", prob=of.prob)
    heads = [
        say("columns.weighed", model=one["model"], weight=f"{one['weight']:.2f}") for one in others
    ]
    rows = [
        [str(own["run"]), *(_median_and_band(one["rows"][i]) for one in others)]
        for i, own in enumerate(of.fit["predictions"])
    ]
    return [Paragraph(text), Table(text, [*columns("run"), *heads], rows)]


def _median_and_band(row: Content) -> str:
    return say("with_interval", median=digits(row["median"]), interval=band(row["new_run"]))


def families(of: Subject) -> list[Block]:
    """What each group adds."""
    if not of.fit["effects"]:
        return [Paragraph(say("families.none"))]
    rows = []
    for name, effects in of.fit["effects"].items():
        for row in effects:
            labels = [str(value) for key, value in row.items() if key not in INTERVAL]
            rows.append([", ".join(labels), name, digits(row["median"], 2), band(row, 2)])
    head = columns("group effect median interval", prob=of.prob)
    table = Table(say("families.figure_alt"), head, rows, folded=True)
    better = all(name.startswith("level_") for name in of.fit["effects"])
    return [
        *of.figure("effects", "families.figure", table, prob=of.prob,
                   better=say("families.better") if better else ""),
        *(note(one) for one in of.fit["notes"] if one["code"] in GROUP_NOTES),
    ]  # fmt: skip
