"""Commands under `bayescale measure`. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bayescale.base.errors import BayescaleError
from bayescale.runs.readers import FORMATS

if TYPE_CHECKING:
    from bayescale.measure.bpc import Bpc

measure_app = typer.Typer(
    help="Make rows for a runs table: BPC of a model, FLOP of an architecture, other tools' logs.",
    no_args_is_help=True,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


@measure_app.command("bpc")
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
    window: Annotated[int, typer.Option("--window", help="Tokens that the model sees.")] = 1900,
    stride: Annotated[int, typer.Option("--stride", help="Tokens from window to window.")] = 512,
    batch: Annotated[int, typer.Option("--batch", help="Windows of a document at once.")] = 1,
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
    as_json: Json = False,
) -> None:
    """Bits per character of a language model on texts, a window sliding over each."""
    from bayescale.base.output import print_json, print_table, say
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
    if as_json:
        print_json(asdict(measured))
    else:
        print_table(_ratios(measured))
        print_table(_sizes(measured))
    for line in _warnings(measured, window):
        say(line)
    if out is not None:
        row = new_run(measured.row(**known))
        said = "added to" if append_row(out, row) else "is already in"
        say(f"run {name} {said} {out}")


def _sizes(measured: Bpc) -> list[dict[str, object]]:
    return [
        {
            "documents": f"{measured.documents:,}",
            "characters": f"{measured.characters:,}",
            "tokens": f"{measured.tokens:,}",
            "tokens/character": f"{measured.tokens_per_character:.4f}",
            "parameters": f"{measured.params:,}",
            "window": measured.window,
            "stride": measured.stride,
            "dtype": measured.dtype,
            "device": measured.device,
        }
    ]


def _ratios(measured: Bpc) -> list[dict[str, object]]:
    from bayescale.runs.columns import COLUMNS

    units = {name: COLUMNS[name].unit for name in ("bpc", "bpb", "loss")}
    return [
        {
            measured.model: unit,
            "value": f"{getattr(measured, name):.5f}",
            "standard error": f"{getattr(measured, name + '_se'):.5f}"
            if measured.documents > 1
            else "",
        }
        for name, unit in units.items()
    ]


def _warnings(measured: Bpc, window: int) -> list[str]:
    said = []
    if measured.resumed:
        scored = f"{measured.resumed} of {measured.documents} documents"
        said.append(f"info [resumed] {scored} had been scored before")
    if measured.empty:
        said.append(f"warning [empty-documents] {measured.empty} are empty and were passed over")
    if measured.not_round_trip:
        said.append(
            f"warning [not-round-trip] {measured.not_round_trip} of {measured.documents} documents "
            "do not come back from the tokenizer as they went in; characters are those of the "
            "text, so what the tokenizer drops costs nothing and BPC may be too low"
        )
    if measured.window < window:
        said.append(
            f"info [short-context] the model sees {measured.window} tokens, fewer than the window "
            f"of {window}; compare with models measured with --window {measured.window}"
        )
    return said


@measure_app.command("flops")
def flops_command(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A config.json, its folder, or a hub name.")
    ],
    *,
    tokens: Annotated[
        str | None, typer.Option("--tokens", help="Training tokens, as in 15T: adds totals.")
    ] = None,
    seq: Annotated[
        int | None,
        typer.Option("--seq", help="Tokens of a sequence; by default the config's longest."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Parameters of an architecture, and its training FLOP by each convention in use."""
    from bayescale.base.numbers import human, parse_number
    from bayescale.base.output import print_json, print_table, say
    from bayescale.measure.architecture import Architecture
    from bayescale.measure.configs import check_causal, read_config
    from bayescale.measure.flops import flops_per_token

    trained = None if tokens is None else parse_number(tokens, "tokens")
    if trained is not None and trained <= 0:
        raise BayescaleError(f"--tokens {tokens}: must be above 0")
    if seq is not None and seq < 1:
        raise BayescaleError(f"--seq {seq}: must be 1 or more")
    entries = read_config(config)
    check_causal(entries, config)
    architecture = Architecture.of(entries, config)
    sequence = seq or architecture.context
    counts = flops_per_token(architecture, sequence)
    rows = [
        asdict(count) | ({} if trained is None else {"training": count.per_token * trained})
        for count in counts
    ]
    if architecture.scan:
        say(
            "info [state-space] the scan of its layers has no weights and no convention counts it: "
            "those that count attention are left out"
        )
    elif sequence is None:
        say(
            f"info [no-sequence] {config} has no max_position_embeddings: attention FLOP need "
            "--seq N (parameters and 6 N are counted without it)"
        )
    if as_json:
        print_json(
            {
                "architecture": asdict(architecture),
                "sequence": sequence,
                "tokens": trained,
                "flops": rows,
            }
        )
        return
    print_table(
        [
            {"parameters": which, "all": f"{every:,}", "active": f"{active:,}"}
            for which, every, active in (
                ("total", architecture.params, architecture.params_active),
                (
                    "non-embedding",
                    architecture.params_non_embedding,
                    architecture.params_active_non_embedding,
                ),
            )
        ],
        f"{config}: {architecture.kind}, {architecture.layers} layers of width "
        f"{architecture.width}",
    )
    shown = [
        {
            "convention": row["convention"],
            "FLOP/token": f"{row['per_token']:.4e}",
            **({} if trained is None else {"training FLOP": f"{row['training']:.4e}"}),
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
    on = "" if trained is None else f" on {human(trained)} tokens"
    print_table(shown, f"Training{on}{length}")


@measure_app.command("read")
def read_command(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT",
            help=f"What wrote them: {', '.join(FORMATS)}.",
        ),
    ],
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="What the tool wrote.")],
    *,
    out: Annotated[Path | None, typer.Option("--out", help="Add the rows to this .csv.")] = None,
    run: Annotated[
        str | None, typer.Option("--run", help="Name of the run; of several, before theirs.")
    ] = None,
    params: Annotated[
        str | None,
        typer.Option("--params", help="Of every run, as in 70M; over the file's own."),
    ] = None,
    tokens: Annotated[
        str | None, typer.Option("--tokens", help="Trained on, as in 15T; over the file's own.")
    ] = None,
    tokens_per_step: Annotated[
        str | None, typer.Option("--tokens-per-step", help="Times a run's steps: its tokens.")
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
    as_json: Json = False,
) -> None:
    """Rows of runs from what other tools wrote; says which it leaves out."""
    from bayescale.base.numbers import human, parse_number
    from bayescale.base.output import print_json, print_notes, print_table, say
    from bayescale.measure.rows import append_row
    from bayescale.runs.columns import groups
    from bayescale.runs.results import ReadOptions, read_results

    def pairs(texts: list[str] | None, option: str) -> dict[str, str]:
        split = [text.partition("=") for text in texts or []]
        for name, _, value in split:
            if not name or not value:
                raise BayescaleError(f"{option} {name!r}: write NAME=VALUE")
        return {name: value for name, _, value in split}

    stated = pairs(values, "--set")
    if params is not None:
        stated["params"] = params
    if tokens is not None:
        stated["tokens"] = tokens
    results = read_results(
        kind,
        paths,
        ReadOptions(
            run=run,
            values={
                name: value if name in groups() else parse_number(value, name)
                for name, value in stated.items()
            },
            tokens_per_step=None
            if tokens_per_step is None
            else parse_number(tokens_per_step, "tokens-per-step"),
            columns=pairs(column, "--column"),
            any_state=any_state,
        ),
    )
    if as_json:
        print_json(
            {
                "format": kind,
                "runs": results.rows,
                "left_out": dict(results.left_out),
                "notes": [note.to_dict() for note in results.notes],
            }
        )
    else:
        names = dict.fromkeys(name for row in results.rows for name in row)
        counts = {"params", "tokens", "flops"}
        print_table(
            [
                {
                    name: ""
                    if (value := row.get(name)) is None
                    else human(value)
                    if name in counts
                    else f"{value:.6g}"
                    if isinstance(value, float)
                    else str(value)
                    for name in names
                }
                for row in results.rows
            ]
        )
    for line in results.reasons():
        say(f"warning [left-out] {line}")
    print_notes(results.notes)
    if out is not None:
        added = sum(append_row(out, row) for row in results.rows)
        others = "" if added == len(results.rows) else "; the others are in it already"
        say(f"{added} of {len(results.rows)} rows added to {out}{others}")


def sweep_command(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="A shipped plan, or a TOML file.")],
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder; by default sweeps/PLAN. Given again, it resumes."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a grid of small language models on your text, one row of a runs table each."""
    from bayescale.base.output import print_json, print_table, say
    from bayescale.measure.sweep import sweep
    from bayescale.measure.sweep_plan import SweepPlan
    from bayescale.runs.table import Runs

    chosen = SweepPlan.load(plan)
    folder = out or Path("sweeps") / chosen.name
    trained = sweep(chosen, folder, progress=True)
    table = Runs.read(folder / "runs.csv").table
    columns = ("run", "params", "tokens", "epochs", "flops", "flops_6nd", "loss", "bpc")
    rows = [{column: row[column] for column in columns} for row in table.to_dict(orient="records")]
    if as_json:
        print_json({"sweep": str(folder), "trained": trained, "runs": rows})
    else:
        print_table(rows, chosen.title)
    say(f"{len(trained)} of {len(rows)} runs trained now; all are in {folder / 'runs.csv'}")
