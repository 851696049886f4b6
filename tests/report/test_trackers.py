"""Trackers: what `bayescale log` puts into a real MLflow store and a real W&B run."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from bayescale import Fit

pytestmark = pytest.mark.slow


@pytest.fixture
def log(run, fitted_dir: Path, monkeypatch: pytest.MonkeyPatch):
    """Log the default fit; without one the report's backtest would be sampled each time."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("WANDB_MODE", "offline")
    return lambda *options: run("log", str(fitted_dir), *options, "--json")


def test_a_fit_is_logged(log, fitted: Fit, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("wandb")
    store = (tmp_path / "mlruns").as_uri()
    code, out, error = log("--mlflow", store, "--wandb", "scaling")
    assert code == 0, error
    said = json.loads(out)

    client = mlflow.MlflowClient(tracking_uri=store)
    (experiment,) = client.search_experiments(filter_string="name = 'bayescale'")
    (found,) = client.search_runs([experiment.experiment_id])
    assert (found.info.run_id, found.info.status) == (said["mlflow"], "FINISHED")
    assert found.data.params["spec"] == "compute-only"
    assert found.data.params["draws"] == str(fitted.settings.draws)
    metrics, summary = found.data.metrics, fitted.summary()
    assert metrics["parameters/slope/lower"] == pytest.approx(summary.at["slope", "lower"])
    assert metrics["convergence/r_hat"] == pytest.approx(fitted.convergence.r_hat)
    report = json.loads(Path(said["report"], "report.json").read_text("utf-8"))
    first = report["fits"][0]["predictions"][0]
    assert metrics["forecast/1/upper"] == pytest.approx(first["new_run"]["upper"])
    place = Path(found.info.artifact_uri.removeprefix("file://"))
    assert len(pd.read_csv(place / "forecast.csv")) == len(report["fits"][0]["predictions"])
    assert set(pd.read_csv(place / "checks.csv")["status"]) <= {"passed", "attention", "failed"}
    assert (place / "report" / "index.html").read_bytes() == Path(
        said["report"], "index.html"
    ).read_bytes()

    (record,) = Path(said["wandb"]).glob("*.wandb")
    content = record.read_bytes()
    for text in (b"forecast/1/median", b"compute-only-report", b"parameters/slope/upper"):
        assert text in content
    tables = list(Path(said["wandb"]).rglob("parameters*.table.json"))
    assert len(json.loads(tables[0].read_text("utf-8"))["data"]) == len(summary)


def test_what_cannot_be_logged_is_one_line(log, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "name a tracker" in log()[2]
    code, _, error = log("--mlflow", "ftp://nowhere")
    if "mlflow" in sys.modules:
        assert code == 2
        assert error.splitlines()[-1].startswith("bayescale: error: --mlflow ftp://nowhere: ")
    for name in ("mlflow", "wandb"):
        monkeypatch.setitem(sys.modules, name, None)
        code, _, error = log(f"--{name}", "x")
        assert code == 2
        assert "pip install 'bayescale[trackers]'" in error
