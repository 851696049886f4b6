"""What the first second costs: `make bench-start`.

Whole processes, one after another and in turns: `bayescale fit compute-only` with its sampler
compiled before, against importing what it stands on; `bayescale predict` on that fit, likewise.
Ratios are of medians within this one run. `--json` prints one object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = Path(sys.executable).with_name("bayescale")
# Byte code is kept, as it is for a user.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
# Name to the command, what it is held against, and the most it may cost of that.
CASES = {
    "fit": (["fit", "compute-only", "--overwrite", "--out", "FIT"], "pymc, arviz, nutpie", 2.5),
    "predict": (
        ["predict", "FIT", "--at", "params=70e9,tokens=15T,family=Llama-3"],
        "numpy, xarray, pandas",
        1.5,
    ),
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT)
    return time.perf_counter() - start


def measured(fit: Path, times: int) -> dict[str, dict[str, float]]:
    said = {}
    for name, (arguments, imports, most) in CASES.items():
        command = [str(COMMAND), *(str(fit) if a == "FIT" else a for a in arguments)]
        bare = [sys.executable, "-c", f"import {imports}"]
        cold = seconds(command)
        pairs = [(seconds(command), seconds(bare)) for _ in range(times)]
        ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
        said[name] = {
            "first_seconds": cold,
            "seconds": ours,
            "import_seconds": theirs,
            "ratio": ours / theirs,
            "at_most": most,
        }
    return said


def with_a_fit(times: int) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        return measured(Path(folder) / "fit", times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    said = with_a_fit(asked.times)
    if asked.json:
        print(json.dumps(said, indent=2))
    else:
        for name, row in said.items():
            print(
                f"{name}: {row['seconds']:.2f} s (first {row['first_seconds']:.2f}), "
                f"importing {CASES[name][1]}: {row['import_seconds']:.2f} s, "
                f"ratio {row['ratio']:.2f} (at most {row['at_most']})"
            )
    return int(any(row["ratio"] > row["at_most"] for row in said.values()))


if __name__ == "__main__":
    sys.exit(main())
