"""The report's section on benchmark scores and its menu: the numbers are those of `predict`.

Draws from a narrowed prior stand for a posterior: what they say of the scores is tested elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from axe_playwright_python.sync_playwright import Axe
from command_line import ended
from known_scores import score_table
from looking import faultless
from playwright.sync_api import Page

from bayescale import Runs, ScalingModel, Settings
from bayescale.fit.benchmarks.fit import BenchmarkFit
from bayescale.fit.benchmarks.notes import score_notes
from bayescale.model.benchmarks.design import design
from bayescale.report.content.benchmarks import benchmarks, score_points
from bayescale.report.figures.benchmarks import score_curves, split, tokens_per_param
from bayescale.report.sections import document
from bayescale.runs.benchmarks.registry import Benchmark, shipped
from bayescale.runs.benchmarks.scores import Scores
from bayescale.sampling.convergence import Convergence

HOSTILE = "<script>alert(1)</script>"
QUESTIONS = ("params=70B,tokens=15T", "params=1T,tokens=30T,family=Llama-3")
POINTS = ("params=70B,tokens=15T", "params=1T,tokens=30T")


def prior_fit(table: pd.DataFrame, form: str) -> BenchmarkFit:
    known = {"quiz": Benchmark(title=HOSTILE, chance=0.2, questions=500), **shipped()}
    scores = Scores.of(Runs.from_frame(table, name="ours", blank_counts=True), known=known)
    arrays, rng = design(scores, form), np.random.default_rng(0)
    sizes = {"chain": 2, "draw": 500, **arrays.data.sizes}
    draws = {}
    for name, dims in arrays.blocks.items():
        every = ("chain", "draw", *dims)
        draws[name] = (every, rng.normal(0, 0.5, [sizes[dim] for dim in every]))
    converged = Convergence(1.0042, 912.0, 804.0, 0, "level_z[0]")
    settings = Settings(draws=500, chains=2)
    return BenchmarkFit(form, scores, xr.Dataset(draws), converged, settings, score_notes(scores))


@pytest.fixture(scope="module")
def scored() -> BenchmarkFit:
    table = score_table(1)
    table["quiz"] = 0.21
    table["instruct"] = [i % 5 == 0 for i in range(len(table))]
    return prior_fit(table, "latent")


@pytest.fixture(scope="module")
def place(scored: BenchmarkFit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scored.save(tmp_path_factory.mktemp("scored") / "scores")


@pytest.fixture(scope="module")
def fit_folder(table: Runs, place: Path) -> Path:
    some = Runs.from_frame(table.table.head(8).reset_index(drop=True), name="eight")
    settings = Settings(draws=200, tune=300, chains=2)
    return ScalingModel("compute-only").fit(some, settings).save(place.parent / "fit")


@pytest.fixture(scope="module")
def reported(fit_folder: Path, place: Path) -> Path:
    out = place.parent / "report"
    questions = [word for text in QUESTIONS for word in ("--question", text)]
    code, _, err = ended("report", fit_folder, "--out", out, "--benchmarks", place, *questions)
    assert code in (0, 3), err  # a fit so short may not have converged
    return out


@pytest.fixture(scope="module")
def written(reported: Path) -> dict[str, Any]:
    return json.loads((reported / "report.json").read_text("utf-8"))


def predicted(place: Path, *options: str) -> Any:
    """What `benchmarks predict` prints, of each benchmark: `0.864 (0.794 to 0.915)`."""
    code, out, err = ended("benchmarks", "predict", place, *options, "--quiet")
    assert code == 0, err
    lines = [line.split() for line in out.splitlines() if line.startswith("new ")]
    return {words[3]: f"{words[4]} ({words[5]} to {words[6]})" for words in lines}


@pytest.mark.slow
def test_page_markdown_and_json_say_what_predict_says(
    reported: Path, written: dict[str, Any], place: Path
) -> None:
    content = written["benchmarks"]
    asked = [word for text in POINTS for word in ("--at", text)]
    code, out, _ = ended("benchmarks", "predict", place, *asked, "--json")
    assert code == 0
    told = json.loads(out)
    assert content["rows"] == told["rows"]
    assert {note["code"] for note in content["notes"]} == {"at-chance", "beyond-models"}
    page = (reported / "index.html").read_text("utf-8")
    text = (reported / "report.md").read_text("utf-8")
    cells = [cell for point in POINTS for cell in predicted(place, "--at", point).values()]
    assert len(set(cells)) == 2 * 5
    for shown in (page, text):
        assert "Benchmark scores" in shown
        assert "one model of a new family without instruction tuning on the benchmarks" in shown
        assert "70B parameters, 15T tokens" in shown
        assert "effective draws 912 in the bulk and 804 in the tails (at least 400)" in shown
        assert "[at-chance]" in shown.replace("\\", "")
        assert all(cell in shown for cell in cells)
    assert f"--benchmarks {place}" in written["reproduce"]["command"]


@pytest.mark.slow
def test_a_fit_of_scores_that_did_not_converge_is_said_first(written: dict[str, Any]) -> None:
    before = document(written, set()).alerts
    failed = {"level": "failure", "text": "R-hat 1.2", "hint": "draw more", "code": "unconverged"}
    scores = written["benchmarks"]
    converged = {**scores["convergence"], "passed": False}
    changed = {**written, "benchmarks": {**scores, "notes": [failed], "convergence": converged}}
    after = document(changed, set()).alerts
    assert [text for text in after if text not in before] == [
        "The fit of benchmark scores to ours did not converge: do not use its numbers. R-hat 1.2."
    ]


def test_without_a_question_it_is_the_most_compute_and_ten_times_that(
    scored: BenchmarkFit,
) -> None:
    curves = score_curves(scored)
    content = benchmarks(scored, score_points(scored, None), curves, asked=False)
    outside = [row["decades_outside"] for row in content["rows"]]
    assert outside == pytest.approx(5 * [0.0] + 5 * [1.0])
    ratios = [row["tokens"] / row["params"] for row in content["rows"]]
    assert ratios == pytest.approx(10 * [content["tokens_per_param"]])
    assert content["of"] == " of a new family without instruction tuning"
    assert [each["best"] for each in content["benchmarks"] if each["name"] == "quiz"] == [0.21]


def test_the_curves_are_what_predict_gives_at_each_point_alone(scored: BenchmarkFit) -> None:
    curves = score_curves(scored, also=[1.234e23])
    assert 1.234e23 in set(curves["flops"])
    for flops in (1e21, 1.234e23, 6.3e24):
        point = split(np.array([flops]), tokens_per_param(scored))
        alone = scored.predict(point)
        rows = curves[curves["flops"] == flops].drop(columns="flops").reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, alone)


def test_what_is_no_fit_of_scores_from_compute_is_refused_in_one_line(
    fit_folder: Path, place: Path, tmp_path: Path
) -> None:
    table = score_table(1)
    table["loss_web"] = np.linspace(3, 2, len(table))
    of_losses = prior_fit(table.drop(columns=["params", "tokens"]), "two-stage")
    assert of_losses.design.takes_losses
    for folder, says in (
        (of_losses.save(tmp_path / "losses"), "predicts scores from losses, and a report has none"),
        (fit_folder, "holds no fit of benchmarks; make one with `bayescale benchmarks fit`"),
        (tmp_path / "nothing", "holds no fit of benchmarks"),
    ):
        code, _, err = ended("report", "--out", tmp_path / "page", "--benchmarks", folder)
        assert code == 2
        assert says in err
        assert err.count("\n") == 1
    assert not (tmp_path / "page").exists()


@pytest.fixture
def page(browser: Any, reported: Path) -> Iterator[Page]:
    with faultless(browser, reported / "index.html") as opened:
        yield opened


def shown(page: Page) -> str:
    """The answer of the menu."""
    median, ends = (page.inner_text(f"[data-answer={name}]") for name in ("score", "score_run"))
    return f"{median} ({ends})"


def at_compute(flops: str, written: dict[str, Any]) -> str:
    return f"flops={flops},tokens_per_param={written['benchmarks']['tokens_per_param']!r}"


@pytest.mark.slow
def test_the_menu_has_the_digits_of_the_command_line(
    page: Page, written: dict[str, Any], place: Path
) -> None:
    menu = page.get_by_label("Benchmark", exact=True)
    titles = [shipped()[name].title for name in ("mmlu", "hellaswag", "winogrande", "gsm8k")]
    assert sorted(menu.locator("option").all_text_contents()) == sorted([HOSTILE, *titles])
    at_start = predicted(place, "--at", at_compute("6.3e24", written))
    menu.select_option(label="GSM8K")
    assert shown(page) == at_start["gsm8k"]
    compute = page.get_by_label("Training compute (FLOP)", exact=True)
    for flops in ("1e22", "2.5e23"):
        found = predicted(place, "--at", at_compute(flops, written))
        compute.fill(flops)
        for name, title in (("mmlu", "MMLU"), ("quiz", HOSTILE)):
            menu.select_option(label=title)
            assert shown(page) == found[name]
            assert title in page.locator("#benchmarks .chart").get_attribute("aria-label")
    note = page.locator("#benchmarks .explore p").first
    assert note.inner_text().endswith("Inside the data.")
    compute.fill("2.55e23")
    assert note.inner_text().endswith("Interpolated between two points of the curve.")
    compute.fill("1e40")
    assert shown(page) == "\N{EN DASH} (\N{EN DASH})"
    assert "The curves run from" in note.inner_text()


@pytest.mark.slow
def test_the_keyboard_alone_does_it(page: Page, written: dict[str, Any], place: Path) -> None:
    page.get_by_label("Benchmark", exact=True).focus()
    page.keyboard.type("MM")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type("9.9e21")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")  # of the slider
    assert page.get_by_label("Training compute (FLOP)", exact=True).input_value() == "1e+22"
    assert shown(page) == predicted(place, "--at", at_compute("1e22", written))["mmlu"]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_can_read_it_on_a_telephone_and_without_javascript(
    page: Page, browser: Any, scheme: Any
) -> None:
    page.emulate_media(color_scheme=scheme)
    violations = Axe().run(page).response["violations"]
    assert not [v["id"] for v in violations if v["impact"] in ("serious", "critical")]
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#benchmarks .chart canvas").bounding_box()["width"] <= 390
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(page.url)
    assert "bayescale benchmarks predict" in plain.locator("#benchmarks .fallback").inner_text()
    assert plain.locator("#benchmarks figure svg").count() == 1
    assert plain.locator("#benchmarks table").count() == 2
