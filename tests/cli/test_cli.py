"""The command line as a user meets it: what it prints, what it refuses, what it leaves behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

GOOD = "run,family,tokenizer,params,tokens,bpc\na,A,t,7e9,2e12,0.5\nb,A,t,70e9,2e12,0.4\n"
SPEC = """
name = "mine"
title = "t"
law = "compute-linear"
response = "bpc"
params = "total"
noise = { on = "response", dist = "Normal" }
[priors]
level = { dist = "Normal", mu = 0.5, sigma = 0.25 }
slope = { dist = "Normal", mu = 0.0, sigma = 0.05 }
sigma = { dist = "HalfNormal", sigma = 0.05 }
"""


BAD_FILES = {
    "good.csv": GOOD,
    "empty.csv": "",
    "header.csv": "run,params,tokens,bpc\n",
    "billions.csv": "run,params,tokens,bpc\na,70,15,0.4\n",
    "text.csv": "run,params,tokens,bpc\na,7e9,many,0.4\n",
    "blank.csv": "run,params,tokens,bpc\na,7e9,,0.4\n",
    "negative.csv": "run,params,tokens,bpc\na,7e9,2e12,-0.4\n",
    "infinite.csv": "run,params,tokens,bpc\na,inf,2e12,0.4\n",
    "no_response.csv": "run,family,tokenizer,params,tokens\na,A,t,7e9,2e12\n",
    "no_group.csv": "run,params,tokens,bpc\na,7e9,2e12,0.4\n",
    "twice.csv": "run,params,tokens,bpc\na,7e9,2e12,0.4\na,8e9,2e12,0.4\n",
    "range.csv": "run,params,tokens,tokens_low,tokens_high,bpc\na,7e9,,2e12,1e12,0.4\n",
    "active.csv": "run,params,params_active,tokens,bpc\na,7e9,9e9,2e12,0.4\n",
    "torn.csv": 'run,params,tokens,bpc\na,"7e9,2e12,0.4\n',
    "broken.jsonl": '{"run": "a", "params"\n',
    "fake.parquet": "no parquet at all",
    "runs.xlsx": "unknown",
    "mine.toml": SPEC,
    "broken.toml": "name = ",
    "law.toml": SPEC.replace("compute-linear", "moore"),
    "prior.toml": SPEC.replace("sigma = 0.25", "scale = 0.25"),
}

BAD_FITS = [
    ("no-such-spec", "good.csv"),
    ("absent.toml", "good.csv"),
    ("broken.toml", "good.csv"),
    ("law.toml", "good.csv"),
    ("prior.toml", "good.csv"),
    ("compute-only", "absent.csv"),
    ("compute-only", "no-such-table"),
    ("compute-only", "empty.csv"),
    ("compute-only", "header.csv"),
    ("compute-only", "billions.csv"),
    ("compute-only", "text.csv"),
    ("compute-only", "blank.csv"),
    ("compute-only", "negative.csv"),
    ("compute-only", "infinite.csv"),
    ("compute-only", "no_response.csv"),
    ("compute-only", "no_group.csv"),
    ("compute-only", "twice.csv"),
    ("compute-only", "range.csv"),
    ("compute-only", "active.csv"),
    ("compute-only", "torn.csv"),
    ("compute-only", "broken.jsonl"),
    ("compute-only", "fake.parquet"),
    ("compute-only", "runs.xlsx"),
    ("compute-only", "good.csv", "--column", "bpc=val_bpc"),
    ("compute-only", "good.csv", "--column", "bpc"),
    ("compute-only", "good.csv", "--where", "bpc <"),
    ("compute-only", "good.csv", "--where", "bpc > 9"),
    ("compute-only", "good.csv", "--response", "accurracy"),
    ("compute-only", "good.csv", "--response", "accuracy"),
    ("compute-only", "good.csv", "--chains", "1"),
    ("compute-only", "good.csv", "--draws", "many"),
    ("compute-only", "good.csv", "--sampler", "gibbs"),
    ("compute-only", "good.csv", "--colour"),
    ("compute-only", "good.csv", "--out", "good.csv"),
]


@pytest.mark.parametrize("arguments", BAD_FITS, ids=" ".join)
def test_bad_input_is_one_line_and_nothing_is_written(run, tmp_path: Path, arguments) -> None:
    for name, text in BAD_FILES.items():
        (tmp_path / name).write_text(text)
    out = () if "--out" in arguments else ("--out", "new/fit")
    code, stdout, stderr = run("fit", *arguments, *out, "--json")
    assert code == 2
    assert stdout == ""
    assert stderr.startswith("bayescale: error: ")
    assert stderr.count("\n") == 1
    assert not list(tmp_path.rglob("fit.json"))
    assert {p.name for p in tmp_path.iterdir()} == set(BAD_FILES)


BAD_QUESTIONS = [
    ("predict", "--at", "params=70e9"),
    ("predict", "--at", "params=70e9,tokens=15Q"),
    ("predict", "--at", "params=70,tokens=15e12"),
    ("predict", "--at", "params=70e9,tokens=15e12,familly=Llama-3"),
    ("predict", "--at", "params=70e9,tokens=15e12,params=1e9"),
    ("predict", "--at", "params=70e9,tokens"),
    ("predict", "--at", "params=1e9:1e8:3,tokens=15e12"),
    ("predict", "--at", "params=1e9:1e12:1e12,tokens=15e12"),
    ("predict", "--at", "params=70e9,tokens=15e12", "--prob", "90"),
    ("predict", "--at", "params=70e9,tokens=15e12", "--kind", "median"),
    ("predict",),
    ("predict", "--points", "absent.csv"),
    ("invert",),
    ("invert", "--target", "-1"),
    ("invert", "--target", "nan"),
    ("predict", "--at", "params=70e9,tokens=15e12", "--target", "nan"),
    ("predict", "--at", "params=1e300,tokens=15e12"),
    ("invert", "--target", "0.35", "--params", "big"),
    ("invert", "--target", "0.35", "--params", "1e9", "--tokens", "1e12"),
    ("invert", "--target", "0.35", "--group", "colour=red"),
    ("invert", "--target", "0.35", "--prob", "0"),
]


@pytest.mark.parametrize("arguments", BAD_QUESTIONS, ids=" ".join)
def test_bad_questions_are_one_line(run, fitted_dir: Path, arguments) -> None:
    command, *rest = arguments
    code, stdout, stderr = run(command, fitted_dir, *rest)
    assert (code, stdout) == (2, "")
    assert stderr.startswith("bayescale: error: ")
    assert stderr.count("\n") == 1


def test_a_folder_that_is_no_fit(run, tmp_path: Path) -> None:
    for command in (("predict", tmp_path, "--at", "params=1e9,tokens=1e12"), ("report", tmp_path)):
        code, stdout, stderr = run(*command)
        assert (code, stdout) == (2, "")
        assert "not a fit" in stderr


def test_check_prints_every_problem(run, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(
        "run,params,tokens,bpc\n" + "".join(f"r{i},70,15,99\n" for i in range(9))
    )
    code, stdout, stderr = run("data", "check", "bad.csv")
    assert code == 2
    assert stdout.count("expected ") == 27
    assert stderr == "bayescale: error: bad.csv: 27 problems\n"
    code, stdout, _ = run("data", "check", "bad.csv", "--json")
    assert (code, len(json.loads(stdout)["problems"])) == (2, 27)
    code, stdout, _ = run("data", "check", "open-llm-bpc", "--json")
    said = json.loads(stdout)
    assert (code, said["ok"], said["runs"], said["latent_token_counts"]) == (0, True, 28, 5)


def test_lists(run) -> None:
    code, stdout, _ = run("models", "--json")
    names = {row["spec"] for row in json.loads(stdout)["models"]}
    assert code == 0
    assert {"compute-only", "compute-only-corpora", "chinchilla", "kaplan"} <= names
    code, stdout, _ = run("data", "--json")
    said = json.loads(stdout)
    assert said["tables"][0]["table"] == "open-llm-bpc"
    assert "besiroglu-2024" in said["published_laws"]


def test_a_spec_is_copied_edited_and_run(run, tmp_path: Path) -> None:
    code, text, _ = run("models", "compute-only")
    assert code == 0
    edited = text.replace('name = "compute-only"', 'name = "mine"').replace("0.25", "0.3")
    (tmp_path / "mine.toml").write_text(edited)
    code, stdout, stderr = run("fit", "mine.toml", "--json")
    said = json.loads(stdout)
    assert code == 0, stderr
    assert said["convergence"]["passed"]
    assert Path(said["fit"]) == Path("fits/mine")
    assert (tmp_path / "fits" / "mine" / "spec.toml").is_file()
    slope = next(p for p in said["parameters"] if p["name"] == "slope_per_decade")
    assert slope["lower"] < -0.0704 < slope["upper"]

    code, stdout, stderr = run("fit", "mine.toml", "--json")
    assert (code, stdout) == (2, "")
    assert "--overwrite" in stderr


def test_unconverged_is_saved_marked_and_exit_3(run, tmp_path: Path) -> None:
    code, stdout, stderr = run(
        "fit", "compute-only", "--draws", 100, "--tune", 100, "--chains", 2, "--json"
    )
    assert code == 3
    assert not json.loads(stdout)["convergence"]["passed"]
    assert "[unconverged]" in stderr
    code, stdout, stderr = run(
        "predict", "fits/compute-only", "--at", "params=70B,tokens=15T", "--json"
    )
    assert code == 3
    assert json.loads(stdout)["notes"][0]["code"] == "unconverged"
    code, stdout, stderr = run("report", "fits/compute-only", "--json")
    assert code == 3
    page = (tmp_path / "reports" / "compute-only" / "index.html").read_text()
    assert page.index("did not converge") < page.index("<h1>")


def test_predict_prints_one_object_and_the_same_numbers(run, fitted_dir: Path, fitted) -> None:
    at = ("--at", "params=70B,tokens=15T,family=Llama-3", "--at", "params=1e9:1e11:3,tokens=2e12")
    code, stdout, stderr = run(
        "predict", fitted_dir, *at, "--kind", "curve", "--prob", 0.8, "--target", 0.36, "--json"
    )
    said = json.loads(stdout)
    assert code == 0
    assert [row["params"] for row in said["rows"]] == pytest.approx([7e10, 1e9, 1e10, 1e11])
    point = {"params": 70e9, "tokens": 15e12, "family": "Llama-3"}
    expected = fitted.predict(point, "curve")
    row = expected.table(0.8).iloc[0]
    assert said["rows"][0]["lower"] == row["lower"]
    assert said["rows"][0]["probability"] == float(expected.probability_of_reaching(0.36).item())
    assert "extrapolation" in stderr


def test_points_from_a_file(run, fitted_dir: Path, tmp_path: Path) -> None:
    pd.DataFrame({"run": ["x"], "params": [7e9], "tokens": [2e12], "family": ["Yi"]}).to_json(
        tmp_path / "points.jsonl", orient="records", lines=True
    )
    code, stdout, _ = run("predict", fitted_dir, "--points", "points.jsonl", "--json")
    row = json.loads(stdout)["rows"][0]
    assert (code, row["run"], row["tokenizer"]) == (0, "x", "yi-64k")


def test_invert_prints_one_object(run, fitted_dir: Path) -> None:
    code, stdout, _ = run(
        "invert", fitted_dir, "--target", "0.35", "--params", "70e9", "--prob", "0.9", "--json"
    )
    said = json.loads(stdout)
    assert code == 0
    assert said["params"] == pytest.approx(70e9)
    assert said["flops"] == pytest.approx(6 * 70e9 * said["tokens"])


def test_tables_for_people(run, fitted_dir: Path) -> None:
    code, stdout, _ = run("predict", fitted_dir, "--at", "params=70e9,tokens=15e12,family=Orion")
    assert code == 0
    assert "70B" in stdout
    assert "Orion (new)" in stdout
    code, stdout, _ = run("invert", fitted_dir, "--target", "0.35")
    assert code == 0
    assert "any split" in stdout


# Importing, compiling and sampling, about.
@pytest.mark.parametrize("seconds", [4, 12, pytest.param(22, marks=pytest.mark.long)])
def test_an_interrupt_leaves_nothing(seconds: float, tmp_path: Path) -> None:
    script = (  # as in a terminal: a runner in the background may have SIGINT ignored
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from bayescale.cli.main import main; main()"
    )
    command = [sys.executable, "-c", script]
    running = subprocess.Popen(
        [*command, "fit", "kaplan", "--draws", "200000"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with pytest.raises(subprocess.TimeoutExpired):  # compiling, or sampling for minutes
        running.wait(seconds)
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "interrupted" in stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])  # written at the end, or at once
def test_output_that_cannot_be_written_is_one_line(
    fitted_dir: Path, unbuffered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    asked = ["predict", str(fitted_dir), "--at", "params=7e9,tokens=2e12"]
    commands = ([*asked], [*asked, "--json"], ["models"], ["--help"])
    for command in commands[:2] if unbuffered else commands:
        ours = [sys.executable, "-m", "bayescale.cli.process", *command]
        with Path("/dev/full").open("w") as full:
            ended = subprocess.run(
                ours, stdout=full, stderr=subprocess.PIPE, text=True, check=False
            )
        assert ended.returncode == 2, command
        assert ended.stderr.splitlines()[-1] == (
            "bayescale: error: output cannot be written: No space left on device"
        )
        reading, writing = os.pipe()
        os.close(reading)
        ended = subprocess.run(ours, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
        os.close(writing)
        assert ended.returncode == 1, command
        assert "Traceback" not in ended.stderr
        assert "Exception" not in ended.stderr


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['bayescale', '--help']\n"
        "from bayescale.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as e: assert not e.code\n"
        "heavy = {'pymc', 'arviz', 'arviz_stats', 'pandas', 'numpy', 'xarray', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_asking_a_saved_fit_loads_no_sampler(fitted_dir: Path) -> None:
    script = (
        "import sys; from bayescale import Fit\n"
        f"fit = Fit.load({str(fitted_dir)!r})\n"
        "fit.predict({'params': 7e9, 'tokens': 2e12}).table(); fit.invert(0.4, params=7e9)\n"
        "assert not {'pymc', 'nutpie', 'pytensor'} & set(sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
