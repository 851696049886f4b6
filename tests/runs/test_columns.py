"""One entry in the registry is all that a group or a response takes."""

from types import SimpleNamespace

import pandas as pd
import pytest

from bayescale import Runs, Spec
from bayescale.base.errors import BayescaleError, RunsError
from bayescale.cli.points import read_points
from bayescale.evaluation.folds import folds
from bayescale.model.design import design
from bayescale.plan.answer import with_unit
from bayescale.runs.column import Column
from bayescale.runs.columns import COLUMNS, named_otherwise, numeric

TABLE = pd.DataFrame(
    {
        "params": [1e8, 1e9, 1e10, 1e9],
        "tokens": [2e9, 2e10, 2e11, 2e11],
        "loss": [3.5, 3.0, 2.5, 2.6],
        "cluster": ["01", "02", "01", "02"],
        "wer": [0.5, 0.4, 0.3, 0.35],
    }
)


def test_a_group_takes_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Column("cluster", "group", "cluster")
    spec = Spec.load("chinchilla").replace(response="loss", groups=False)
    effects = {"cluster": {"level": {"dist": "HalfNormal", "sigma": 0.1}}}
    with pytest.raises(BayescaleError, match=r"effects\.cluster: no group is called 'cluster'"):
        spec.replace(effects=effects)

    monkeypatch.setitem(COLUMNS, "cluster", cluster)
    spec = spec.replace(effects=effects)
    assert spec.named_groups == ("cluster",)
    runs = Runs.from_frame(TABLE)
    assert [fold.name for fold in folds(runs, "cluster")] == ["01", "02"]
    arrays = design(spec, runs).data
    assert arrays["cluster_index"].values.tolist() == [0, 1, 0, 1]
    fitted = SimpleNamespace(group_names=spec.named_groups, specs=(spec,), inputs=spec.inputs)
    points, _ = read_points(["params=1e9,tokens=1e10,cluster=01"], None, fitted)
    assert points.table["cluster"].tolist() == ["01"]
    with pytest.raises(RunsError, match=r"cluster.*control character"):
        Runs.from_frame(TABLE.assign(cluster="a\x1b[31m"))


def test_a_group_is_text_in_a_file_whatever_it_looks_like(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    TABLE.rename(columns={"cluster": "site"}).to_csv(tmp_path / "runs.csv", index=False)
    monkeypatch.setitem(COLUMNS, "cluster", Column("cluster", "group", "cluster"))
    runs = Runs.read(tmp_path / "runs.csv", columns={"cluster": "site"})
    assert runs.table["cluster"].tolist() == ["01", "02", "01", "02"]


def test_a_response_takes_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    wer = Column("wer", "response", "word errors", "share", 0, 1, "logit", "lower", example="0.3")
    spec = Spec.load("chinchilla").replace(groups=False)
    with pytest.raises(BayescaleError, match="response: no response is called 'wer'; use one of"):
        spec.replace(response="wer")

    monkeypatch.setitem(COLUMNS, "wer", wer)
    spec = spec.replace(response="wer")
    observed = design(spec, Runs.from_frame(TABLE)).data["response"]
    assert observed.values.tolist() == TABLE["wer"].tolist()
    assert with_unit("wer") == "word errors (share)"
    with pytest.raises(RunsError, match=r"wer=1\.5: expected 0 to 1 share"):
        Runs.from_frame(TABLE.assign(wer=1.5))


def test_every_number_has_a_range_and_an_example_within_it() -> None:
    for name in numeric():
        column = COLUMNS[name]
        assert column.unit
        assert column.rule(float(column.example)) is None, name
        assert column.kind != "response" or column.better


@pytest.mark.parametrize(
    ("name", "header", "expected"),
    [("params", "N", "N"), ("tokens", "Num Tokens", "Num Tokens"),
     ("loss", "eval/loss", "eval/loss"),
     ("loss", "Loss", "Loss"), ("loss", "train_loss", None)],
)  # fmt: skip
def test_columns_are_known_by_their_other_names(name: str, header: str, expected: str) -> None:
    assert named_otherwise(name, ["other", header]) == expected
