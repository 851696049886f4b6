"""Plans: budgets and sizes, what serving adds, and when the data run out."""

from __future__ import annotations

from bayescale.base.numbers import digits, human, percent
from bayescale.report.document import Block, Heading, Interactive, Paragraph, Table
from bayescale.report.sections.writing import Content, Subject, note, sizes, told
from bayescale.report.sentences import columns, joined, say


def plan(of: Subject) -> list[Block]:
    """The best size for a budget, what another costs, and what serving adds."""
    said = of.fit["decisions"]
    if said is None:
        return [Paragraph(say("plan.none"))]
    blocks: list[Block] = [
        note(one, "" if one["code"] == "no-optimum" else None) for one in said["notes"]
    ]
    if said["overheads"]:
        blocks += _budgets(of, said)
        blocks += _overheads(of, said["overheads"])
    return [*blocks, Heading(say("plan.serve")), *_serving(of, said)]


def _budgets(of: Subject, said: Content) -> list[Block]:
    rows = [
        [digits(r["flops"]), told(r["params"], human), told(r["tokens"], human),
         told(r["tokens_per_param"], human), told(r["loss"]),
         say("to", lower=human(r["params_low"]["median"]), upper=human(r["params_high"]["median"]))]
        for r in said["budgets"]
    ]  # fmt: skip
    head = columns("flops params tokens ratio best flat", response=of.fit["spec"]["response"])
    title = say("plan.budgets")
    flops = digits(said["budgets"][1]["flops"])
    folded = Table(say("plan.budget_alt"), head, rows, folded=True)
    return [
        Heading(title),
        Table(title, head, rows),
        *_approaches(said["approaches"], flops),
        *of.figure("budget", "plan.budget", folded, flops=flops, prob=of.prob),
    ]


def _approaches(approaches: list[Content], flops: str) -> list[Block]:
    if len(approaches) < 2:
        return []
    text = say("plan.approaches", flops=flops)
    rows = [[r["approach"], told(r["a"]), told(r["params"], human)] for r in approaches]
    return [Paragraph(text), Table(text, columns("approach a params"), rows)]


def _overheads(of: Subject, overheads: list[Content]) -> list[Block]:
    rows = [
        [f"{r['size']:g}", told(r["tokens_factor"]), told(r["overhead"], percent)]
        for r in overheads
    ]
    title = say("plan.overhead")
    table = Table(title, columns("size tokens_factor overhead"), rows, folded=True)
    return [Heading(title), *of.figure("overhead", "plan.overhead_figure", table)]


def _serving(of: Subject, said: Content) -> list[Block]:
    s = said["serve"]
    if "error" in s:
        return [Paragraph(say("plan.refused", why=s["error"]))]
    asked = {"target": told(s["target"]), "prob": of.prob, "served": human(said["served"])}
    asked["by"] = of.new_group("answer.by_new")
    if "splits" in s:
        rows = [
            [human(r["tokens_per_param"]), *sizes(r),
             *(digits(r[part]) for part in ("training", "serving", "total"))]
            for r in s["splits"]
        ]  # fmt: skip
        table = Table(say("plan.serve"), columns("ratio params tokens training serving both"), rows)
        return [Paragraph(say("plan.splits", **asked)), table]
    params, tokens, optimal = (told(s[k], human) for k in ("params", "tokens", "optimal_params"))
    saving = told(s["saving"], percent)
    return [
        Paragraph(
            say("plan.cheapest", **asked, params=params, tokens=tokens, optimal=optimal,
                total=told(s["total"]), saving=saving)
        )
    ]  # fmt: skip


def exhaustion(of: Subject) -> list[Block]:
    """When one run demands all text there is, and what each law makes of it."""
    e = of.all["exhaustion"]
    prob = percent(e["prob"])
    when = {end: _year(e["year"][end]) for end in ("median", "lower", "upper")}
    median = when.pop("median")
    text = say("exhaustion.answer", title=e["title"], prob=prob, median=median,
               interval=say("to", **when))  # fmt: skip
    rows = [
        [str(r["year"]), percent(r["probability"]), told(r["demanded"], human),
         told(r["available"], human)]
        for r in e["years"]
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
            scenario=e["scenario"],
            prob=prob,
            published=_published(of),
        ),
        *(note(one) for one in e["notes"]),
        *(_reachable(law) for law in e["laws"]),
        Paragraph(say("exhaustion.dash"), "small"),
        Paragraph(say("exhaustion.source", source=e["source"]), "small"),
    ]


def _published(of: Subject) -> str:
    """A clause on the laws of the scenario that are no fits of this report."""
    fitted = {fit["spec"]["name"] for fit in of.all["fits"]}
    others = [law["law"] for law in of.all["exhaustion"]["laws"] if law["law"] not in fitted]
    return say("exhaustion.published", names=joined(others)) if others else ""


def _year(value: float | None) -> str:
    return say("exhaustion.never") if value is None else f"{value:.1f}"


def _reachable(law: Content) -> Table:
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
