"""Generated parts of pages: what a registry or a report says, as Markdown to include."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from typer.cli import app
from typer.testing import CliRunner

from bayescale.laws import LAWS
from bayescale.runs.columns import COLUMNS

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "reports"


def write(folder: Path) -> None:
    """Write each part to a file of its name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in PARTS.items():
        path, text = folder / f"{name}.md", part()
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table; the keys of the first row are the header."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def _columns() -> str:
    rows = [
        {
            "column": f"`{column.name}`",
            "kind": column.kind,
            "unit": column.unit,
            "plausible": "text" if column.kind == "group" else f"{column.low:g} to {column.high:g}",
            "often called": ", ".join(f"`{header}`" for header in column.headers),
        }
        for column in COLUMNS.values()
    ]
    return table(rows)


def _commands() -> str:
    """The help of every command, as typer writes it."""
    arguments = ["bayescale.cli.main", "utils", "docs", "--name", "bayescale"]
    text = CliRunner().invoke(app, arguments, catch_exceptions=False).output
    return text.partition("\n")[2].replace("```console", "```text")


def _laws() -> str:
    rows = [
        {
            "law": f"`{law.name}`",
            "equation": f"`{law.equation}`",
            "inputs": ", ".join(f"`{name}`" for name in law.inputs),
            "source": law.citation,
        }
        for law in LAWS.values()
    ]
    return table(rows)


def _read(name: str) -> dict[str, Any]:
    """The numbers of a report."""
    return json.loads((REPORTS / name).read_text("utf-8"))


def _versions(name: str, content: dict[str, Any]) -> str:
    """When a report was written, by which versions."""
    when = subprocess.run(
        ["git", "log", "-1", "--format=%cs", "--", f"reports/{name}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    versions = ", ".join(f"{package} {version}" for package, version in content.items())
    return f"\n*{when}; {versions}.*\n"


def _skill() -> str:
    """Scores of every method on splits of published tables."""
    skill = _read("forecast-skill/skill.json")
    rows = []
    for method in skill["methods"]:
        mean = method["mean"]
        shares = mean.get("coverage", {})
        scores = (mean.get(name) for name in ("interval_score", "crps", "rmse"))
        rows.append(
            {"method": method["method"], "version": method["version"]}
            | {f"in {level} %": _number(shares.get(level)) for level in ("90", "80", "50")}
            | dict(
                zip(
                    ("interval score", "CRPS", "RMSE"),
                    (_number(score, 100) for score in scores),
                    strict=True,
                )
            )
        )
    return table(rows) + _versions("forecast-skill/skill.json", skill["versions"])


def _by_split() -> str:
    """Coverage of 90 % intervals split by split, of the methods that have intervals."""
    skill = _read("forecast-skill/skill.json")
    methods = [method for method in skill["methods"] if "coverage" in method["mean"]]
    rows = [
        {"split": name, "to fit": sizes["n_train"], "to predict": sizes["n_test"]}
        | {
            method["method"]: _number(method["splits"][name]["coverage"]["90"])
            for method in methods
        }
        for name, sizes in skill["splits"].items()
    ]
    return table(rows)


def _circle() -> str:
    """Forecasts of the larger run of the ladder, and what it had."""
    circle = _read("full-circle/circle.json")
    rows = [
        {
            "spec": f"`{name}`",
            "response": forecast["response"],
            "median": f"{forecast['median']:.3f}",
            "90 % interval": f"{forecast['lower']:.3f} to {forecast['upper']:.3f}",
            "observed": f"{circle['beyond'][forecast['response']]:.3f}",
            "decades outside": f"{forecast['decades_outside']:.2f}",
            "R-hat": f"{forecast['r_hat']:.3f}",
        }
        for name, forecast in circle["forecasts"].items()
    ]
    return table(rows) + _versions("full-circle/circle.json", circle["versions"])


def _checks() -> str:
    """The checks of the report on the bundled table."""
    report = _read("open-llm-bpc/report.json")
    rows = [
        {"check": check["name"]} | {name: check[name] for name in ("status", "found", "wanted")}
        for check in report["fits"][0]["checks"]
    ]
    return table(rows) + _versions("open-llm-bpc/report.json", report["reproduce"]["versions"])


def _laws_compared() -> str:
    """Three laws on the bundled table, left out by family."""
    names = ("elpd", "elpd_diff", "dse", "weight", "coverage_90", "crps", "rmse")
    rows = [
        {"model": f"`{model['model']}`"} | {name: f"{model[name]:.3g}" for name in names}
        for model in _read("open-llm-bpc/report.json")["law"]["models"]
    ]
    return table(rows)


def _bundled() -> str:
    """What the fit of the bundled table says, with its intervals."""
    report = _read("open-llm-bpc/report.json")
    fit, law = report["fits"][0], report["law"]
    found = {row["name"]: row for row in fit["parameters"]}
    line = fit["reference"]

    def estimate(row: dict[str, Any], scale: float = 1.0, digits: int = 4) -> str:
        ends = (row[name] * scale for name in ("median", "lower", "upper"))
        return "{} ({} to {})".format(*(f"{end:.{digits}f}" for end in ends))

    rows = {
        "change of bpc per tenfold N D": estimate(found["slope_per_decade"]),
        f"the same by least squares on {line['runs']} reference runs": (
            f"{line['slope_per_decade']:.4f} (R² {line['r_squared']:.3f})"
        ),
        "effect of a tenfold N minus that of a tenfold D (`separate-slopes`)": estimate(
            law["difference"]["difference_per_decade"]
        ),
        "standard deviation between families": estimate(found["level_family_sd"]),
        "standard deviation between tokenizers": estimate(found["level_tokenizer_sd"]),
    }
    rows |= {
        f"tokens of {row['run']}, if the law holds": estimate(row, 1e-12, 1) + " trillion"
        for row in fit["latent_tokens"]
    }
    rows |= {
        f"{row['run']}, fitted to the {fit['holdout']['runs']} reference runs; "
        f"observed {row['observed']}": estimate(row, digits=3)
        for row in fit["holdout"]["rows"]
    }
    far = fit["predictions"][2]
    for each in law["forecasts"]:
        row = each["rows"][2]
        what = f"one new run, {far['run']}, under `{each['model']}`"
        rows[what] = estimate({"median": row["median"], **row["new_run"]}, digits=3)
    return table([{"quantity": name, "median and 90 %": text} for name, text in rows.items()])


def _number(value: float | None, scale: float = 1.0) -> str:
    return "-" if value is None else f"{scale * value:.2f}"


PARTS = {
    "bundled": _bundled,
    "checks": _checks,
    "circle": _circle,
    "columns": _columns,
    "commands": _commands,
    "laws": _laws,
    "laws-compared": _laws_compared,
    "skill": _skill,
    "skill-by-split": _by_split,
}
