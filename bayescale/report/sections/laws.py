"""Laws: the equation, the comparison of laws, the model discrepancy, and the backtest."""

from __future__ import annotations

from collections.abc import Sequence

from bayescale.base.numbers import digits, human, percent, within
from bayescale.report.document import Block, Paragraph, Table
from bayescale.report.sections.writing import (
    Content,
    Context,
    estimate,
    median_and_band,
    note,
    notes,
    sizes,
    two_digits,
)
from bayescale.report.sentences import columns, sentence

# What a backtest scores, by the scale of the response.
_SCORED = {
    "log": "discrepancy.scored_log",
    "logit": "discrepancy.scored_share",
    "linear": "discrepancy.scored_plain",
}


def law(context: Context) -> list[Block]:
    """The equation, what N counts, the observation noise, and least squares for reference."""
    equation, spec, r = context.fit["law"], context.fit["spec"], context.fit["reference"]
    text = " ".join(
        [
            sentence("law.equation", **{k: equation[k] for k in ("title", "equation", "citation")}),
            sentence("law.active" if spec["params"] == "active" else "law.total"),
            sentence(
                "law.noise", **{k: sentence(f"law.{k}.{spec['noise'][k]}") for k in ("dist", "on")}
            ),
        ]
    )
    if spec["bounds"]:
        low, high = (f"{end:g}" for end in spec["bounds"])
        key = "law.of_odds" if equation["of"] == "odds" else "law.bounds"
        text = f"{text} {sentence(key, low=low, high=high)}"
    if not r:
        return [Paragraph(text)]
    line = sentence(
        "law.reference",
        runs=r["runs"],
        slope=digits(r["slope"]),
        error=digits(r["slope_error"], 2),
        decade=digits(r["slope_per_decade"]),
        intercept=digits(r["intercept"]),
        r2=digits(r["r_squared"]),
    )
    return [Paragraph(text), Paragraph(line, "small")]


def comparison(context: Context) -> list[Block]:
    """Scores of the compared laws, the direct test, their curves, and model discrimination."""
    compared = context.report["law"]
    if compared is None:
        return [Paragraph(sentence("law.none"))]
    refits, runs = compared["refits"], compared["runs"]
    worst = max((refit["r_hat"] for refit in refits), default=0.0)
    head = "model elpd difference dse weight coverage_50 coverage_90 crps interval_score rmse"
    scores = Table(
        sentence("law.compared_alt"),
        columns(head),
        [[m["model"], f"{m['elpd']:.1f}", f"{m['elpd_diff']:.1f}", f"{m['dse']:.1f}",
          f"{m['weight']:.2f}", percent(m["coverage_50"]), percent(m["coverage_90"]),
          digits(m["crps"]), digits(m["interval_score"]), digits(m["rmse"])]
         for m in compared["models"]],
    )  # fmt: skip
    intro = sentence(
        "law.compared",
        by=compared["by"],
        count=runs["count"],
        runs=runs["name"],
        refits=len(refits),
        rhat=f"{worst:.4f}",
    )
    return [
        *(note(n, "") for n in compared["notes"] if n["code"] == "undecided"),
        Paragraph(intro),
        scores,
        *notes(compared["notes"], leave_out=["undecided"]),
        *_direct_test(compared["difference"]),
        *_overlay(context, compared["overlay"]),
        *_discrimination(context, compared["discrimination"]),
    ]


def _direct_test(difference: Content | None) -> list[Block]:
    if not difference:
        return []
    names = ("params", "tokens", "difference")
    slopes = {name: estimate(difference[f"{name}_per_decade"]) for name in names}
    return [Paragraph(sentence("law.direct", **slopes))]


def _overlay(context: Context, budgets: Sequence[Content]) -> list[Block]:
    models = [curve["model"] for row in budgets[:1] for curve in row["curves"]]
    rows = [
        [digits(row["flops"]), *sizes(row), *(estimate(curve) for curve in row["curves"])]
        for row in budgets
    ]
    head = [*columns("flops params tokens"), *models]
    table = Table(sentence("law.overlay_alt"), head, rows, folded=True)
    return context.figure("law-overlay", "law.overlay", table, prob=context.prob)


def _discrimination(context: Context, pair: Content | None) -> list[Block]:
    if not pair:
        return []
    names = {name: pair[name] for name in ("one", "other")}
    head = "flops ratio params tokens difference interval separation outside"
    table = Table(
        sentence("law.discrimination_alt"),
        columns(head, prob=context.prob),
        [[digits(r["flops"]), human(r["tokens_per_param"]), *sizes(r),
          *median_and_band(r, two_digits), f"{r['separation']:.1f}", f"{r['decades_outside']:.2f}"]
         for r in pair["rows"]],
        folded=True,
    )  # fmt: skip
    best = pair["most_informative"]
    params, tokens = sizes(best)
    separation = f"{abs(best['separation']):.1f}"
    text = sentence("law.telling", params=params, tokens=tokens,
                    median=two_digits(best["median"]), separation=separation, **names)  # fmt: skip
    return [
        *context.figure("law-discrimination", "law.discrimination", table, prob=context.prob,
                        **names),
        Paragraph(text),
    ]  # fmt: skip


def discrepancy(context: Context) -> list[Block]:
    """The model discrepancy of the spec, the backtest, and the holdout runs."""
    key = "discrepancy.some" if context.fit["spec"]["discrepancy"] else "discrepancy.none"
    history = _backtest(context.fit["history"], context.fit["spec"]["scale"])
    return [Paragraph(sentence(key)), *history, *_holdout(context)]


def _backtest(history: Content, scale: str) -> list[Block]:
    if history["refused"]:
        return [Paragraph(sentence("answer.unknown", why=history["refused"]))]
    write = _plain if scale == "linear" else _per_cent
    rows = [
        [row["name"], str(row["n_train"]), str(row["n_test"]),
         *(percent(row["coverage"][level]) for level in ("50", "80", "90")),
         write(row["width"], ""), write(row["bias"], "+"), f"{row['rhat']:.4f}"]
        for row in history["frontiers"]
    ]  # fmt: skip
    head = "fitted n_fitted n_predicted coverage_50 coverage_80 coverage_90 width_90 bias rhat"
    text = " ".join([sentence("discrepancy.backtest"), sentence(_SCORED[scale])])
    return [
        Paragraph(text),
        Table(sentence("discrepancy.backtest_alt"), columns(head), rows),
    ]


def _plain(value: float, sign: str) -> str:
    return f"{value:{sign}.3g}"


def _per_cent(value: float, sign: str) -> str:
    return f"{value:{sign}.1%}".replace("%", "\N{NO-BREAK SPACE}%")


def _holdout(context: Context) -> list[Block]:
    holdout = context.fit["holdout"]
    if not holdout:
        return []
    corpus = "corpus " if context.corpora else ""
    rows = [
        [str(r["run"]), *context.corpus_cell(r), *sizes(r), *median_and_band(r),
         within(r["lower"], r["upper"])(r["observed"]), sentence("yes" if r["inside"] else "no")]
        for r in holdout["rows"]
    ]  # fmt: skip
    text = sentence("discrepancy.holdout", runs=holdout["runs"])
    head = f"run {corpus}params tokens median new_run observed inside"
    return [Paragraph(text), Table(text, columns(head, prob=context.prob), rows)]
