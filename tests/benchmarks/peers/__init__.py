"""The field's own tools on the same splits as ours, each in an environment of its own.

`forecasts` hands a worker of this folder one split as JSON and gives what comes back: for each of
the worker's methods `{"method", "version", "draws", "seconds"}`, where `draws` is draws x test rows
of ln(response), one draw for a point prediction. A method that could not do the split has `error`
in place of the last two.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bayescale import BayescaleError

HERE = Path(__file__).parent

# What each worker's environment holds: the peer, and what its numbers come from.
PINS = {
    "bootstrap": ["numpy==2.5.5", "scipy==1.18.1"],
    "simple_scaling_laws": [
        "simple-scaling-laws==0.2.0",
        "numpy==2.5.5",
        "polars==2.1.0",
        "pyyaml==6.0.3",
        "scipy==1.18.1",
    ],
    "chinchilla_point": [
        "chinchilla==0.2.0",
        "attrdictx==0.1.0",
        "matplotlib==3.11.2",
        "numpy==2.5.5",
        "ordinal==1.0.3",
        "pandas==3.1.1",
        "pydantic==2.14.3",
        "rich==15.0.0",
        "ruamel-yaml==0.19.1",
        "scipy==1.18.1",
        "seaborn==0.13.2",
    ],
}


def settings(worker: str) -> dict:
    """All that a worker's forecasts depend on, beside the split."""
    code = [(HERE / name).read_text() for name in (f"{worker}.py", "_protocol.py")]
    return {"pins": PINS[worker], "code": code}


def find_uv() -> str:
    """Return uv, the user's or the one that `make` fetched.

    Raises
    ------
    BayescaleError
    """
    own = HERE.parents[2] / ".uv" / "bin" / "uv"
    found = shutil.which("uv") or (str(own) if own.is_file() else None)
    if found is None:
        raise BayescaleError("the peers need uv: use `make bench-skill`, which fetches it")
    return found


def forecasts(worker: str, split: dict) -> list[dict]:
    """Run a worker's methods on a split, on one core, in an environment that uv keeps.

    Raises
    ------
    BayescaleError
        If the environment cannot be made, or the worker ends early: the last line it wrote.
    """
    asked = [word for pin in PINS[worker] for word in ("--with", pin)]
    command = [find_uv(), "run", "--quiet", "--isolated", "--no-project"]
    command += ["--python", sys.executable, *asked, "python", str(HERE / f"{worker}.py")]
    cores = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
    extra = dict.fromkeys(cores, "1") | {"PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.json"), Path(folder, "out.json")
        source.write_text(json.dumps(split))
        ran = subprocess.run(
            [*command, source, target],
            env=os.environ | extra,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if ran.returncode:
            *_, last = ["", *ran.stderr.strip().splitlines()]
            raise BayescaleError(f"{worker}: exit {ran.returncode}: {last}")
        return json.loads(target.read_text())
