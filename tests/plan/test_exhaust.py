"""Data exhaustion: the published scenario, its arithmetic, and impossible inputs."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from bayescale.base import bundled
from bayescale.base.errors import BayescaleError
from bayescale.plan.curve import Curve
from bayescale.plan.exhaustion import answer, exhaust
from bayescale.plan.scenario import Scenario
from bayescale.report.figures.plans import exhaustion_figure

DEFAULT = "villalobos-2024"


def scenario(**changes: dict | float) -> Scenario:
    """The default scenario with some of its quantities replaced."""
    file = Scenario.load(DEFAULT).model_dump()
    for name, value in changes.items():
        file[name] = {**file[name], **value} if isinstance(value, dict) else value
    return Scenario.model_validate(file)


KNOWN = {
    "stock": {"tokens": 100e12, "quality": 1.0, "repetition": 3.2, "growth": 0.0},
    "datasets": {"year": 2024.3, "tokens": 15e12, "growth": 0.38},
    "compute": {"year": 2024.0, "flops": 5e25, "growth": 0.6},
}


def test_the_default_reproduces_its_source() -> None:
    """Villalobos et al. 2024 (arXiv 2211.04325v2): median 2028, 80 % interval 2026 to 2032."""
    content = answer(exhaust(Scenario.load(DEFAULT))).content
    assert content["prob"] == 0.8
    for name, published in {"median": 2028, "lower": 2026, "upper": 2032}.items():
        assert abs(content["year"][name] - published) < 1, name
    by = {row["year"]: row["probability"] for row in content["years"]}
    assert by[2024] < 0.01
    assert by[2032] > 0.85  # "by 2032 very likely"
    assert list(by.values()) == sorted(by.values())


def test_the_stock_is_the_one_of_the_source() -> None:
    """Usable text 100T [22, 490] tokens, with repetition 320T [65, 1700], of 95 %."""
    drawn = Scenario.load(DEFAULT).sample()
    usable = drawn["stock.tokens"] * drawn["stock.quality"]
    for stock, published in (
        (usable, [22e12, 100e12, 490e12]),
        (usable * drawn["stock.repetition"], [65e12, 320e12, 1700e12]),
    ):
        np.testing.assert_allclose(stock.quantile([0.025, 0.5, 0.975]), published, rtol=0.1)
    # 250e9 pages of 7,000 bytes, 4 bytes a token: within the indexed web's interval.
    assert (
        float(drawn["stock.tokens"].min()) < 250e9 * 7000 / 4 < float(drawn["stock.tokens"].max())
    )


def test_the_arithmetic_of_the_trend() -> None:  # R10
    known = scenario(**KNOWN, trend_share=1.0)
    outlook = exhaust(known)
    assert (outlook.year - 2027.8).max() < 0.06
    np.testing.assert_allclose(outlook.year, 2024.3 + np.log10(320 / 15) / 0.38)


@pytest.mark.parametrize(
    ("flops", "overtraining", "tokens"), [(5e28, 1.0, 4.08e14), (6e27, 5.0, 3.16e14)]
)
def test_the_arithmetic_of_compute(flops: float, overtraining: float, tokens: float) -> None:  # R10
    compute = {"year": 2028.0, "flops": flops, "growth": 0.6}
    known = scenario(**KNOWN | {"compute": compute}, trend_share=0.0, overtraining=overtraining)
    demanded = exhaust(known).demanded.sel(year=2028)
    np.testing.assert_allclose(demanded, tokens, rtol=2e-3)


def test_overtraining_five_times_costs_a_year() -> None:
    usual, over = (exhaust(scenario(trend_share=0.0, overtraining=x)) for x in (1.0, 5.0))
    assert 0.7 < float(usual.year.median() - over.year.median()) < 1.5


def test_the_same_seed_gives_the_same_answer() -> None:
    laws = [Curve.published("besiroglu-2024")]
    first, again = (answer(exhaust(Scenario.load(DEFAULT), laws)).content for _ in range(2))
    assert json.dumps(first) == json.dumps(again)
    reseeded = answer(exhaust(scenario(seed=1))).content
    assert reseeded["year"]["median"] != first["year"]["median"]
    assert reseeded["year"]["median"] == pytest.approx(first["year"]["median"], abs=0.1)


def test_what_hangs_on_the_law() -> None:
    names = ("besiroglu-2024", "muennighoff-2023", "open-llm-least-squares")
    outlook = exhaust(Scenario.load(DEFAULT), [Curve.published(name) for name in names])
    *limited, line = outlook.outlooks
    for law in limited:
        assert bool((law.unlimited <= law.repeated + 1e-9).all())
        assert bool((law.repeated <= law.unrepeated + 1e-9).all())
        gap = (law.unrepeated - law.unlimited).median(("chain", "draw"))
        assert float(gap.sel(year=2024)) == pytest.approx(0, abs=1e-9)
        assert float(gap.sel(year=2032)) > 0.005
        assert float(np.isinf(law.extra_params).sel(year=2036).mean()) > 0.5
    np.testing.assert_allclose(line.unlimited, line.unrepeated, atol=1e-12)
    assert np.isfinite(line.extra_params).all()
    assert float(line.extra_params.sel(year=2032).median()) > 10
    assert [note.code for note in answer(outlook).notes] == ["crosses-zero"]


def test_repeats_follow_a_property_of_the_law_not_its_name() -> None:
    """Any law with an extension to repeated tokens borrows the scenario's decay of their worth."""
    curve = Curve.published("besiroglu-2024")
    renamed = replace(curve, name="mine", law=replace(curve.law, name="mine"))
    alone = replace(curve, name="alone", law=replace(curve.law, with_repeats=None))
    known, mine, without = exhaust(Scenario.load(DEFAULT), [curve, renamed, alone]).outlooks
    np.testing.assert_allclose(mine.repeated, known.repeated)
    assert without.repeated is None
    assert known.curve.law is curve.law  # the answer is still of the law that was named


