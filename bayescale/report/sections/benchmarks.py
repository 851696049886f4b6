"""Benchmark scores: what one model gets at the sizes asked for, and along compute."""

from __future__ import annotations

from collections.abc import Callable

from bayescale.base.numbers import human, share
from bayescale.report.document import Block, Interactive, Paragraph, Table
from bayescale.report.sections.writing import Content, Context, estimate, notes, sizes
from bayescale.report.sentences import columns, sentence


def benchmarks(context: Context) -> list[Block]:
    """Scores at some sizes, the menu, the figure, and whether to trust them."""
    content = context.report["benchmarks"]
    if content is None:
        return []
    by, ratio = content["of"], human(content["tokens_per_param"])
    where = "asked" if content["asked"] else "default"
    text = sentence(
        "benchmarks.text",
        file=content["file"],
        models=content["models"],
        form=content["form"],
        prob=context.prob,
        by=by,
        where=sentence(f"benchmarks.where.{where}", ratio=ratio),
    )
    found, limits = content["convergence"], context.report["limits"]
    converged = sentence(
        "benchmarks.convergence",
        r_hat=f"{found['r_hat']:.4f}",
        most=limits["r_hat"],
        bulk=f"{found['ess_bulk']:.0f}",
        tail=f"{found['ess_tail']:.0f}",
        least=limits["ess"],
        divergences=found["divergences"],
    )
    along = _table(content, sentence("benchmarks.figure_alt"), "along", _at_compute)
    gaps = {"ratio": ratio, "prob": context.prob, "by": by}
    return [
        Paragraph(text),
        _table(content, sentence("benchmarks.table"), "rows", _at_sizes),
        Paragraph(converged, "small"),
        *notes(content["notes"]),
        Interactive("benchmarks", "benchmarks", sentence("benchmarks.fallback", ratio=ratio)),
        *context.figure("scores", "benchmarks.figure", along, **gaps),
    ]


def _table(content: Content, caption: str, of: str, head: Callable[[Content], str]) -> Table:
    """A row a benchmark, and of each point the median with its interval."""
    heads: dict[tuple[float, float], str] = {}
    cells: dict[str, list[str]] = {}
    for row in content[of]:
        heads[row["params"], row["tokens"]] = head(row)
        cells.setdefault(row["benchmark"], []).append(estimate(row, share))
    rows = [
        [each["title"], share(each["chance"]), share(each["best"]), *cells[each["name"]]]
        for each in content["benchmarks"]
    ]
    return Table(caption, [*columns("benchmark chance best_score"), *heads.values()], rows)


def _at_sizes(row: Content) -> str:
    params, tokens = sizes(row)
    return sentence("columns.score_at", params=params, tokens=tokens)


def _at_compute(row: Content) -> str:
    return sentence("columns.score_along", flops=human(row["flops"]))
