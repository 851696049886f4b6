"""The benchmark against peers: their draws are scored as ours are."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bayescale import Runs
from bayescale.evaluation.splits import split

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import learn_priors
import skill
import skill_distance
import skill_left_out
import skill_page

LOSS = [3.0, 2.8, 2.6, 2.4, 2.2]


@pytest.fixture
def one(tmp_path: Path):
    """Two runs to fit and three to predict."""
    lines = [f"r{i},{10.0 ** (8 + i)},{10.0 ** (10 + i)},{loss}" for i, loss in enumerate(LOSS)]
    path = tmp_path / "runs.csv"
    path.write_text("\n".join(["run,params,tokens,loss", *lines]))
    return split(Runs.read(path), "params < 5e9", "toy")


def test_a_peers_draws_have_the_scores_of_a_hand_calculation(one) -> None:
    # 101 draws, evenly from -.1 to .1: the 90 % interval is -.09 to .09, the 50 % one -.05 to .05.
    offsets = np.linspace(-0.1, 0.1, 101)[:, None]
    misses = np.array([0.0, 0.07, 0.14])
    said = skill.by_peer(one, np.log(LOSS[2:]) - misses + offsets)
    assert said["coverage"] == pytest.approx({"50": 1 / 3, "80": 2 / 3, "90": 2 / 3})
    # Width .18 each; the third run lies .05 above its interval, times 2 / .1.
    assert said["interval_score"] == pytest.approx(0.18 + 20 * 0.05 / 3)
    assert said["rmse"] == pytest.approx(np.sqrt((misses**2).mean()))
    assert [point["run"] for point in said["points"]] == ["r2", "r3", "r4"]


def test_a_point_has_an_error_and_no_interval(one) -> None:
    said = skill.by_peer(one, np.log(LOSS[2:])[None] + 0.01)
    assert said == pytest.approx({"rmse": 0.01, "bias": 0.01, "mean_error": 0.01})


def test_peers_are_not_shown_what_they_predict(one) -> None:
    assert set(skill.handed(one)["test"]) == {"params", "tokens"}


def test_the_page_names_what_a_peer_could_not_do(one) -> None:
    draws = np.log(LOSS[2:]) + 0.01 + np.linspace(-0.1, 0.1, 101)[:, None]
    done = skill.by_peer(one, draws) | {"seconds": 1.0}
    methods = [
        {"method": "mine", "version": "1", "splits": {"toy": done}, "mean": skill.mean([done])},
        {"method": "theirs", "version": "2", "splits": {"toy": {"error": "no fit"}}, "mean": {}},
    ]
    part = {"methods": methods, "splits": {"toy": {"n_train": 2, "n_test": 3}}}
    said = {**part, "seed": 0, "versions": {"numpy": "2"}, "far": part, "grid": part}
    page = skill_page.page(said, {})
    assert "- theirs, toy: no fit" in page
    assert "| mine | 1 | 1.00 |" in page
    assert "| theirs | 2 | - |" in page
    assert len(skill_page.figure(methods, ["toy"]).axes) == 3


def test_a_bin_of_distance_counts_each_split_once(one) -> None:
    points = skill.by_peer(one, np.log(LOSS[2:])[:, None].T + np.linspace(-0.1, 0.1, 101)[:, None])
    worse = {**points, "points": [{**p, "error": 0.2} for p in points["points"][:1]]}
    other = replace(one, name="other")
    methods = [{"method": "mine", "splits": {"toy": points, "other": worse}}]
    found = skill_distance.by_distance([([one, other], methods)])["mine"]
    # Compute 100, 10,000 and a million times that of the largest fitted run (N D).
    (row,) = [row for row in found if row["splits"] == 2]
    assert row["decades"] == pytest.approx(2.0)
    assert row["bias"] == pytest.approx(0.1)
    assert row["rmse"] == pytest.approx(np.sqrt(0.5 * 0.2**2))


def test_the_published_page_is_that_of_its_numbers() -> None:
    said = json.loads((skill_page.OUT / "skill.json").read_text("utf-8"))
    published = (skill_page.OUT / "README.md").read_text("utf-8")
    left_out = json.loads((skill_page.OUT / skill_page.LEFT_OUT).read_text("utf-8"))
    assert skill_page.page(said, left_out) == published, "run `make report`"


def test_weights_make_of_one_priors_posterior_that_of_another() -> None:
    # A table says 1, give or take 1. Under a Normal prior around 0 that makes .5, variance .5.
    draws = {"alpha": np.random.default_rng(0).normal(0.5, 0.5**0.5, 200_000)}
    ratio = skill_left_out.log_ratio(draws, {"alpha": (0.2, 0.5)}, {"alpha": (0.0, 1.0)})
    mean, variance = learn_priors.moments_of(draws, skill_left_out.normalised(ratio))["alpha"]
    assert mean == pytest.approx((1 + 0.2 / 0.25) / (1 + 1 / 0.25), abs=0.01)
    assert variance == pytest.approx(1 / (1 + 1 / 0.25), abs=0.01)


def test_without_the_suite_one_line_says_so(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["skill.py", "--suite", str(tmp_path / "none.toml")])
    with pytest.raises(skill.BayescaleError, match=r"no suite of splits at .*none\.toml"):
        skill.main()
