"""Laws: which one, how others compare, what it misses, and whether it forecast before."""

from __future__ import annotations

from bayescale.base.numbers import digits, human, percent
from bayescale.report.document import Block, Paragraph, Table
from bayescale.report.sections.writing import Content, Subject, band, note, notes, sizes, told
from bayescale.report.sentences import columns, say


def law(of: Subject) -> list[Block]:
    """The equation, what N counts, the noise, and the line that a reader would draw."""
    said, spec, r = of.fit["law"], of.fit["spec"], of.fit["reference"]
    text = " ".join(
        [
            say("law.equation", **{k: said[k] for k in ("title", "equation", "citation")}),
            say("law.active" if spec["params"] == "active" else "law.total"),
            say("law.noise", **{k: say(f"law.{k}.{spec['noise'][k]}") for k in ("dist", "on")}),
        ]
    )
    if not r:
        return [Paragraph(text)]
    line = say(
        "law.reference",
        runs=r["runs"],
        slope=digits(r["slope"]),
        error=digits(r["slope_error"], 2),
        decade=digits(r["slope_per_decade"]),
        intercept=digits(r["intercept"]),
        r2=digits(r["r_squared"]),
    )
    return [Paragraph(text), Paragraph(line, "small")]


def compared(of: Subject) -> list[Block]:
    """Scores of the laws that were compared, the direct test, and where they part."""
    said = of.all["law"]
    if said is None:
        return [Paragraph(say("law.none"))]
    worst = max(refit["r_hat"] for refit in said["refits"]) if said["refits"] else 0.0
    head = "model elpd difference dse weight inside_50 inside_90 crps interval_score rmse"
    scores = Table(
        say("law.compared_alt"),
        columns(head),
        [[m["model"], f"{m['elpd']:.1f}", f"{m['elpd_diff']:.1f}", f"{m['dse']:.1f}",
          f"{m['weight']:.2f}", percent(m["coverage_50"]), percent(m["coverage_90"]),
          digits(m["crps"]), digits(m["interval_score"]), digits(m["rmse"])]
         for m in said["models"]],
    )  # fmt: skip
    intro = say(
        "law.compared",
        by=said["by"],
        count=said["runs"]["count"],
        runs=said["runs"]["name"],
        refits=len(said["refits"]),
        rhat=f"{worst:.4f}",
    )
    verdict = [note(one, "") for one in said["notes"] if one["code"] == "undecided"]
    return [
        *verdict,
        Paragraph(intro),
        scores,
        *notes(said["notes"], leave_out=["undecided"]),
        *_direct(said["difference"]),
        *_overlay(of, said),
        *(_discrimination(of, said["discrimination"]) if said["discrimination"] else []),
    ]


def _direct(difference: Content | None) -> list[Block]:
    if not difference:
        return []
    names = ("params", "tokens", "difference")
    values = {name: told(difference[f"{name}_per_decade"]) for name in names}
    return [Paragraph(say("law.direct", **values))]


def _overlay(of: Subject, said: Content) -> list[Block]:
    models = [one["model"] for row in said["overlay"][:1] for one in row["curves"]]
    rows = [
        [digits(row["flops"]), *sizes(row), *(told(one) for one in row["curves"])]
        for row in said["overlay"]
    ]
    head = [*columns("flops params tokens"), *models]
    table = Table(say("law.overlay_alt"), head, rows, folded=True)
    return of.figure("law-overlay", "law.overlay", table, prob=of.prob)


def _discrimination(of: Subject, said: Content) -> list[Block]:
    names = {name: said[name] for name in ("one", "other")}
    table = Table(
        say("law.discrimination_alt"),
        columns("flops ratio params tokens difference interval separation outside", prob=of.prob),
        [[digits(r["flops"]), human(r["tokens_per_param"]), *sizes(r), digits(r["median"], 2),
          band(r, 2), f"{r['separation']:.1f}", f"{r['decades_outside']:.2f}"]
         for r in said["rows"]],
        folded=True,
    )  # fmt: skip
    best = said["most_informative"]
    params, tokens = sizes(best)
    separation = f"{abs(best['separation']):.1f}"
    text = say("law.telling", params=params, tokens=tokens, median=digits(best["median"], 2),
               separation=separation, **names)  # fmt: skip
    return [
        *of.figure("law-discrimination", "law.discrimination", table, prob=of.prob, **names),
        Paragraph(text),
    ]


def misses(of: Subject) -> list[Block]:
    """What the spec does about a wrong law; the backtest; the runs that were held back."""
    some = "misses.some" if of.fit["spec"]["discrepancy"] else "misses.none"
    return [Paragraph(say(some)), *_backtest(of.fit["history"]), *_held_back(of)]


def _backtest(history: Content) -> list[Block]:
    if history["refused"]:
        return [Paragraph(say("answer.unknown", why=history["refused"]))]
    rows = [
        [row["name"], str(row["n_train"]), str(row["n_test"]),
         *(percent(row["coverage"][level]) for level in ("50", "80", "90")),
         _per_cent(row["width"]), _per_cent(row["bias"], "+"), f"{row['rhat']:.4f}"]
        for row in history["frontiers"]
    ]  # fmt: skip
    head = "fitted n_fitted n_predicted inside_50 inside_80 inside_90 width_90 bias rhat"
    return [
        Paragraph(say("misses.history")),
        Table(say("misses.history_alt"), columns(head), rows),
    ]


def _per_cent(value: float, sign: str = "") -> str:
    return f"{value:{sign}.1%}".replace("%", "\N{NO-BREAK SPACE}%")


def _held_back(of: Subject) -> list[Block]:
    held = of.fit["held_back"]
    if not held:
        return []
    corpus = "corpus " if of.corpora else ""
    rows = [
        [str(r["run"]), *of.of_corpus(r), *sizes(r), digits(r["median"]), band(r),
         digits(r["observed"]), say("yes" if r["inside"] else "no")]
        for r in held["rows"]
    ]  # fmt: skip
    text = say("misses.held_back", runs=held["runs"])
    head = columns(f"run {corpus}params tokens median new_run reached inside", prob=of.prob)
    return [Paragraph(text), Table(text, head, rows)]
