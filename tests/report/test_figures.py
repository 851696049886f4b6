"""Figures: one public door, nothing loaded before it is asked for."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import bayescale as bs
from bayescale import Fit
from bayescale.report.figures.compute import along_compute
from bayescale.report.figures.style import label_of


def test_figures_load_nothing_until_one_is_asked_for() -> None:
    code = "import bayescale as bs, sys; bs.figures.OF_A_FIT; print('matplotlib' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"


def test_every_name_is_there() -> None:
    for name in dir(bs.figures):
        assert getattr(bs.figures, name)
    with pytest.raises(AttributeError, match=r"bayescale\.figures.*'curv'"):
        _ = bs.figures.curv


def test_points_along_compute_are_such_as_a_table_may_hold(fitted: Fit) -> None:
    """However small or large the runs: the ladder of `models/sweeps/stdlib.toml` starts at 15k."""
    for flops in (np.array([1e10, 3e11]), np.array([1e28, 1e32])):
        span, points = along_compute(fitted, flops)
        assert (np.diff(span) > 0).all()
        assert len(fitted.predict(points).table()) == len(span)


def test_a_label_is_cut_by_its_width_and_draws_no_formula() -> None:
    assert label_of("家" * 300) == "家" * 20 + "…"
    assert label_of("x" * 40) == "x" * 40
    assert label_of("x" * 41) == "x" * 40 + "…"
    assert label_of("a$b$") == r"a\$b\$"
    assert not label_of("_hidden from legends").startswith("_")


@pytest.mark.slow
def test_every_figure_of_a_fit_is_drawn_and_saved(fitted: Fit, tmp_path: Path) -> None:
    for kind in bs.figures.OF_A_FIT:
        figure = getattr(bs.figures, kind.replace("-", "_"))(fitted)
        assert isinstance(figure, Figure)
        assert bs.figures.save(figure, str(tmp_path / f"{kind}.png")) == []
