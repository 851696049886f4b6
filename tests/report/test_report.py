"""The report: one page with nothing fetched, every number of it in the JSON beside it."""

import ast
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from bayescale import Fit, Runs, ScalingModel, Settings, Spec
from bayescale.evaluation.reference import reference_runs
from bayescale.report import write as report
from bayescale.report.content.posterior import parameters
from bayescale.report.write import write

HOSTILE = ("<script>alert(1)</script>", "家" * 300, r'_quote"&amp;$\frac{$')


class Page(HTMLParser):
    """Tags, what they point to, and the text that a reader sees."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "action") and value:
                self.links.append(value)
            if name == "id" and value:
                self.ids.append(value)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def reference(fitted: Fit) -> Fit:
    return ScalingModel("compute-only").fit(reference_runs(fitted.runs))


@pytest.fixture(scope="module")
def reported(fitted: Fit, reference: Fit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    write([fitted, reference], out, command="bayescale report")
    return out


def test_the_page_stands_alone(reported: Path) -> None:
    text = (reported / "index.html").read_text("utf-8")
    page = Page(text)
    assert "iframe" not in page.tags
    assert all(link.startswith("#") or link == "data:," for link in page.links)
    assert "url(http" not in text
    assert "@import" not in text
    assert page.tags.count("svg") == 8
    assert page.tags.count("figure") == 8
    assert len(page.ids) == len(set(page.ids))
    assert len(text) < 3_000_000


def test_question_answer_priors_checks_and_how_to_reproduce(reported: Path, fitted: Fit) -> None:
    written = json.loads((reported / "report.json").read_text("utf-8"))
    text = " ".join(Page((reported / "index.html").read_text("utf-8")).text.split())
    (fit,) = written["fits"]
    answer = fit["predictions"][0]
    point = {"params": answer["params"], "tokens": answer["tokens"], "family": "Llama-3"}
    for kind, key in (("curve", "curve"), ("run", "new_run")):
        row = fitted.predict(point, kind).table().iloc[0]
        assert answer[key] == {"lower": row["lower"], "upper": row["upper"]}
    assert f"{answer['new_run']['lower']:.3f}" in text
    for expected in ("What will a run reach", "Normal(mu = 0.5, sigma = 0.25)", "R-hat",
                     "bayescale report", "seed 0", "arXiv 2404.19484", "Mistral-7b"):  # fmt: skip
        assert expected in text
    assert (round(fit["reference"]["slope"], 4), round(fit["reference"]["r_squared"], 3)) == (
        -0.0306, 0.959,
    )  # fmt: skip
    assert {row["run"] for row in fit["holdout"]["rows"]} == {"Qwen2-72B", "DeepSeek-V2"}
    assert {row["run"] for row in fit["latent_tokens"]} == {
        "Mistral-7b", "Mixtral-8x7B", "Mixtral-8x22B-v0.1", "Qwen-1.5-32b", "Qwen1.5-110B",
    }  # fmt: skip


def test_the_posterior_of_the_reference_runs_agrees_with_least_squares(reported: Path) -> None:
    (fit,) = json.loads((reported / "report.json").read_text("utf-8"))["fits"]
    rows = {row["name"]: row for row in fit["holdout"]["parameters"]}
    for name in ("slope", "slope_per_decade", "intercept"):
        assert rows[name]["lower"] < fit["reference"][name] < rows[name]["upper"]


def test_the_same_fits_give_the_same_page(
    reported: Path, fitted: Fit, reference: Fit, tmp_path: Path
) -> None:
    write([fitted, reference], tmp_path, command="bayescale report")
    for file in ("index.html", "report.json"):
        assert (tmp_path / file).read_bytes() == (reported / file).read_bytes()


def test_two_fits_of_one_spec_each_show_their_own_figures(fitted: Fit, tmp_path: Path) -> None:
    """Figures were once looked up by the spec's name, which two fits can share."""
    frame = fitted.runs.table.assign(run=[f"ours-{i}" for i in range(28)])
    ours = ScalingModel("compute-only").fit(
        Runs.from_frame(frame, name="ours"), Settings(draws=200, tune=300, chains=2)
    )
    written = write([fitted, ours], tmp_path, command="x")
    assert [fit["runs"]["name"] for fit in written["fits"]] == ["open-llm-bpc", "ours"]
    text = (tmp_path / "index.html").read_text("utf-8")
    second = text[text.index('id="f1-check-figure_1"') :]
    assert "ours-3" in second[: second.index("</svg>")]