@pytest.mark.parametrize("growth", [0.0, -0.1])
def test_demand_that_never_meets_the_stock(growth: float) -> None:
    still = scenario(**KNOWN | {"datasets": {**KNOWN["datasets"], "growth": growth}}, trend_share=1)
    outlook = exhaust(still, [Curve.published("besiroglu-2024")])
    content = answer(outlook).content
    assert content["never"] == 1
    assert content["year"]["median"] is None
    assert content["years"][-1]["probability"] == 0
    json.dumps(content, allow_nan=False)


def test_a_stock_that_is_used_up_already() -> None:
    small = scenario(**KNOWN | {"stock": {**KNOWN["stock"], "tokens": 1e9}})
    outlook = exhaust(small)
    assert float(outlook.year.max()) < 2024
    assert answer(outlook).content["years"][0]["probability"] == 1


IMPOSSIBLE = [
    ("lower = 130e12", "lower = -1", "above 0"),
    ("lower = 130e12, upper = 2100e12", "lower = 2100e12, upper = 130e12", "must not exceed"),
    ("lower = 130e12, upper = 2100e12", "lower = 130, upper = 2100", "expected 1e.06 to 1e.24"),
    ("lower = 0.1, upper = 0.4", "lower = 10, upper = 40", "expected 1e-06 to 1 as a share"),
    ("lower = 1.9, upper = 5.3", "lower = 0.5, upper = 5", "expected 1 to 10000 times"),
    ("lower = 0.0, upper = 0.1", "lower = -2.0, upper = 0.1", "expected -1 to 10"),
    ("lower = 0.27, upper = 0.48", "lower = 2.7, upper = 4.8", "decades a year"),
    ("overtraining = 1", "overtraining = 0", "above 0"),
    ("overtraining = 1", "overtraining = true", "give a number"),
    ("overtraining = 1", "overtraining = '5 times'", "give a number"),
    ("end = 2036", "end = 2200", "100 years at most"),
    ("overtraining = 1", "overtraining = nan", "finite"),
    ("end = 2036", "end = 2020", "must come before"),
    ("trend_share = 0.5", "trend_share = 2", "less than or equal to 1"),
    ("prob = 0.8 ", "prob = 80 ", "less than 1"),
    ("seed = 0", "sede = 0", "Extra inputs"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "says"), IMPOSSIBLE)
