"""Every command's answer: as a table, JSON or CSV; its notes, its exit code, and quiet."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

import bayescale
from bayescale import Fit, ScalingModel, Settings

QUICK = Settings(draws=100, tune=100, chains=2)
POINT = ("--at", "params=70B,tokens=15T")


@pytest.fixture(scope="module")
def unconverged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fit = ScalingModel("compute-only").fit("open-llm-bpc", QUICK)
    assert not fit.convergence.passed
    return fit.save(tmp_path_factory.mktemp("fits") / "unconverged")


def answers(folder: Path) -> dict[str, tuple[object, ...]]:
    """Each command that answers from a fit."""
    return {
        "predict": ("predict", folder, *POINT),
        "invert": ("invert", folder, "--target", 0.4),
        "optimum": ("plan", "optimum", folder, "--flops", 1e24),
        "exhaust": ("exhaust", "--fit", folder),
        "discriminate": ("discriminate", folder, folder),
        "plot": ("plot", "curve", folder, "--out", "a.svg"),
        "report": ("report", folder, "--out", "page"),
    }


@pytest.mark.parametrize("name", answers(Path()))
def test_a_fit_that_did_not_converge_answers_with_exit_code_3(
    run, unconverged: Path, name: str
) -> None:
    arguments = answers(unconverged)[name]
    code, out, err = run(*arguments)
    assert code == 3
    assert out.startswith("did not converge: do not use these numbers\n")
    assert len(out.splitlines()) > 1
    assert "failure [unconverged]" in err
    code, out, _ = run(*arguments, "--json")
    assert code == 3
    assert "unconverged" in {note["code"] for note in json.loads(out)["notes"]}


def test_so_does_a_fit_in_a_stack(run, unconverged: Path, fitted: Fit, tmp_path: Path) -> None:
    other = ScalingModel("kaplan").fit("open-llm-bpc", QUICK)
    both = [Fit.load(unconverged), other]
    bayescale.stack(both, {fit.spec.name: 0.5 for fit in both}).save(tmp_path / "stack")
    assert run("predict", "stack", *POINT)[0] == 3
    assert run("plan", "optimum", "stack", "--flops", 1e24)[0] == 3


ALWAYS = [
    ("models",),
    ("data",),
    ("data", "check", "open-llm-bpc"),
    ("plan", "optimum", "--published", "devries-2023", "--flops", "1e23"),
    ("plan", "overhead", "--published", "devries-2023", "--size", "0.5"),
    ("plan", "serve", "--published", "devries-2023", "--target", "2", "--generated", "5T"),
    ("exhaust",),
]


@pytest.mark.parametrize("command", ALWAYS, ids=" ".join)
def test_three_forms(run, command: tuple[str, ...]) -> None:
    code, out, _ = run(*command, "--json")
    assert code == 0
    assert "notes" in json.loads(out)
    code, out, _ = run(*command, "--csv")
    assert code == 0
    for block in out.split("\n\n"):
        header, *rows = csv.reader(io.StringIO(block))
        assert rows
        assert all(len(row) == len(header) for row in rows)
    assert run(*command)[0] == 0
    code, out, err = run(*command, "--json", "--csv")
    assert (code, out) == (2, "")
    assert "--json --csv" in err


def test_csv_has_the_digits_of_json(run, fitted_dir: Path) -> None:
    command = ("predict", fitted_dir, *POINT, "--target", 0.36)
    (row,) = csv.DictReader(io.StringIO(run(*command, "--csv")[1]))
    (expected,) = json.loads(run(*command, "--json")[1])["rows"]
    for name in ("params", "tokens", "median", "lower", "upper", "probability", "decades_outside"):
        assert float(row[name]) == expected[name]
    (row,) = csv.DictReader(io.StringIO(run("invert", fitted_dir, "--target", 0.4, "--csv")[1]))
    assert row["params"] == ""  # any split
    assert float(row["flops"]) > 1e20


def test_json_of_what_writes_files(run, fitted_dir: Path) -> None:
    code, out, _ = run("plot", "check", fitted_dir, "--out", "a.svg", "--json")
    assert (code, json.loads(out)) == (0, {"figure": "check", "file": "a.svg", "notes": []})
    code, out, err = run("plot", "check", fitted_dir, "--out", "a.svg", "--csv")
    assert (code, out) == (2, "")
    assert "no table" in err
    code, out, _ = run("models", "kaplan", "--json")
    assert json.loads(out)["name"] == "kaplan"


def test_a_spec_is_printed_as_it_is(run) -> None:
    from bayescale.base import bundled

    assert run("models", "kaplan")[1] == bundled.specs()["kaplan"].read_text("utf-8")


def test_quiet_leaves_warnings(run, fitted_dir: Path) -> None:
    far = ("predict", fitted_dir, "--at", "params=10T,tokens=1e16")
    _, loud, err = run(*far)
    assert "info [new-group]" in err
    _, quiet, err = run(*far, "--quiet")
    assert quiet == loud
    assert err
    assert all(line.startswith("warning [") for line in err.splitlines())
    assert run("plot", "check", fitted_dir, "--out", "a.svg", "--quiet")[2] == ""


def test_progress_without_a_terminal_and_quiet(run) -> None:
    quick = ("fit", "compute-only", "--draws", 100, "--tune", 100, "--chains", 2, "--overwrite")
    _, _, err = run(*quick)
    first, second, *_ = err.splitlines()
    assert first.startswith("sampling 2 chains: 100 tuning draws, ")
    assert second.startswith("sampled in ")
    assert "saved in fits/compute-only\n" in err
    _, _, err = run(*quick, "--quiet")
    assert all(line.startswith(("warning [", "failure [")) for line in err.splitlines())


def test_discriminate_concludes_on_standard_output(
    run, fitted: Fit, fitted_dir: Path, tmp_path: Path
) -> None:
    ScalingModel("chinchilla").fit("open-llm-bpc", QUICK).save(tmp_path / "other")
    code, out, err = run("discriminate", fitted_dir, "other")
    assert code == 3
    assert out.splitlines()[-1].startswith("one run would tell most at ")
    assert "one run would tell" not in err
    _, out, _ = run("discriminate", fitted_dir, "other", "--json")
    assert json.loads(out)["most_informative"]["separation"]


def test_one_problem_is_one_problem(run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("params,tokens,bpc\n7e9,2e12,99\n")
    code, out, err = run("data", "check", "a.csv")
    assert (code, err) == (2, "bayescale: error: a.csv: 1 problem\n")
    assert "99" in out


def test_version_help_and_completion(run) -> None:
    assert run("--version")[:2] == (0, f"bayescale {bayescale.__version__}\n")
    for command in ((), ("predict",), ("plan", "serve"), ("measure", "read")):
        assert run(*command, "-h")[:2] == run(*command, "--help")[:2]
    env = {
        "_BAYESCALE_COMPLETE": "complete_bash",
        "COMP_WORDS": "bayescale pre",
        "COMP_CWORD": "1",
    }
    command = Path(sys.executable).with_name("bayescale")
    ended = subprocess.run([command], env=env, capture_output=True, text=True, check=False)
    assert ended.stdout.split() == ["predict"]


def test_only_public_names_show() -> None:
    names = dir(bayescale)
    assert set(names) == {*bayescale.__all__, "__version__"}
    assert "figures" in names
    assert all(getattr(bayescale, name) is not None for name in names)


def test_a_wrong_name_of_a_figure_loads_nothing() -> None:
    script = (
        "import sys; sys.argv = ['bayescale', 'plot', 'bogus', 'nowhere', '--out', 'a.svg']\n"
        "from bayescale.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as e: assert e.code == 2\n"
        "assert not {'numpy', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "figure 'bogus' not found; known: curve" in ended.stderr


def test_a_warning_of_python_is_one_line(run, monkeypatch: pytest.MonkeyPatch) -> None:
    import warnings

    from bayescale.base import bundled

    def warn() -> dict:
        for _ in range(3):
            warnings.warn("overflow encountered\nin exp", RuntimeWarning, stacklevel=1)
        return {}

    monkeypatch.setattr(bundled, "published_laws", warn)
    _, _, err = run("data")
    assert err.startswith("warning [RuntimeWarning] overflow encountered in exp; ")
    assert err.count("\n") == 1


def test_data_check_says_what_looks_like_a_slip(run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "run,params,tokens,flops,loss\na,7e9,2e12,1e21,2.0\nb,7e10,2e12,1e22,1.9\n"
    )
    code, out, err = run("data", "check", "a.csv", "--json")
    assert code == 0
    assert "flops-not-6nd" in {note["code"] for note in json.loads(out)["notes"]}
    assert "[flops-not-6nd]" in err


def test_tables_from_standard_input_with_units(run, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "run,params,tokens,bpc\na,7B,2T,0.5\nb,70B,2T,0.4\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    code, out, _ = run("data", "check", "-", "--units", "--json")
    assert (code, json.loads(out)["runs"]) == (0, 2)


def test_each_note_of_a_fit_is_printed_once(run, tmp_path: Path) -> None:
    rows = "".join(f"r{i},Only,t,{3**i}e9,1e12,{2.5 - 0.1 * i}\n" for i in range(6))
    (tmp_path / "runs.csv").write_text("run,family,tokenizer,params,tokens,loss\n" + rows)
    quick = ("--draws", 100, "--tune", 100, "--chains", 2, "--overwrite")
    code, out, err = run("fit", "kaplan", "runs.csv", *quick, "--json")
    notes = json.loads(out)["notes"]
    assert code in (0, 3)
    assert {"only-response", "single-level-group"} <= {note["code"] for note in notes}
    lines = [line for line in err.splitlines() if "[" in line]
    assert len(lines) == len(set(lines)) == len(notes)
    assert err.index("[only-response]") < err.index("sampling 2 chains")
    _, out, _ = run("fit", "kaplan", "runs.csv", *quick, "--keep-groups", "--json")
    names = {row["name"] for row in json.loads(out)["parameters"]}
    assert "level_family_sd" in names or any("family" in name for name in names)