def test_a_report_without_groups(chinchilla_240: Fit, tmp_path: Path) -> None:
    written = write([chinchilla_240], tmp_path, command="x", target=2.1)
    (fit,) = written["fits"]
    assert written["passed"]
    assert [row["run"] for row in fit["predictions"]][-1] == "ten times its compute"
    assert fit["inverse"][0]["target"] == 2.1
    assert "nats per token" in (tmp_path / "index.html").read_text("utf-8")


def test_a_table_of_two_runs_without_token_counts(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"params": [7e9, 7e10], "tokens_low": 1e12, "tokens_high": 2e12, "bpc": [0.5, 0.4]}
    )
    spec = Spec.load("compute-only").replace(groups=False)
    fit = ScalingModel(spec).fit(Runs.from_frame(frame), Settings(draws=200, tune=200, chains=2))
    written = write([fit], tmp_path, command="x")
    assert len(written["fits"][0]["latent_tokens"]) == 2
    json.loads((tmp_path / "report.json").read_text("utf-8"))


@pytest.mark.parametrize(
    "spec", ["compute-only-corpora", pytest.param("chinchilla", marks=pytest.mark.long)]
)
def test_other_specs_have_reports_too(spec: str, table: Runs, tmp_path: Path) -> None:
    fit = ScalingModel(spec).fit(table, Settings(draws=200, tune=300, chains=2))
    written = write([fit], tmp_path, command="x")
    assert len(written["fits"]) == 1
    assert "did not converge" in (tmp_path / "index.html").read_text("utf-8")


def test_every_parameter_of_a_discrepancy_has_a_meaning(forecast: Fit) -> None:
    rows = parameters(forecast)
    assert {"discrepancy_amplitude", "discrepancy_local_growth"} <= {row["name"] for row in rows}
    assert all(row["meaning"] for row in rows)


@pytest.mark.filterwarnings("error::UserWarning:bayescale")
def test_hostile_names_are_shown_as_text(table: Runs, tmp_path: Path) -> None:
    frame = table.table.reset_index(drop=True)
    names = dict(zip(("Falcon", "Yi", "Llama-3"), HOSTILE, strict=True))
    frame["family"] = frame["family"].replace(names)
    frame.loc[0, "run"] = HOSTILE[0]
    runs = Runs.from_frame(frame, name=HOSTILE[0])
    fit = ScalingModel("compute-only").fit(runs, Settings(draws=200, tune=300, chains=2))
    fit.save(tmp_path / "fit")
    write([Fit.load(tmp_path / "fit")], tmp_path / "out", command="x")
    text = (tmp_path / "out" / "index.html").read_text("utf-8")
    page = Page(text)
    assert HOSTILE[0] in page.text
    assert HOSTILE[1] in page.text
    json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert re.search(r"<svg[^>]*>", text)


def test_every_word_of_the_page_is_in_the_file_of_sentences() -> None:
    """Two words in a row are prose; templates and the script must have none of their own."""
    folder = Path(report.__file__).parent
    prose = re.compile(r"[A-Za-z]{2,} [a-z]{2,}")
    for template in folder.glob("page/*.j2"):
        plain = re.sub(r"{[{%].*?[}%]}", "", template.read_text("utf-8"), flags=re.S)
        for markup in ("<style>", "<script>", '"use strict";'):
            plain = plain.replace(markup, "")
        assert not prose.search(Page(plain).text)
    for path in folder.glob("page/*.js"):
        script = re.sub(r"//.*", "", path.read_text("utf-8"))
        texts = re.findall(r'"([^"\n]*)"|`([^`]*)`', script)
        assert not [text for pair in texts for text in pair if prose.search(text)]
    for module in (folder / "sections").glob("*.py"):
        for call in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in ("Paragraph", "Heading"):
                assert not isinstance(call.args[0], ast.Constant | ast.JoinedStr), module.name
