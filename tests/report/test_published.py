"""The published report is what the code says today, up to Monte Carlo error."""

import json
from pathlib import Path
from typing import Any

import arviz_stats
import numpy as np
import pytest

from bayescale import Fit
from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.report.page import as_markdown
from bayescale.report.sections import document

HERE = Path(__file__).parents[2] / "reports" / "open-llm-bpc"
# Standard errors of a difference of two simulations that a number may be off by.
MOST = 5 * np.sqrt(2)


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    return json.loads((HERE / "report.json").read_text("utf-8"))


def test_its_sentences_and_markdown_are_those_of_its_numbers(published: dict[str, Any]) -> None:
    sections = published["document"]["sections"]
    blocks = [block for section in sections for block in section["blocks"]]
    drawn = {block["source"] for block in blocks if block["kind"] == "figure"}
    written = json.loads(json.dumps(document(published, drawn).to_dict()))
    assert written == published["document"], "run `make report`"
    assert as_markdown(published) == (HERE / "report.md").read_text("utf-8")
    page = (HERE / "index.html").read_text("utf-8")
    assert published["document"]["lead"] in page
    assert len(page.encode()) < 3_000_000


def test_its_parameters_are_those_of_a_fit_today(published: dict[str, Any], fitted: Fit) -> None:
    rows = {row["name"]: row for row in published["fits"][0]["parameters"]}
    today = fitted.summary()
    assert set(rows) == set(today.index)
    for name, row in today.iterrows():
        error = row["sd"] / np.sqrt(min(row["ess_bulk"], rows[name]["ess_bulk"]))
        assert abs(row["mean"] - rows[name]["mean"]) < MOST * error, f"{name}: run `make report`"


def test_its_forecasts_are_those_of_a_fit_today(published: dict[str, Any], fitted: Fit) -> None:
    for row in published["fits"][0]["predictions"]:
        groups = {g: row[g] for g in ("family", "tokenizer") if row[f"{g}_is"] == "known"}
        point = {"params": row["params"], "tokens": row["tokens"], **groups}
        for kind, key in (("curve", "curve"), ("run", "new_run")):
            draws = fitted.predict(point, kind).draws.isel(run=0)  # type: ignore[arg-type]
            for prob, end in ((0.05, "lower"), (0.95, "upper")):
                error = float(arviz_stats.mcse(draws, method="quantile", prob=prob))
                now = float(draws.quantile(prob, SAMPLE_DIMS))
                assert abs(now - row[key][end]) < MOST * error, "run `make report`"


def test_its_first_law_forecasts_the_same_beside_the_others(published: dict[str, Any]) -> None:
    first, *others = published["law"]["forecasts"]
    assert {model["model"] for model in others} == {"separate-slopes", "chinchilla"}
    for row, prediction in zip(first["rows"], published["fits"][0]["predictions"], strict=True):
        assert row == {name: prediction[name] for name in ("median", "new_run")}
