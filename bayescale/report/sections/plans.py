"""Plans: budgets and sizes, what serving adds, and when the data run out."""

from __future__ import annotations

from bayescale.base.numbers import digits, human, percent
from bayescale.report.document import Block, Heading, Interactive, Paragraph, Table
from bayescale.report.sections.writing import Content, Context, estimate, note, sizes
from bayescale.report.sentences import columns, joined, sentence


def plan(context: Context) -> list[Block]:
    """The best size for a budget, what another costs, and what serving adds; none of corpora."""
    decisions = context.fit["decisions"]
    if decisions is None:
        return []
    blocks: list[Block] = [
        note(each, "" if each["code"] == "no-optimum" else None) for each in decisions["notes"]
    ]
    for write in _WRITERS:
        blocks += write(context, decisions)
    return blocks


def _budgets(context: Context, decisions: Content) -> list[Block]:
    if not decisions["overheads"]:
        return []
    response = context.fit["spec"]["response"]
    rows = [
        [digits(r["flops"]), estimate(r["params"], human), estimate(r["tokens"], human),
         estimate(r["tokens_per_param"], human), estimate(r[response]),
         sentence("to", lower=human(r["params_low"]["median"]),
                  upper=human(r["params_high"]["median"]))]
        for r in decisions["budgets"]
    ]  # fmt: skip
    head = columns("flops params tokens ratio best flat", response=response)
    title = sentence("plan.budgets")
    flops = digits(decisions["budgets"][1]["flops"])
    folded = Table(sentence("plan.budget_alt"), head, rows, folded=True)
    return [
        Heading(title),
        Table(title, head, rows),
        *_approaches(decisions["approaches"], flops),
        *context.figure("budget", "plan.budget", folded, flops=flops, prob=context.prob),
    ]


def _approaches(approaches: list[Content], flops: str) -> list[Block]:
    if len(approaches) < 2:
        return []
    text = sentence("plan.approaches", flops=flops)
    rows = [[r["approach"], estimate(r["a"]), estimate(r["params"], human)] for r in approaches]
    return [Paragraph(text), Table(text, columns("approach a params"), rows)]


def _overheads(context: Context, decisions: Content) -> list[Block]:
    if not decisions["overheads"]:
        return []
    rows = [
        [f"{r['size']:g}", estimate(r["tokens_factor"]), estimate(r["overhead"], percent)]
        for r in decisions["overheads"]
    ]
    title = sentence("plan.overhead")
    table = Table(title, columns("size tokens_factor overhead"), rows, folded=True)
    return [Heading(title), *context.figure("overhead", "plan.overhead_figure", table)]


def _serve(context: Context, decisions: Content) -> list[Block]:
    heading = Heading(sentence("plan.serve"))
    serving = decisions["serve"]
    if "error" in serving:
        return [heading, Paragraph(sentence("plan.refused", why=serving["error"]))]
    goal = {
        "target": estimate(serving["target"]),
        "prob": context.prob,
        "served": human(decisions["served"]),
    }
    goal["by"] = context.new_group("answer.by_new")
    if "splits" in serving:
        rows = [
            [human(r["tokens_per_param"]), *sizes(r),
             *(digits(r[part]) for part in ("training", "serving", "total"))]
            for r in serving["splits"]
        ]  # fmt: skip
        table = Table(
            sentence("plan.serve"), columns("ratio params tokens training serving both"), rows
        )
        return [heading, Paragraph(sentence("plan.splits", **goal)), table]
    params, tokens, optimal = (
        estimate(serving[key], human) for key in ("params", "tokens", "optimal_params")
    )
    total, saving = estimate(serving["total"]), estimate(serving["saving"], percent)
    text = sentence("plan.cheapest", **goal, params=params, tokens=tokens, optimal=optimal,
                    total=total, saving=saving)  # fmt: skip
    return [heading, Paragraph(text)]


def _next_run(context: Context, decisions: Content) -> list[Block]:
    found = decisions["next"]
    if found is None:
        return []
    title = sentence("plan.next")
    if "error" in found:
        return [Heading(title), Paragraph(sentence("plan.refused", why=found["error"]))]
    share = found["unit"] == "share"

    def width(value: float) -> str:
        return percent(value, 2) if share else f"{digits(value)} {found['unit']}"

    target = found["targets"][0]
    text = sentence(
        "plan.next_answer",
        params=human(target["params"]),
        tokens=human(target["tokens"]),
        by=context.new_group("answer.by_new"),
        prob=context.prob,
        now=width(found["width_now"]),
        budget=digits(found["budget"]),
        after=width(found["best"][-1]["width"]),
    )
    rows = [
        [*sizes(r), digits(r["cost"]), percent(r["reduction"]), width(r["width"])]
        for r in found["best"]
    ]
    head = columns("params tokens flops variance_less width_after")
    curve = [[digits(r["spent"]), str(r["runs"]), width(r["width"])] for r in found["curve"]]
    folded = Table(
        sentence("plan.certainty_alt"), columns("flops runs width_after"), curve, folded=True
    )
    return [
        Heading(title),
        Paragraph(text),
        Table(title, head, rows),
        *context.figure("certainty", "plan.certainty", folded),
    ]


# What the page says of each plan, from the content that the function of the same name in
# `report/decisions.py` asks for.
_WRITERS = (_budgets, _overheads, _serve, _next_run)


def exhaustion(context: Context) -> list[Block]:
    """When one run demands all text there is, and what each law makes of it."""
    answer = context.report["exhaustion"]
    if answer is None:
        return []
    prob = percent(answer["prob"])
    when = {end: _year(answer["year"][end]) for end in ("median", "lower", "upper")}
    median = when.pop("median")
    text = sentence("exhaustion.answer", title=answer["title"], prob=prob, median=median,
               interval=sentence("to", **when))  # fmt: skip
    rows = [
        [str(r["year"]), percent(r["probability"]), estimate(r["demanded"], human),
         estimate(r["available"], human)]
        for r in answer["years"]
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
            scenario=answer["scenario"],
            prob=prob,
            published=_published(context),
        ),
        *(note(each) for each in answer["notes"]),
        *(_best_response(law) for law in answer["laws"]),
        Paragraph(sentence("exhaustion.dash"), "small"),
        Paragraph(sentence("exhaustion.source", source=answer["source"]), "small"),
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


def _best_response(law: Content) -> Table:
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