def test_impossible_scenarios_are_errors(right: str, wrong: str, says: str, tmp_path) -> None:
    text = bundled.inputs("scenarios")[DEFAULT].read_text("utf-8")
    assert right in text
    file = tmp_path / "mine.toml"
    file.write_text(text.replace(right, wrong), "utf-8")
    with pytest.raises(BayescaleError, match=says):
        Scenario.load(file)


def test_a_stock_that_may_lose_all_of_itself_is_an_error() -> None:
    risky = {"dist": "Normal", "lower": -0.9, "upper": 0.9, "prob": 0.5}
    with pytest.raises(BayescaleError, match="a year cannot lose all"):
        exhaust(scenario(stock={"growth": risky}))


def test_the_years_shown_change_no_answer() -> None:
    shown = exhaust(scenario(start=2030, end=2050)).year
    np.testing.assert_array_equal(shown, exhaust(Scenario.load(DEFAULT)).year)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("growth", "end"), [(-3.0, 2054), (0.0, 2054), (3.0, 2124)])
def test_extreme_growth_is_an_answer_without_a_word_from_numpy(growth: float, end: int) -> None:
    parts = {name: {**KNOWN[name], "growth": growth} for name in ("datasets", "compute")}
    laws = [Curve.published(name) for name in ("besiroglu-2024", "open-llm-least-squares")]
    outlook = exhaust(scenario(**KNOWN | parts, end=end), laws)
    json.dumps(answer(outlook).content, allow_nan=False)
    exhaustion_figure(outlook).savefig(io.BytesIO(), format="svg")


def test_trends_are_fitted_to_the_bundled_table() -> None:
    """Records from 1.4T tokens in February 2023 to 15T in April 2024: some decade in a year."""
    drawn = Scenario.load("open-models-2024").sample()
    low, high = drawn["datasets.growth"].quantile([0.05, 0.95])
    assert float(low) < np.log10(15 / 1.4) / 1.15 < float(high)
    assert float(high - low) > 0.1  # few records: the rate is far from known
    level = drawn["datasets.tokens"].median()
    assert 5e12 < float(level) < 20e12
    assert float(drawn["compute.growth"].median()) > 0.5


def test_a_trend_needs_dates_and_no_stated_growth(tmp_path) -> None:
    text = bundled.inputs("scenarios")["open-models-2024"].read_text("utf-8")
    table = tmp_path / "runs.csv"
    table.write_text("params,tokens\n1e9,1e12\n")
    for wrong, says in (
        (f'trend = "{table}"', "release_date"),
        ('trend = "open-llm-bpc"\ngrowth = 0.4', "or a table"),
        ('trend = "open-llm"', "not found"),
    ):
        file = tmp_path / "mine.toml"
        file.write_text(text.replace('trend = "open-llm-bpc"', wrong), "utf-8")
        with pytest.raises(BayescaleError, match=says):
            exhaust(Scenario.load(file))


def test_the_estimate_of_2022() -> None:
    """Low-quality text used up in 2030 to 2050 (arXiv 2211.04325v1)."""
    assert 2030 < float(exhaust(Scenario.load("villalobos-2022")).year.median()) < 2050


def test_scenarios_that_are_not_there() -> None:
    for name in ("villalobos", "absent.toml"):
        with pytest.raises(BayescaleError):
            Scenario.load(name)
