"""The commands under `measure`, and `sweep`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.base.errors import BayescaleError
from bayescale.base.tables import Table
from bayescale.cli.options import pairs, positive, whole
from bayescale.cli.printing import Output, printing
from bayescale.runs.readers import FORMATS

if TYPE_CHECKING:
    from bayescale.base.notes import Note
    from bayescale.measure.architecture import Architecture
    from bayescale.measure.bpc import Bpc

measure_app = typer.Typer(
    help="Make rows for a runs table: BPC of a model, FLOP of an architecture, other tools' logs.",
    no_args_is_help=True,
)


@measure_app.command("bpc")
@printing
def bpc_command(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A Hugging Face causal model: folder or name.")
    ],
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH]...", help="More text, after --text.")
    ] = None,
    *,
    text: Annotated[
        list[Path], typer.Option("--text", help="A .txt or .jsonl file, or a folder; repeatable.")
    ],
    field: Annotated[
        str, typer.Option("--field", help="Where the text stands in .jsonl objects.")
    ] = "text",
    window: Annotated[
        int,
        whole("--window", "N", "Tokens that the model sees."),
    ] = 1900,
    stride: Annotated[
        int,
        whole("--stride", "N", "Tokens from window to window."),
    ] = 512,
    batch: Annotated[
        int,
        whole("--batch", "N", "Windows of a document at once."),
    ] = 1,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, auto.")] = "auto",
    dtype: Annotated[
        str, typer.Option("--dtype", help="bfloat16, float16, float32, float64; auto: as stored.")
    ] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Add a row to this .csv of runs. A journal beside it, "
            "FILE.bpc.jsonl, keeps every document's score: after a kill, the same command resumes.",
        ),
    ] = None,
    tokens: Annotated[
        str | None,
        typer.Option("--tokens", help="For --out: training tokens, as in 15T, or 1T:20T (90 %)."),
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", help="For --out: the row's name; else the model's.")
    ] = None,
    family: Annotated[str | None, typer.Option("--family", help="For --out.")] = None,
    tokenizer: Annotated[
        str | None, typer.Option("--tokenizer", help="For --out: a name for its vocabulary.")
    ] = None,
) -> Output:
    """Bits per character of a language model on texts, a window sliding over each."""
    from bayescale.measure.bpc import measure_bpc
    from bayescale.measure.known import known_of_run, new_run
    from bayescale.measure.rows import append_row

    name = run or (Path(model).resolve().name if Path(model).exists() else model)
    known = known_of_run(out, run=name, family=family, tokenizer=tokenizer, tokens=tokens)
    measured = measure_bpc(
        model,
        [*text, *(more or [])],
        field=field,
        window=window,
        stride=stride,
        batch=batch,
        device=device,
        dtype=dtype,
        journal=None if out is None else out.with_name(out.name + ".bpc.jsonl"),
        progress=True,
    )
    remarks = []
    if out is not None:
        row = new_run(measured.row(**known))
        done = "added to" if append_row(out, row) else "is already in"
        remarks.append(f"run {name} {done} {out}")
    tables = [_ratios(measured), _sizes(measured)]
    return Output(asdict(measured), tables, _notes(measured, window), remarks)


def _sizes(measured: Bpc) -> Table:
    values = {
        "documents": measured.documents,
        "characters": measured.characters,
        "tokens": measured.tokens,
        "tokens/character": measured.tokens_per_character,
        "parameters": measured.params,
        "window": measured.window,
        "stride": measured.stride,
        "dtype": measured.dtype,
        "device": measured.device,
    }
    counts = ("documents", "characters", "tokens", "parameters")
    shown = values | {name: f"{values[name]:,}" for name in counts}
    shown["tokens/character"] = f"{measured.tokens_per_character:.4f}"
    return Table([shown], values=[values])


def _ratios(measured: Bpc) -> Table:
    from bayescale.runs.columns import COLUMNS

    units = {name: COLUMNS[name].unit for name in ("bpc", "bpb", "loss")}
    values = [
        {
            "model": measured.model,
            "quantity": name,
            "unit": unit,
            "value": getattr(measured, name),
            "standard error": getattr(measured, name + "_se") if measured.documents > 1 else None,
        }
        for name, unit in units.items()
    ]
    shown = [
        {
            measured.model: row["unit"],
            "value": f"{row['value']:.5f}",
            "standard error": ""
            if row["standard error"] is None
            else f"{row['standard error']:.5f}",
        }
        for row in values
    ]
    return Table(shown, values=values)


def _notes(measured: Bpc, window: int) -> list[Note]:
    from bayescale.base.notes import Note

    notes = []
    if measured.resumed:
        text = f"{measured.resumed} of {measured.documents} documents had been scored before"
        notes.append(Note("resumed", "info", text, "nothing to do"))
    if measured.empty:
        text = f"{measured.empty} documents are empty and were passed over"
        notes.append(Note("empty-documents", "warning", text, "look whether text is missing"))
    if measured.not_round_trip:
        notes.append(
            Note(
                "not-round-trip",
                "warning",
                f"{measured.not_round_trip} of {measured.documents} documents do not come back "
                "from the tokenizer as they went in",
                "characters are those of the text, so what the tokenizer drops costs nothing and "
                "BPC may be too low",
            )
        )
    if measured.window < window:
        notes.append(
            Note(
                "short-context",
                "info",
                f"the model sees {measured.window} tokens, fewer than the window of {window}",
                f"compare with models measured with --window {measured.window}",
            )
        )
    return notes


@measure_app.command("flops")
@printing
def flops_command(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A config.json, its folder, or a hub name.")
    ],
    *,
    tokens: Annotated[
        float | None,
        positive("--tokens", "D", "Training tokens, as in 15T: adds totals."),
    ] = None,
    seq: Annotated[
        int | None,
        whole("--seq", "N", "Tokens of a sequence; by default the config's longest."),
    ] = None,
) -> Output:
    """Parameters of an architecture, and its training FLOP by each convention in use."""
    from bayescale.base.numbers import human
    from bayescale.measure.architecture import Architecture
    from bayescale.measure.configs import check_causal, read_config
    from bayescale.measure.flops import flops_per_token

    if seq is not None and seq < 1:
        raise BayescaleError(f"--seq {seq}: must be 1 or more")
    entries = read_config(config)
    check_causal(entries, config)
    architecture = Architecture.of(entries, config)
    sequence = seq or architecture.context
    counts = flops_per_token(architecture, sequence)
    rows = [
        asdict(count) | ({} if tokens is None else {"training": count.per_token * tokens})
        for count in counts
    ]
    shown = [
        {
            "convention": row["convention"],
            "FLOP/token": f"{row['per_token']:.4e}",
            **({} if tokens is None else {"training FLOP": f"{row['training']:.4e}"}),
            "attention": "yes" if row["attention"] else "no",
            "logits": "yes" if row["logits"] else "no",
            "formula": row["formula"],
            "source": row["source"],
        }
        for row in rows
    ]
    length = ""
    if sequence is not None:
        whose = "" if seq else ", the config's longest (--seq for another)"
        length = f", sequences of {sequence} tokens{whose}"
    on = "" if tokens is None else f" on {human(tokens)} tokens"
    return Output(
        {
            "architecture": asdict(architecture),
            "sequence": sequence,
            "tokens": tokens,
            "flops": rows,
        },
        [
            _params_table(architecture, config),
            Table(shown, f"Training{on}{length}", rows),
        ],
        _sequence_notes(architecture, sequence, config),
    )


def _sequence_notes(architecture: Architecture, sequence: int | None, config: str) -> list[Note]:
    from bayescale.base.notes import Note

    if architecture.scan:
        text = "the scan of its layers has no weights and no convention counts it"
        hint = "those that count attention are left out"
        return [Note("state-space", "info", text, hint)]
    if sequence is None:
        text = f"{config} has no max_position_embeddings: attention FLOP need --seq N"
        hint = "parameters and 6 N are counted without it"
        return [Note("no-sequence", "info", text, hint)]
    return []


def _params_table(architecture: Architecture, config: str) -> Table:
    values = [
        {
            "parameters": "total",
            "all": architecture.params,
            "active": architecture.params_active,
        },
        {
            "parameters": "non-embedding",
            "all": architecture.params_non_embedding,
            "active": architecture.params_active_non_embedding,
        },
    ]
    shown = [row | {name: f"{row[name]:,}" for name in ("all", "active")} for row in values]
    title = f"{config}: {architecture.kind}, {architecture.layers} layers of width "
    return Table(shown, title + str(architecture.width), values)


@measure_app.command("read")
@printing
def read_command(
    kind: Annotated[
        str, typer.Argument(metavar="FORMAT", help=f"What wrote them: {', '.join(FORMATS)}.")
    ],
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="What the tool wrote.")],
    *,
    out: Annotated[Path | None, typer.Option("--out", help="Add the rows to this .csv.")] = None,
    run: Annotated[
        str | None, typer.Option("--run", help="Name of the run; of several, before theirs.")
    ] = None,
    params: Annotated[
        float | None, positive("--params", "N", "Of every run, as in 70M; over the file's own.")
    ] = None,
    tokens: Annotated[
        float | None, positive("--tokens", "D", "Trained on, as in 15T; over the file's own.")
    ] = None,
    tokens_per_step: Annotated[
        float | None,
        positive("--tokens-per-step", "D", "Times a run's steps: its tokens."),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", help="COLUMN=VALUE of every run, as in family=tiny; repeatable."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            help="NAME=NAME IN THE FILE, as in loss=val/loss or perplexity=eval/ppl; repeatable.",
        ),
    ] = None,
    any_state: Annotated[
        bool,
        typer.Option(
            "--any-state",
            help="Take runs marked failed, crashed or running too; --column total_steps=NAME "
            "leaves out those that stopped early.",
        ),
    ] = False,
) -> Output:
    """Rows of runs from what other tools wrote; says which it leaves out."""
    from bayescale.base.notes import Note
    from bayescale.base.numbers import parse_number
    from bayescale.measure.rows import append_row
    from bayescale.runs.columns import groups
    from bayescale.runs.results import ReadOptions, read_results

    stated: dict[str, float | str] = {
        name: value if name in groups() else parse_number(value, name)
        for name, value in pairs(values, "--set").items()
    }
    counts = {"params": params, "tokens": tokens}
    stated |= {name: value for name, value in counts.items() if value is not None}
    results = read_results(
        kind,
        paths,
        ReadOptions(
            run=run,
            values=stated,
            tokens_per_step=tokens_per_step,
            columns=pairs(column, "--column"),
            any_state=any_state,
        ),
    )
    hint = "if that is wrong, correct the file or map its columns"
    left_out = [Note("left-out", "warning", reason, hint) for reason in results.reasons()]
    remarks = []
    if out is not None:
        added = sum(append_row(out, row) for row in results.rows)
        others = "" if added == len(results.rows) else "; the others are in it already"
        remarks.append(f"{added} of {len(results.rows)} rows added to {out}{others}")
    names = list(dict.fromkeys(name for row in results.rows for name in row))
    shown = [{name: _cell(name, row.get(name)) for name in names} for row in results.rows]
    return Output(
        {"format": kind, "runs": results.rows, "left_out": dict(results.left_out)},
        [Table(shown, values=results.rows)],
        [*left_out, *results.notes],
        remarks,
    )


def _cell(name: str, value: Any) -> str:
    """A cell of a run for people."""
    from bayescale.base.numbers import human

    if value is None:
        return ""
    if name in ("params", "tokens", "flops"):
        return human(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@printing
def sweep_command(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="A shipped plan, or a TOML file.")],
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder; by default sweeps/PLAN. Given again, it resumes."),
    ] = None,
) -> Output:
    """Train a grid of small language models on your text, one row of a runs table each."""
    from bayescale.measure.sweep import sweep
    from bayescale.measure.sweep_plan import SweepPlan
    from bayescale.runs.table import Runs

    chosen = SweepPlan.load(plan)
    folder = out or Path("sweeps") / chosen.name
    trained = sweep(chosen, folder, progress=True)
    table = Runs.read(folder / "runs.csv").table
    columns = ("run", "params", "tokens", "epochs", "flops", "flops_6nd", "loss", "bpc")
    rows = [{column: row[column] for column in columns} for row in table.to_dict(orient="records")]
    return Output(
        {"sweep": str(folder), "trained": trained, "runs": rows},
        [Table(rows, chosen.title)],
        remarks=[f"{len(trained)} of {len(rows)} runs trained now; all are in {folder}/runs.csv"],
    )
