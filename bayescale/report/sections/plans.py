"""Plans: budgets and sizes, what serving adds, and when the data run out."""

from __future__ import annotations

from bayescale.base.numbers import digits, human, percent
from bayescale.report.document import Block, Heading, Interactive, Paragraph, Table
from bayescale.report.sections.writing import Content, Subject, note, sizes, told
from bayescale.report.sentences import columns, joined, say


def plan(of: Subject) -> list[Block]:
    """The best size for a budget, what another costs, and what serving adds."""
    decisions = of.fit["decisions"]
    if decisions is None:
        return [Paragraph(say("plan.none"))]
    blocks: list[Block] = [
        note(each, "" if each["code"] == "no-optimum" else None) for each in decisions["notes"]
    ]
    for write in _WRITERS:
        blocks += write(of, decisions)
    return blocks


def _budgets(of: Subject, decisions: Content) -> list[Block]:
    if not decisions["overheads"]:
        return []
    response = of.fit["spec"]["response"]
    rows = [
        [digits(r["flops"]), told(r["params"], human), told(r["tokens"], human),
         told(r["tokens_per_param"], human), told(r[response]),
         say("to", lower=human(r["params_low"]["median"]), upper=human(r["params_high"]["median"]))]
        for r in decisions["budgets"]
    ]  # fmt: skip
    head = columns("flops params tokens ratio best flat", response=response)
    title = say("plan.budgets")
    flops = digits(decisions["budgets"][1]["flops"])
    folded = Table(say("plan.budget_alt"), head, rows, folded=True)
    return [
        Heading(title),
        Table(title, head, rows),
        *_approaches(decisions["approaches"], flops),
        *of.figure("budget", "plan.budget", folded, flops=flops, prob=of.prob),
    ]


def _approaches(approaches: list[Content], flops: str) -> list[Block]:
    if len(approaches) < 2:
        return []
    text = say("plan.approaches", flops=flops)
    rows = [[r["approach"], told(r["a"]), told(r["params"], human)] for r in approaches]
    return [Paragraph(text), Table(text, columns("approach a params"), rows)]


def _overheads(of: Subject, decisions: Content) -> list[Block]:
    if not decisions["overheads"]:
        return []
    rows = [
        [f"{r['size']:g}", told(r["tokens_factor"]), told(r["overhead"], percent)]
        for r in decisions["overheads"]
    ]
    title = say("plan.overhead")
    table = Table(title, columns("size tokens_factor overhead"), rows, folded=True)
    return [Heading(title), *of.figure("overhead", "plan.overhead_figure", table)]


def _serve(of: Subject, decisions: Content) -> list[Block]:
    heading = Heading(say("plan.serve"))
    serving = decisions["serve"]
    if "error" in serving:
        return [heading, Paragraph(say("plan.refused", why=serving["error"]))]
    goal = {
        "target": told(serving["target"]),
        "prob": of.prob,
        "served": human(decisions["served"]),
    }
    goal["by"] = of.new_group("answer.by_new")
    if "splits" in serving:
        rows = [
            [human(r["tokens_per_param"]), *sizes(r),
             *(digits(r[part]) for part in ("training", "serving", "total"))]
            for r in serving["splits"]
        ]  # fmt: skip
        table = Table(say("plan.serve"), columns("ratio params tokens training serving both"), rows)
        return [heading, Paragraph(say("plan.splits", **goal)), table]
    params, tokens, optimal = (
        told(serving[key], human) for key in ("params", "tokens", "optimal_params")
    )
    text = say("plan.cheapest", **goal, params=params, tokens=tokens, optimal=optimal,
               total=told(serving["total"]), saving=told(serving["saving"], percent))  # fmt: skip
    return [heading, Paragraph(text)]


# What the page says of each plan, from the content that the function of the same name in
# `report/decisions.py` asks for.
_WRITERS = (_budgets, _overheads, _serve)


def exhaustion(of: Subject) -> list[Block]:
    """When one run demands all text there is, and what each law makes of it."""
    answer = of.all["exhaustion"]
    prob = percent(answer["prob"])
    when = {end: _year(answer["year"][end]) for end in ("median", "lower", "upper")}
    median = when.pop("median")
    text = say("exhaustion.answer", title=answer["title"], prob=prob, median=median,
               interval=say("to", **when))  # fmt: skip
    rows = [
        [str(r["year"]), percent(r["probability"]), told(r["demanded"], human),
         told(r["available"], human)]
        for r in answer["years"]
    ]  # fmt: skip
    head = columns("year used_up demanded available")
    table = Table(say("exhaustion.figure_alt"), head, rows, folded=True)
    return [
        Paragraph(text, "lead"),
        Interactive("exhaustion", "exhaustion", say("exhaustion.fallback")),
        *of.figure(
            "exhaustion",
            "exhaustion.figure",
            table,
            scenario=answer["scenario"],
            prob=prob,
            published=_published(of),
        ),
        *(note(each) for each in answer["notes"]),
        *(_best_response(law) for law in answer["laws"]),
        Paragraph(say("exhaustion.dash"), "small"),
        Paragraph(say("exhaustion.source", source=answer["source"]), "small"),
    ]


def _published(of: Subject) -> str:
    """A clause on the laws of the scenario that are no fits of this report."""
    fitted = {fit["spec"]["name"] for fit in of.all["fits"]}
    others = [law["law"] for law in of.all["exhaustion"]["laws"] if law["law"] not in fitted]
    return say("exhaustion.published", names=joined(others)) if others else ""


def _year(value: float | None) -> str:
    return say("exhaustion.never") if value is None else f"{value:.1f}"


def _best_response(law: Content) -> Table:
    """Under compute alone it is one response whatever the data, so one column."""
    names = ["unlimited"] if law["compute_only"] else ["unlimited", "unrepeated", "repeated"]
    rows = [
        [str(r["year"]), *(told(r[name]) for name in names), told(r["extra_params"], human),
         percent(r["no_parameters_suffice"])]
        for r in law["years"]
    ]  # fmt: skip
    heads = ["whatever"] if law["compute_only"] else names
    caption = say("exhaustion.law", **{k: law[k] for k in ("response", "law", "form")})
    return Table(caption, columns(["year", *heads, "extra", "impossible"]), rows, folded=True)
