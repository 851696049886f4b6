"""Asked: what a budget buys, and what changed since an earlier fit or report."""

from __future__ import annotations

from bayescale.base.notes import listed
from bayescale.base.numbers import digits, human, percent
from bayescale.report.document import Block, Heading, Key, Paragraph, Table
from bayescale.report.sections.writing import Content, Context, estimate, median_and_band, sizes
from bayescale.report.sentences import columns, sentence


def where(row: Content) -> Paragraph:
    """Whether a point lies inside the data, and how far from them if not."""
    decades = row["decades_outside"]
    if decades == 0:
        return Paragraph(sentence("explore.inside"), "small")
    return Paragraph(sentence("explore.outside", decades=f"{decades:.2f}"), "warning")


def budget(context: Context) -> list[Block]:
    """The best size for the budget, and one new run of it: what it reaches, and how likely."""
    answer, spec = context.fit["budget"], context.fit["spec"]
    if answer is None:
        return []
    row, best = answer["forecast"], answer["best"]
    title = sentence("answer.budget", flops=digits(answer["flops"]))
    by = context.new_group("answer.by_new")
    if best is None:
        params, tokens = sizes(row)
        text = sentence("answer.no_best", params=params, tokens=tokens, by=by)
    else:
        ends = {end: human(best[f"params_{end}"]["median"]) for end in ("low", "high")}
        text = sentence(
            "answer.best",
            params=estimate(best["params"], human),
            tokens=estimate(best["tokens"], human),
            by=by,
            **ends,
        )
    median, interval = median_and_band({"median": row["median"], **row["new_run"]})
    items = [
        (sentence("answer.median"), median, spec["unit"]),
        (sentence("answer.run", prob=context.prob), interval, spec["unit"]),
    ]
    if answer["probability"] is not None:
        items.append(reaching(answer["target"], answer["probability"], spec["better"]))
    return [Heading(title), Paragraph(text), Key(items), where(row)]


def reaching(target: float, probability: float, better: str) -> tuple[str, str, str]:
    """The probability of a target, as an item of the key numbers."""
    return sentence(f"answer.reaching.{better}", target=digits(target)), percent(probability), ""


def changes(context: Context) -> list[Block]:
    """New and changed runs, and what they did to forecasts and parameters."""
    changed = context.report["changes"]
    if changed is None:
        return []
    runs = changed["runs"]
    said = [
        sentence(f"changes.{kind}", count=len(names), names=listed(names, 8))
        for kind, names in runs.items()
        if names
    ]
    text = " ".join(said) if said else sentence("changes.same")
    head = columns("earlier now shift", prob=context.prob)
    forecasts = [
        [str(row["run"]), *sizes(row), *_before_and_now(row)] for row in changed["forecasts"]
    ]
    parameters = [[row["name"], *_before_and_now(row)] for row in changed["parameters"]]
    title = sentence("changes.forecasts")
    compared: list[Block] = [Paragraph(sentence("changes.no_forecast"), "small")]
    if forecasts:
        compared = [Table(title, [*columns("run params tokens"), *head], forecasts)]
    return [
        Paragraph(sentence("changes.intro", against=changed["against"], spec=changed["spec"])),
        Paragraph(text),
        Heading(title),
        *compared,
        Heading(sentence("changes.parameters")),
        Table(sentence("changes.parameters"), [*columns("quantity"), *head], parameters),
        Paragraph(sentence("changes.shift"), "small"),
    ]


def _before_and_now(row: Content) -> list[str]:
    """Both estimates, and the shift of the median as a share of the earlier interval's width."""
    old, new = row["old"], row["new"]
    width = old["upper"] - old["lower"]
    shift = (new["median"] - old["median"]) / width if width else 0.0
    return [estimate(old), estimate(new), f"{shift:+.2f}"]
