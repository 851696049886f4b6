"""Notes of a table of runs: perplexities, stated FLOP, repeats, checkpoints."""

import numpy as np
import pandas as pd
import pytest

from bayescale import Runs
from bayescale.base.notes import Note
from bayescale.runs.checkpoints import without_neighbours
from bayescale.runs.notes import names_perplexity, table_notes

# Perplexities of four published models of 125M to 1B parameters on WikiText-2.
PERPLEXITIES = [11.961, 8.977, 7.984, 7.171]


def table(**columns: object) -> pd.DataFrame:
    base = {"params": [1.2e8, 3.5e8, 6e8, 1e9], "tokens": [1e12] * 4}
    return pd.DataFrame(base | columns)


def codes(frame: pd.DataFrame, **options) -> dict[str, Note]:
    runs = Runs.from_frame(frame, columns=options.get("columns"))
    return {note.code: note for note in table_notes(runs, **options)}


def test_a_table_that_is_what_it_says_has_no_note() -> None:
    assert not codes(table(loss=np.log(PERPLEXITIES)))
    assert not codes(table(bpc=[0.9, 0.8, 0.75, 0.7]))
    assert not {note.code for note in table_notes(Runs.read("open-llm-bpc"))}


def test_perplexity_by_its_header() -> None:
    frame = table(val_ppl=[5.7, 5.1, 4.1, 3.5])
    note = codes(frame, columns={"loss": "val_ppl"})["perplexity-as-loss"]
    assert "its column is called 'val_ppl'" in note.text
    assert "a perplexity of 4.6 is a loss of 1.53 nats" in note.hint
    assert not codes(frame.rename(columns={"val_ppl": "log_ppl"}), columns={"loss": "log_ppl"})


@pytest.mark.parametrize(
    ("header", "perplexity"),
    [
        *(("ppl", True), ("eval/ppl//data/c4.jsonl", True), ("Perplexity", True)),
        *(("blog_perplexity", True), ("final_ppl", True)),
        *(("log_ppl", False), ("logppl", False), ("ln(perplexity)", False), ("nll", False)),
        *(("loss", False), ("val/loss", False)),
    ],
)
def test_headers_that_speak_of_perplexity(header: str, perplexity: bool) -> None:
    assert names_perplexity(header) == perplexity


@pytest.mark.parametrize("base", [1.0, np.log(2)])
def test_perplexity_by_a_column_that_is_its_logarithm(base: float) -> None:
    losses = [5.7, 5.1, 4.1, 3.5]
    frame = table(loss=losses, entropy=np.log(losses) / base)
    assert "entropy is its logarithm" in codes(frame)["perplexity-as-loss"].text
    assert not codes(table(loss=losses, entropy=[1.0, 2.0, 3.0, 4.0]))


def test_perplexity_by_its_size() -> None:
    assert (
        "half of the values lie above" in codes(table(loss=PERPLEXITIES))["perplexity-as-loss"].text
    )


def test_stated_flops_against_6nd() -> None:
    frame = table(loss=[3.0, 2.8, 2.6, 2.5], run=list("abcd"))
    flops = 6 * frame["params"] * frame["tokens"]
    assert not codes(frame.assign(flops=flops * [1.4, 1.0, 0.7, 1.0]))
    note = codes(frame.assign(flops=flops / [4.9, 1.0, 0.42, 1.2]))["flops-not-6nd"]
    assert "6 N D is 0.42 to 4.9 times the FLOP stated in 2 of 4 runs: a 4.9, c 0.42" in note.text
    mixture = frame.assign(flops=flops / 10, params_active=frame["params"] / 10)
    assert not codes(mixture)


def test_repeats_are_said_to_a_law_that_takes_them_as_new() -> None:
    frame = table(loss=[3.0, 2.8, 2.6, 2.5], unique_tokens=[4e10] * 4)
    note = codes(frame, inputs=("params", "tokens"))["repeats-as-new"]
    assert note.level == "warning"
    assert note.text.startswith("up to 25 epochs (4 of 4 runs repeat tokens), and the law counts")
    assert codes(frame)["repeats-as-new"].level == "warning"  # no law is known yet
    assert not codes(frame, inputs=("params", "tokens", "unique_tokens"))
    few = table(loss=[3.0, 2.8, 2.6, 2.5], epochs=[1.0, 1.0, 2.0, 3.0])
    assert codes(few, inputs=("params", "tokens"))["repeats-as-new"].level == "info"
    assert not codes(table(loss=[3.0, 2.8, 2.6, 2.5], epochs=[1.0] * 4))


def curve(sizes: list[float], tokens: np.ndarray, names: list[str] | None = None) -> pd.DataFrame:
    """Every size on every count of tokens."""
    rows = [
        {"params": n, "tokens": d, "loss": 2 + 50 * n**-0.3 + 50 * d**-0.3, "family": "a"}
        for n in sizes
        for d in tokens
    ]
    frame = pd.DataFrame(rows)
    return frame if names is None else frame.assign(run=names)


def test_checkpoints_by_evenly_spaced_tokens() -> None:
    every = np.arange(1, 21) * 5e8
    note = codes(curve([1e8, 4e8], every))["checkpoints-as-runs"]
    assert "100M parameters (20 rows), 400M parameters (20 rows)" in note.text
    assert not codes(curve([1e8, 4e8], 5e8 * 2.0 ** np.arange(10)))  # a grid by factors
    assert not codes(curve([1e8, 4e8], every[:5]))  # a small grid
    assert not codes(curve(list(1e8 * 1.3 ** np.arange(12)), every[:1]))


def test_checkpoints_by_their_names() -> None:
    tokens = 2e6 * np.array([512.0, 1000, 3000, 10000])
    for style in ("pythia-70m-step{}", "mine@{}", "runs/a_ckpt-{}", "b checkpoint {}"):
        names = [style.format(int(d / 2e6)) for d in tokens]
        note = codes(curve([7e7], tokens, names))["checkpoints-as-runs"]
        assert "(4 rows)" in note.text, style
    sizes = [7e7, 1.6e8, 4.1e8, 1e9]  # the last step of four runs
    frame = pd.DataFrame(
        {
            "run": [f"run_{i}_step143000" for i in range(4)],
            "params": sizes,
            "tokens": 3e11,
            "loss": [2.6, 2.4, 2.2, 2.1],
        }
    )
    assert not codes(frame)
    ladder = curve([1e8], 2e9 * 2.0 ** np.arange(4), [f"190M-{m}xC" for m in (1, 2, 4, 8)])
    assert not codes(ladder)


def test_checkpoints_that_share_an_error_are_left_out_by_run() -> None:
    every = np.arange(1, 21) * 5e8
    one, two = curve([1e8], every), curve([1e8, 4e8], every * 1.5)
    frame = pd.concat([one, two.assign(family="b")], ignore_index=True)
    left, (note,) = without_neighbours(Runs.from_frame(frame))
    assert note.code == "checkpoints-left-out"
    assert f"{len(frame) - 15} of {len(frame)} rows" in note.text
    for scale, rows in zip((1.0, 1.5), (left.table[:5], left.table[5:10]), strict=True):
        # 20, 10, 5, 2 and 1: none within a factor of two of the one after.
        assert (rows["tokens"] / 5e8 / scale).tolist() == pytest.approx([1, 2, 5, 10, 20])
    grid = Runs.from_frame(curve([1e8, 4e8], 5e8 * 1.5 ** np.arange(10)))
    assert without_neighbours(grid) == (grid, [])
