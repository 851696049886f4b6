"""All ratios side by side: `make bench`.

What the first second costs (`start.py`) and what rows cost (`rows.py`), one after another on one
machine, each figure with the most it may be. Exit code 1 if one is missed. `--json` prints one
object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from start import CASES, with_a_fit

WHAT = {
    "over_loop_by_hand": "a gradient of compute-only at 100,000 runs, over a loop by hand",
    "peak_gb": "GB of a fit of compute-only to 100,000 runs",
    "growth_a_row_compute-only": "a gradient a run at 100,000 runs, over 1,000: compute-only",
    "growth_a_row_forecast": "a gradient a run at 100,000 runs, over 1,000: forecast",
}


def ratios() -> list[dict[str, str | float]]:
    rows: list[dict[str, str | float]] = [
        {
            "what": f"bayescale {name}, over importing {CASES[name][1]}",
            "found": said["ratio"],
            "at_most": said["at_most"],
        }
        for name, said in with_a_fit(times=7).items()
    ]
    script = Path(__file__).with_name("rows.py")
    ended = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, check=False)
    said = json.loads(ended.stdout)
    return rows + [
        {"what": WHAT[name], "found": said["figures"][name], "at_most": most}
        for name, most in said["targets"].items()
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = ratios()
    if asked.json:
        print(json.dumps({"ratios": found}, indent=2))
    else:
        print("found  at most  what")
        for row in found:
            print(f"{row['found']:5.2f}  {row['at_most']:7.2f}  {row['what']}")
    sys.exit(any(row["found"] > row["at_most"] for row in found))
