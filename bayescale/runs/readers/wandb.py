"""Weights & Biases: the CSV export of its runs' table, or of one chart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bayescale.base.errors import BayescaleError
from bayescale.runs.readers._files import read_table
from bayescale.runs.readers._record import Record

# What the Hugging Face Trainer logs there; a run with names of its own takes --column.
HEADERS: Mapping[str, str] = {
    "run": "Name",
    "params": "model/num_parameters",
    "tokens": "train/num_input_tokens_seen",
    "step": "train/global_step",
    "flops": "train/total_flos",
    "loss": "eval/loss",
}


def read(path: Path, headers: Mapping[str, str]) -> Iterator[Record]:
    """The runs of a runs' table, or the last point of each line of a chart.

    Raises
    ------
    BayescaleError
        If it is neither.
    """
    header, rows = read_table(path)
    response = headers.get("loss") or headers["perplexity"]
    if headers["run"] in header:
        return _runs(rows, headers["run"])
    if any(column.endswith(f" - {response}") for column in header[1:]):
        return _chart(header, rows, headers, response)
    raise BayescaleError(
        f"{path}: neither a table of runs (it has a column {headers['run']!r}) nor a chart of "
        f"{response}; name the loss, as in --column loss=NAME"
    )


def _runs(rows: Sequence[Mapping[str, str]], name: str) -> Iterator[Record]:
    for cells in rows:
        state = cells.get("State", "finished")
        yield Record(cells[name], cells, state=None if state == "finished" else state)


def _chart(
    header: Sequence[str],
    rows: Sequence[Mapping[str, str]],
    headers: Mapping[str, str],
    response: str,
) -> Iterator[Record]:
    """Each line's last point; the columns NAME__MIN and NAME__MAX are bounds."""
    for column in header[1:]:
        run, dash, metric = column.rpartition(" - ")
        if not dash or metric != response:
            continue
        points = [cells for cells in rows if cells[column].strip()]
        if not points:
            yield Record(run, {response: None})
            continue
        earlier, across = len(points) - 1, header[0]
        last = {across: points[-1][across], response: points[-1][column]}
        if across == "Step":
            last = {headers["step"]: last["Step"], **last}
        yield Record(
            run,
            last,
            unused={"a point before a run's last": earlier} if earlier else {},
        )
