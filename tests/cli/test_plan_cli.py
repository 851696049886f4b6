"""The commands of decisions as a user meets them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def test_overhead_and_optimum_of_published_laws(run) -> None:
    code, out, _ = run("plan", "overhead", "--published", "devries-2023", "--size", 0.5, "--json")
    assert code == 0
    assert json.loads(out)["overhead"] == pytest.approx(0.208, abs=5e-4)
    options = ("--published", "besiroglu-2024", "--flops", "5.76e23", "--json")
    code, out, _ = run("plan", "optimum", *options)
    answer = json.loads(out)
    assert answer["params"] == pytest.approx(7.22e10, rel=1e-3)
    assert answer["tokens"] == pytest.approx(1.33e12, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("hoffmann-2022", 32.2e9), ("devries-2023", 41.7e9), ("muennighoff-2023", 70.0e9),
        ("kaplan-2020", 804e9), ("deepseek-2024", 82e9),
    ],
)  # fmt: skip
def test_every_published_law_has_an_optimum(run, name: str, params: float) -> None:
    code, out, _ = run("plan", "optimum", "--published", name, "--flops", 5.76e23, "--json")
    assert code == 0
    assert json.loads(out)["params"] == pytest.approx(params, rel=4e-3)


def test_symbols_are_explained_where_they_are_printed(run) -> None:
    _, out, _ = run("plan", "optimum", "--published", "besiroglu-2024", "--flops", "1e24")
    assert "a, where N grows as C^a" in out
    assert "b, where D grows as C^b" in out
    assert "fewest parameters within 1" in out


def test_serve(run) -> None:
    options = ("--published", "devries-2023", "--as-good-as", "30B", "--generated", "5T")
    code, out, _ = run("plan", "serve", *options, "--json", "--figure", "cost.svg")
    answer = json.loads(out)
    assert code == 0
    assert answer["params"] == pytest.approx(16.41e9, rel=1e-3)
    assert answer["unit"] == "FLOP"
    assert "<svg" in Path("cost.svg").read_text("utf-8")
    code, out, _ = run("plan", "serve", *options, "--prices", "sardana-2023")
    assert "dollars" in out


def test_exhaust(run) -> None:
    code, out, err = run("exhaust", "--json", "--figure", "when.png")
    answer = json.loads(out)
    assert code == 0
    assert 2027 < answer["year"]["median"] < 2029
    assert [law["compute_only"] for law in answer["laws"]] == [False, True]
    assert "crosses-zero" in err
    assert Path("when.png").stat().st_size > 10_000
    code, again, _ = run("exhaust", "villalobos-2024", "--json")
    assert again == out
    code, out, _ = run("exhaust")
    assert "used up in 2028" in out


def test_a_posterior_gives_means_and_intervals(run, fitted_dir: Path) -> None:
    code, out, err = run("plan", "optimum", fitted_dir, "--flops", 1e25, "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["params"] is None
    assert answer["bpc"]["lower"] < answer["bpc"]["mean"] < answer["bpc"]["upper"]
    assert "no-optimum" in err
    code, out, _ = run("exhaust", "--fit", fitted_dir, "--json")
    assert [law["law"] for law in json.loads(out)["laws"]] == ["compute-only"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("plan", "optimum", "--flops", "1e22"), "give one of"),
        (("plan", "optimum", "--published", "hofmann-2022", "--flops", "1e22"), "hoffmann-2022"),
        (("plan", "optimum", "--published", "devries-2023", "--flops", "much"), "not a number"),
        (("plan", "optimum", "--published", "devries-2023", "--flops", "-1"), "positive"),
        (("plan", "optimum", "--published", "deepseek-2024", "--flops", "0"), "positive"),
        (("plan", "optimum", "nowhere", "--flops", "1e22"), "nowhere"),
        (("plan", "overhead", "--published", "devries-2023", "--size", "0"), "positive"),
        (
            ("plan", "overhead", "--published", "open-llm-least-squares", "--size", "1"),
            "no overhead",
        ),
        (("plan", "serve", "--published", "devries-2023"), "give one of"),
        (("plan", "serve", "--published", "devries-2023", "--target", "1"), "no model"),
        (
            ("plan", "serve", "--published", "devries-2023", "--target", "2", "--prices", "free"),
            "prices 'free' not found",
        ),
        (("exhaust", "villalobos"), "villalobos-2024"),
        (("exhaust", "absent.toml"), "no such file"),
        (("exhaust", "--published", "deepseek-2024"), "an allocation of compute"),
        (
            (
                "plan",
                "overhead",
                "--published",
                "devries-2023",
                "--size",
                ".5",
                "--figure",
                "a.doc",
            ),
            ".svg",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line(run, arguments: tuple[str, ...], says: str) -> None:
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert says in err


def test_help_waits_for_nothing() -> None:
    heavy = "any(name in sys.modules for name in ('numpy', 'pymc', 'xarray', 'matplotlib'))"
    code = f"import sys; import bayescale.cli.main; sys.exit({heavy})"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
