"""Commands under `bayescale measure`. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

from typing import Annotated

import typer

measure_app = typer.Typer(
    help="Make rows for a runs table: BPC of a model, FLOP of an architecture, other tools' logs.",
    no_args_is_help=True,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


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
    from dataclasses import asdict

    from bayescale.errors import BayescaleError
    from bayescale.measure.architecture import Architecture
    from bayescale.measure.configs import check_causal, read_config
    from bayescale.measure.flops import flops_per_token
    from bayescale.numbers import human, parse_number
    from bayescale.output import print_json, print_table

    trained = None if tokens is None else parse_number(tokens, "tokens")
    if trained is not None and trained <= 0:
        raise BayescaleError(f"--tokens {tokens}: must be above 0")
    if seq is not None and seq < 1:
        raise BayescaleError(f"--seq {seq}: must be 1 or more")
    said = read_config(config)
    check_causal(said, config)
    architecture = Architecture.of(said, config)
    sequence = seq or architecture.context
    if sequence is None:
        raise BayescaleError(f"{config}: states no longest sequence; give one with --seq")
    counts = flops_per_token(architecture, sequence)
    rows = [
        asdict(count) | ({} if trained is None else {"training": count.per_token * trained})
        for count in counts
    ]
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
    whose = "" if seq else ", the config's longest (--seq for another)"
    on = "" if trained is None else f" on {human(trained)} tokens"
    print_table(shown, f"Training{on}, sequences of {sequence} tokens{whose}")
