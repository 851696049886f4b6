"""Intervals of known and new groups, of the curve and of new runs; and the inverse."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from bayescale import Fit, Spec
from bayescale.base.errors import BayescaleError
from bayescale.predictive.predict import Kind, Prediction, _leaves_range

SIZE = {"params": 70e9, "tokens": 15e12}


def width(prediction: Prediction, prob: float = 0.9) -> float:
    row = prediction.table(prob).iloc[0]
    return float(row["upper"] - row["lower"])


@pytest.mark.parametrize("kind", ["curve", "run"])
def test_a_new_family_is_wider_than_a_known_one(fitted: Fit, kind: Kind) -> None:
    known = fitted.predict({**SIZE, "family": "Llama-3"}, kind)
    new = fitted.predict({**SIZE, "family": "Orion", "tokenizer": "llama3-128k"}, kind)
    newer = fitted.predict(SIZE, kind)
    assert width(known) < width(new) < width(newer)


def test_a_new_run_is_wider_than_the_curve(fitted: Fit) -> None:
    for point in (SIZE, {**SIZE, "family": "Llama-3"}):
        assert width(fitted.predict(point, "curve")) < width(fitted.predict(point, "run"))


@settings(max_examples=20, deadline=None)
@given(
    log_params=st.floats(8, 13),
    log_tokens=st.floats(9, 15),
    family=st.sampled_from(["Llama-3", "Qwen", "Orion"]),
)
def test_intervals_nest(fitted: Fit, log_params: float, log_tokens: float, family: str) -> None:
    point = {"params": 10**log_params, "tokens": 10**log_tokens, "family": family}
    prediction = fitted.predict(point)
    ends = [prediction.table(prob)[["lower", "upper"]].iloc[0] for prob in (0.5, 0.8, 0.9, 0.99)]
    for inner, outer in pairwise(ends):
        assert outer["lower"] <= inner["lower"] <= inner["upper"] <= outer["upper"]


def test_the_same_new_family_is_the_same_draw_everywhere(fitted: Fit) -> None:
    both = fitted.predict([{**SIZE, "family": "Orion"}, {**SIZE, "family": "Lyra"}], "curve")
    alone = fitted.predict({**SIZE, "family": "Lyra"}, "curve")
    np.testing.assert_array_equal(both.draws.isel(run=1), alone.draws.isel(run=0))
    assert not np.array_equal(both.draws.isel(run=0), both.draws.isel(run=1))


def test_what_was_assumed_of_the_groups_is_said(fitted: Fit) -> None:
    prediction = fitted.predict([{**SIZE, "family": "Llama-3"}, {**SIZE, "family": "Llama3"}])
    said = {note.code: note for note in prediction.notes}
    assert "tokenizer llama3-128k" in said["group-from-data"].text
    assert any("did you mean Llama-3?" in note.hint for note in prediction.notes)
    table = prediction.table()
    assert table["family_is"].tolist() == ["known", "new"]
    assert table["tokenizer_is"].tolist() == ["known", "new"]


def test_distance_from_the_data(fitted: Fit) -> None:
    inside = {"params": 20e9, "tokens": 3e12}
    far = {"params": 70.6e9 * 10, "tokens": 15e13}
    prediction = fitted.predict([inside, far], "curve")
    table = prediction.table()
    assert table.loc[0, "decades_outside"] == 0
    assert table.loc[1, "decades_outside"] == pytest.approx(2**0.5, rel=0.01)
    assert table.loc[1, "decades_of_compute"] == pytest.approx(2, rel=0.01)
    assert [note.code for note in prediction.notes].count("extrapolation") == 1
    assert not [n for n in fitted.predict(inside).notes if n.code == "extrapolation"]


def test_a_line_that_leaves_range_is_said(fitted: Fit) -> None:
    prediction = fitted.predict({"params": 1e14, "tokens": 1e17})
    assert "crosses-zero" in {note.code for note in prediction.notes}


@pytest.mark.parametrize(("below", "said"), [(0, False), (1, False), (200, True)])
def test_a_single_draw_below_zero_is_not_said(fitted: Fit, below: int, said: bool) -> None:
    spec = fitted.spec
    draws = xr.DataArray(np.ones((4, 3000)), dims=("chain", "draw"))
    draws[0, :below] = -0.01
    notes = _leaves_range(spec, draws)
    assert bool(notes) == said
    for law in ("compute-floor", "chinchilla"):  # has a floor: advice to take one is of no use
        hints = [note.hint for note in _leaves_range(Spec.load(law), draws)]
        assert not any("compute-floor" in hint for hint in hints)


def test_a_point_on_the_edge_of_the_data_is_inside(fitted: Fit) -> None:
    table = fitted.runs.table.dropna(subset=["tokens"])
    prediction = fitted.predict(table[["params", "params_active", "tokens"]], "curve")
    assert "0.00 decades" not in " ".join(note.text for note in prediction.notes)
    assert set(prediction.table()["decades_outside"]) == {0.0}


def test_points_are_written_as_on_the_command_line(fitted: Fit) -> None:
    number = fitted.predict({"params": 70e9, "tokens": 15e12}).table()
    assert fitted.predict({"params": "70B", "tokens": "15T"}).table().equals(number)
    several = fitted.predict({"params": np.array([7e9, 70e9]), "tokens": 15e12}).table()
    assert several["params"].tolist() == [7e9, 70e9]
    assert several["run"].tolist() == ["point-1", "point-2"]
    with pytest.raises(BayescaleError, match="not of params 2, tokens 3"):
        fitted.predict({"params": [1e9, 2e9], "tokens": [1e12, 2e12, 3e12]})


def test_a_runs_own_prediction_is_its_replicate(fitted: Fit) -> None:
    """Prediction at a fitted run, with its own groups, has the distribution of its replicates."""
    run = fitted.runs.table.set_index("run").loc["Llama-3-70b"]
    point = run[["params", "params_active", "tokens", "family", "tokenizer"]].to_dict()
    predicted = fitted.predict({k: v for k, v in point.items()}).draws.isel(run=0)
    replicated = fitted.replicates().sel(run="Llama-3-70b")
    for q in (0.05, 0.5, 0.95):
        assert float(predicted.quantile(q)) == pytest.approx(
            float(replicated.quantile(q)), abs=1e-3
        )


@pytest.mark.parametrize("prob", [0.5, 0.9])
@pytest.mark.parametrize("size", [{"params": 70e9}, {"tokens": 15e12}, {"tokens_per_param": 20.0}])
def test_the_inverse_undoes_the_prediction(fitted: Fit, size: dict, prob: float) -> None:
    answer = fitted.invert(0.35, **size, groups={"family": "Llama-3"}, prob=prob)
    for name, value in size.items():
        ratio = answer.tokens / answer.params
        found = ratio if name == "tokens_per_param" else answer.inputs[name]
        assert found == pytest.approx(value)
    assert answer.flops == pytest.approx(6 * answer.params * answer.tokens)
    point = {"params": answer.params, "tokens": answer.tokens, "family": "Llama-3"}
    reached = fitted.predict(point, "run").probability_of_reaching(0.35)
    assert float(reached.item()) == pytest.approx(prob, abs=2 / fitted.posterior["slope"].size)


def test_more_certainty_costs_more(fitted: Fit) -> None:
    costs = [fitted.invert(0.35, prob=prob).flops for prob in (0.5, 0.8, 0.95)]
    assert costs == sorted(costs)
    assert fitted.invert(0.35, kind="curve").flops < fitted.invert(0.35, kind="run").flops
    assert fitted.invert(0.35).params is None  # compute alone: any split will do


def test_a_floor_cannot_be_undercut(chinchilla_240: Fit) -> None:
    curve = chinchilla_240.invert(1.5, tokens_per_param=20, kind="curve")
    assert (curve.flops, curve.most_probable) == (None, 0)
    run = chinchilla_240.invert(1.5, tokens_per_param=20)
    assert run.flops is None
    assert run.most_probable < 0.001  # of 12,000 single runs one may fall so far off the curve
    reachable = chinchilla_240.invert(2.2, tokens_per_param=20)
    assert reachable.most_probable > 0.999  # single runs have heavy tails
    assert 1e20 < reachable.flops < 1e24
    with pytest.raises(BayescaleError, match="needs the split"):
        chinchilla_240.invert(2.2)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"target": -1.0}, "target=-1"),
        ({"target": float("nan")}, "target=nan"),
        ({"target": 0.35, "params": 0.0}, "params=0"),
        ({"target": 0.35, "params": 1e9, "tokens": 1e9}, "give one of"),
        ({"target": 0.35, "prob": 1.0}, "prob=1"),
        ({"target": 0.35, "kind": "both"}, "kind='both'"),
        ({"target": 0.35, "corpus": "python"}, "no corpora"),
        ({"target": 50.0}, "at the smallest run already"),
    ],
)
def test_questions_without_an_answer(fitted: Fit, question: dict, said: str) -> None:
    with pytest.raises(BayescaleError, match=said):
        fitted.invert(**question)


def test_points_are_checked_like_runs(fitted: Fit) -> None:
    with pytest.raises(BayescaleError, match="params=70"):
        fitted.predict({"params": 70, "tokens": 15e12})
    latent = pd.DataFrame({"params": [7e9], "tokens_low": [1e12], "tokens_high": [2e12]})
    with pytest.raises(BayescaleError, match="needs a token count"):
        fitted.predict(latent)
    with pytest.raises(BayescaleError, match=r"prob=1\.5"):
        fitted.predict(SIZE).table(1.5)


def test_a_prediction_tables_no_mean(fitted: Fit) -> None:
    """That of a new run is infinite under Student's t noise on the log."""
    assert "mean" not in fitted.predict(SIZE).table()


def test_shares_of_a_variance_are_never_negative(fitted: Fit) -> None:
    shares = fitted.variance_shares([{**SIZE, "family": "Qwen2"}, SIZE])
    assert float(shares.min()) >= 0
    np.testing.assert_allclose(shares.sum("component"), 1)


def test_repeats_beyond_the_data_are_outside(data_constrained: Fit) -> None:
    """34 billion tokens of 1 million unique ones lie far outside, whatever N and D are."""
    inside = {"params": 2.8e9, "tokens": 3.4e10}
    near = data_constrained.predict({**inside, "unique_tokens": 1.2e10})
    far = data_constrained.predict({**inside, "unique_tokens": 1e6})
    assert near.points["decades_outside"].item() < 0.5
    assert far.points["decades_outside"].item() > 2
    assert any("passes over the data" in note.text for note in far.notes)
    silent = data_constrained.predict(inside)
    assert any(note.code == "tokens-all-new" for note in silent.notes)
