"""Plans: budgets and sizes, what serving adds, and when the data run out."""

from __future__ import annotations

from bayescale.base.numbers import digits, human, percent
from bayescale.report.document import Block, Heading, Interactive, Paragraph, Table
from bayescale.report.sections.writing import Content, Context, estimate, note, sizes
from bayescale.report.sentences import columns, joined, sentence


def plan(context: Context) -> list[Block]:
    """The best size for a budget, what another costs, and what serving adds."""
    said = context.fit["decisions"]
    if said is None:
        return [Paragraph(sentence("plan.none"))]
    blocks: list[Block] = [
        note(one, "" if one["code"] == "no-optimum" else None) for one in said["notes"]
    ]
    if said["overheads"]:
        blocks += _budgets(context, said)
        blocks += _overheads(context, said["overheads"])
    return [*blocks, Heading(sentence("plan.serve")), *_serving(context, said)]


def _budgets(context: Context, said: Content) -> list[Block]:
    rows = [
        [digits(r["flops"]), estimate(r["params"], human), estimate(r["tokens"], human),
         estimate(r["tokens_per_param"], human), estimate(r["loss"]),
         sentence("to", lower=human(r["params_low"]["median"]),
                  upper=human(r["params_high"]["median"]))]
        for r in said["budgets"]
    ]  # fmt: skip
    head = columns("flops params tokens ratio best flat", response=context.fit["spec"]["response"])
    title = sentence("plan.budgets")
    flops = digits(said["budgets"][1]["flops"])
    folded = Table(sentence("plan.budget_alt"), head, rows, folded=True)
    return [
        Heading(title),
        Table(title, head, rows),
        *_approaches(said["approaches"], flops),
        *context.figure("budget", "plan.budget", folded, flops=flops, prob=context.prob),
    ]


def _approaches(approaches: list[Content], flops: str) -> list[Block]:
    if len(approaches) < 2:
        return []
    text = sentence("plan.approaches", flops=flops)
    rows = [[r["approach"], estimate(r["a"]), estimate(r["params"], human)] for r in approaches]
    return [Paragraph(text), Table(text, columns("approach a params"), rows)]


def _overheads(context: Context, overheads: list[Content]) -> list[Block]:
    rows = [
        [f"{r['size']:g}", estimate(r["tokens_factor"]), estimate(r["overhead"], percent)]
        for r in overheads
    ]
    title = sentence("plan.overhead")
    table = Table(title, columns("size tokens_factor overhead"), rows, folded=True)
    return [Heading(title), *context.figure("overhead", "plan.overhead_figure", table)]


def _serving(context: Context, said: Content) -> list[Block]:
    s = said["serve"]
    if "error" in s:
        return [Paragraph(sentence("plan.refused", why=s["error"]))]
    asked = {"target": estimate(s["target"]), "prob": context.prob, "served": human(said["served"])}
    asked["by"] = context.new_group("answer.by_new")
    if "splits" in s:
        rows = [
            [human(r["tokens_per_param"]), *sizes(r),
             *(digits(r[part]) for part in ("training", "serving", "total"))]
            for r in s["splits"]
        ]  # fmt: skip
        table = Table(
            sentence("plan.serve"), columns("ratio params tokens training serving both"), rows
        )
        return [Paragraph(sentence("plan.splits", **asked)), table]
    params, tokens, optimal = (
        estimate(s[k], human) for k in ("params", "tokens", "optimal_params")
    )
    saving = estimate(s["saving"], percent)
    return [
        Paragraph(
            sentence("plan.cheapest", **asked, params=params, tokens=tokens, optimal=optimal,
                total=estimate(s["total"]), saving=saving)
        )
    ]  # fmt: skip


def exhaustion(context: Context) -> list[Block]:
    """When one run demands all text there is, and what each law makes of it."""
    e = context.report["exhaustion"]
    prob = percent(e["prob"])
    when = {end: _year(e["year"][end]) for end in ("median", "lower", "upper")}
    median = when.pop("median")
    text = sentence("exhaustion.answer", title=e["title"], prob=prob, median=median,
               interval=sentence("to", **when))  # fmt: skip
    rows = [
        [str(r["year"]), percent(r["probability"]), estimate(r["demanded"], human),
         estimate(r["available"], human)]
        for r in e["years"]
    ]  # fmt: skip
    head = columns("year used_up demanded available")
    table = Table(sentence("exhaustion.figure_alt"), head, rows, folded=True)
    return [
        Paragraph(text, "lead"),
        Interactive("exhaustion", "exhaustion", sentence("exhaustion.fallback")),
        *context.figure(
            "exhaustion",
            "exhaustion.figure",
            table,
            scenario=e["scenario"],
            prob=prob,
            published=_published(context),
        ),
        *(note(one) for one in e["notes"]),
        *(_reachable(law) for law in e["laws"]),
        Paragraph(sentence("exhaustion.dash"), "small"),
        Paragraph(sentence("exhaustion.source", source=e["source"]), "small"),
    ]


def _published(context: Context) -> str:
    """A clause on the laws of the scenario that are no fits of this report."""
    fitted = {fit["spec"]["name"] for fit in context.report["fits"]}
    others = [
        law["law"] for law in context.report["exhaustion"]["laws"] if law["law"] not in fitted
    ]
    return sentence("exhaustion.published", names=joined(others)) if others else ""


def _year(value: float | None) -> str:
    return sentence("exhaustion.never") if value is None else f"{value:.1f}"


def _reachable(law: Content) -> Table:
    """Under compute alone it is one response whatever the data, so one column."""
    names = ["unlimited"] if law["compute_only"] else ["unlimited", "unrepeated", "repeated"]
    rows = [
        [str(r["year"]), *(estimate(r[name]) for name in names), estimate(r["extra_params"], human),
         percent(r["no_parameters_suffice"])]
        for r in law["years"]
    ]  # fmt: skip
    heads = ["whatever"] if law["compute_only"] else names
    caption = sentence("exhaustion.law", **{k: law[k] for k in ("response", "law", "form")})
    return Table(caption, columns(["year", *heads, "extra", "impossible"]), rows, folded=True)
