"""Whatever stands in a file of another tool: rows, or one line that says why not."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bayescale import BayescaleError
from bayescale.runs.results import ReadOptions, read_results

ANY = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NAMES = st.sampled_from(
    [
        *("eval_loss", "loss", "step", "num_input_tokens_seen", "total_flos", "max_steps"),
        *("byte_perplexity", "bits_per_byte,none", "model_num_parameters", "model_args"),
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**12)
    | st.just(10**400)
    | st.floats(allow_nan=True)
    | st.sampled_from(["", "NaN", "N/A", "-1", "pretrained=a/b,revision=step5", "1e999", "x\n\0"])
)
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(NAMES, SCALARS, max_size=3)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=5)
OPTIONS = st.sampled_from(
    [
        ReadOptions(),
        ReadOptions(values={"params": 1e7, "tokens": 1e9}, any_state=True),
        ReadOptions(values={"params": 1e7}, tokens_per_step=1e6),
        ReadOptions(columns={"perplexity": "byte_perplexity"}, values={"params": 1e7}),
    ]
)


def read(kind: str, path: Path, options: ReadOptions) -> None:
    try:
        rows = read_results(kind, [path], options).rows
    except BayescaleError:
        return
    assert {"run", "params", "tokens"} <= set(rows[0])


@ANY
@given(log=st.lists(OBJECTS | SCALARS, max_size=4), state=OBJECTS, options=OPTIONS)
def test_any_trainer_state(tmp_path: Path, log: list, state: dict, options: ReadOptions) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps({**state, "log_history": log}), "utf-8")
    read("trainer", path, options)


@ANY
@given(
    results=st.dictionaries(st.text(max_size=5), OBJECTS | SCALARS, max_size=3),
    config=VALUES,
    model=SCALARS,
    options=OPTIONS,
)
def test_any_harness_results(tmp_path: Path, results, config, model, options: ReadOptions) -> None:
    path = tmp_path / "results.json"
    content = {"results": results, "config": config, "model_name": model}
    path.write_text(json.dumps(content), "utf-8")
    read("lm-eval", path, options)


CELLS = st.sampled_from(["", "1e7", "3.5", "NaN", "inf", "-2", "text", '"a\nb"', "99", "1e999"])


@ANY
@given(
    kind=st.sampled_from(["wandb", "chinchilla", "epoch", "simple-scaling-laws"]),
    rows=st.lists(st.lists(CELLS, min_size=4, max_size=4), max_size=4),
    options=OPTIONS,
)
def test_any_table(tmp_path: Path, kind: str, rows: list, options: ReadOptions) -> None:
    header = {
        "wandb": "Name,State,eval/loss,train/global_step",
        "chinchilla": "N,D,C,loss",
        "epoch": "Model,Parameters,Training dataset size,Training compute (FLOP)",
        "simple-scaling-laws": "training_run_id,model_size__n,dataset_size__d,test_loss__l",
    }[kind]
    path = tmp_path / "table.csv"
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n", "utf-8")
    read(kind, path, options)


def test_a_deep_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_text("[" * 100_000, "utf-8")
    with pytest.raises(BayescaleError, match="not a readable JSON file"):
        read_results("trainer", [path], ReadOptions())


def test_a_store_of_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "meta.yaml").write_bytes(b"run_id: \xff\xfe")
    with pytest.raises(BayescaleError, match="not a readable store of MLflow"):
        read_results("mlflow", [tmp_path], ReadOptions())
