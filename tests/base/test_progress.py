"""Progress where there is no terminal: lines on standard error."""

import re

import pytest

from bayescale.base import progress as progress_module
from bayescale.base.numbers import duration
from bayescale.base.output import standard_error
from bayescale.base.progress import FitProgress, SamplingProgress, TextProgress
from bayescale.base.settings import Settings


def test_each_fit_is_a_line_with_an_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    with FitProgress(4, 1, enabled=True) as progress:
        for _ in range(3):
            progress.advance()
    at_once, first, second, last = capsys.readouterr().err.splitlines()
    assert at_once == "3 fits to do"
    assert re.fullmatch(r"fit 2 of 4 finished, about \d+ s left", first)
    assert second.startswith("fit 3 of 4 finished, about")
    assert re.fullmatch(r"fit 4 of 4 finished, after \d+ s", last)


def test_sampling_has_a_line_at_its_start_and_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    with SamplingProgress(Settings(), enabled=True):
        assert capsys.readouterr().err == "sampling 4 chains: 1000 tuning draws, 3000 kept\n"
    assert capsys.readouterr().err == "sampled in 0 s\n"
    with pytest.raises(ValueError, match="x"), SamplingProgress(Settings(), enabled=True):
        raise ValueError("x")
    assert "sampled in" not in capsys.readouterr().err


def test_text_is_a_line_a_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now)
    with TextProgress(1000, enabled=True) as progress:
        for done in range(0, 1000, 10):
            now += 1.5
            progress.update("a.txt", done)
    said = capsys.readouterr().err.splitlines()
    assert said == ["40% of the text scored, now a.txt", "80% of the text scored, now a.txt"]


def test_quiet_and_disabled_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with standard_error(quiet=True), FitProgress(2, 0, enabled=True) as progress:
        progress.advance()
    with FitProgress(2, 0, enabled=False) as progress:
        progress.advance()
    assert capsys.readouterr().err == ""


def test_durations() -> None:
    assert (duration(4.2), duration(99), duration(120), duration(9000)) == (
        "4 s", "99 s", "2 min", "2.5 h",
    )  # fmt: skip
