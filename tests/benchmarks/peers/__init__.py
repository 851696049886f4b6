"""The field's own tools on the same splits as ours, each in an environment of its own.

`run_peers` hands every worker of this folder the splits as JSON and merges what comes back: a list
of methods, each `{"method", "version", "splits": [{"name", "draws", "seconds"}]}`, where `draws` is
draws x test rows of ln(response), one draw for a point prediction. A split that a peer could not
do holds `{"name", "error"}` instead.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

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


def run_peers(splits: list[dict], progress: Callable[[str], None]) -> list[dict]:
    """Run every worker on the splits, one core each and one after another."""
    methods: list[dict] = []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in.json")
        source.write_text(json.dumps(splits))
        for worker, pins in PINS.items():
            progress(f"{worker}: making its environment")
            target = Path(folder, f"{worker}.json")
            error = _run([*_python(pins), str(HERE / f"{worker}.py"), source, target], progress)
            if error:
                failed = [{"name": split["name"], "error": error} for split in splits]
                methods.append({"method": worker, "version": pins[0], "splits": failed})
            else:
                methods += json.loads(target.read_text())
    return methods


def _python(pins: list[str]) -> list[str]:
    """Return the start of a command in an environment that uv keeps in its own cache."""
    own = HERE.parents[2] / ".uv" / "bin" / "uv"  # where `make` puts it
    uv = shutil.which("uv") or str(own)
    if not Path(uv).is_file():
        raise FileNotFoundError("the peers need uv: run `make report` once, or install uv")
    asked = [word for pin in pins for word in ("--with", pin)]
    return [uv, "run", "--quiet", "--isolated", "--no-project", "--python", sys.executable, *asked]


def _run(command: list, progress: Callable[[str], None]) -> str:
    """Run a worker, pass its lines on, and return the last line of what went wrong, if any."""
    one_core = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"], "1")
    with tempfile.TemporaryFile("w+") as complaints:
        with subprocess.Popen(
            command,
            env=os.environ | one_core | {"PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        ) as process:
            for line in process.stdout or ():
                progress(line.rstrip())
        complaints.seek(0)
        lines = complaints.read().strip().splitlines() or [""]
    return f"exit {process.returncode}: {lines[-1]}" if process.returncode else ""
