"""Runs that are training now, and where each ends."""

from __future__ import annotations

from bayescale.base.numbers import digits, human, percent, within
from bayescale.report.document import Block, Paragraph, Table
from bayescale.report.sections.writing import Content, Context, band, median_and_band, notes
from bayescale.report.sentences import columns, sentence


def running(context: Context) -> list[Block]:
    """A table of the runs in progress, and the first of their curves; none without curves."""
    content = context.report["running"]
    if content is None:
        return []
    names = {"file": content["file"], "law": content["law"], "prob": context.prob}
    text = sentence("running.text", count=content["runs"], **names)
    table = _table(content, text, context.prob)
    blocks: list[Block] = [Paragraph(text), table]
    head = columns("at median interval", unit=content["unit"], prob=context.prob)
    for i, (run, rows) in enumerate(content["ahead"].items()):
        cells = [[human(row["position"]), *median_and_band(row)] for row in rows]
        ahead = Table(sentence("running.ahead", run=run), head, cells, folded=True)
        blocks += context.figure(f"running-{i}", "running.figure", ahead, run=run, **names)
    return blocks + notes(content["notes"])


def _table(content: Content, caption: str, prob: str) -> Table:
    """Columns `best` and `below_target` only where they were found."""
    headers = {"below_target": "below_target", "best": "ends_lowest"}
    shares = [name for name in headers if name in content["rows"][0]]
    target = "" if content["target"] is None else digits(content["target"])
    keys = ["run", "seen", "last_loss", "ends_at", "interval", *(headers[s] for s in shares)]
    head = columns(keys, unit=content["unit"], target=target, prob=prob)
    rows = []
    for row in content["rows"]:
        write = within(row["lower"], row["upper"], digits)
        cells = [row["run"], f"{human(row['seen'])} / {human(row['end'])}", digits(row["last"])]
        rows.append([*cells, write(row["median"]), band(row), *(percent(row[s]) for s in shares)])
    return Table(caption, head, rows)
