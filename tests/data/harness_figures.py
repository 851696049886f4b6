"""Make harness.json: what lm-evaluation-harness says of a tiny model, for test_measure_bpc.py.

Run in an environment that has lm-eval, torch and transformers:

    PYTHONPATH=tests python tests/data/harness_figures.py
"""

import json
import math
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import tiny_models
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

with tempfile.TemporaryDirectory() as name:
    folder = tiny_models.save(Path(name) / "model", seed=3)
    figures = {}
    for length in (16, 64):
        harness = HFLM(str(folder), device="cpu", dtype="float32", max_length=length, batch_size=1)
        asked = [
            Instance(request_type="loglikelihood_rolling", doc={}, arguments=(text,), idx=number)
            for number, text in enumerate(tiny_models.documents())
        ]
        likelihoods = harness.loglikelihood_rolling(asked)
        size = sum(len(text.encode()) for text in tiny_models.documents())
        figures[str(length)] = {
            "log_likelihoods": likelihoods,
            "bits_per_byte": -sum(likelihoods) / size / math.log(2),
        }

versions = {package: version(package) for package in ("lm-eval", "torch", "transformers")}
made = {"made_by": "tests/data/harness_figures.py", "versions": versions, "max_length": figures}
Path(__file__).with_name("harness.json").write_text(json.dumps(made, indent=2) + "\n", "utf-8")
sys.stdout.write(f"{figures}\n")
