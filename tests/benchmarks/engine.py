"""How long fits take: `make bench-engine`.

Whole processes, in turns: ours with compiled code kept from before against `scaling-laws fit` of
simple-scaling-laws with its defaults, each on the same rows; ours where nothing is kept, less a
warm one; a comparison by family. Medians of `--times` turns on this machine, each with the most it
may be. Tables are fetched by name. Exit code 1 if a target is missed. `--json` prints one object.
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

import pandas as pd
import peers

from bayescale import Runs

COMMAND = Path(sys.executable).with_name("bayescale")
PEER = Path(__file__).parents[2] / "build" / "simple-scaling-laws"
# The peer's headers.
HEADERS = {
    "run": "training_run_id",
    "params": "model_size__params",
    "tokens": "dataset_size__tokens",
    "loss": "test_loss__response",
}
# A fit of ours, the table, and the most it may take of the peer's fit of the same.
AGAINST = [
    (["chinchilla", "--no-groups"], "chinchilla", 1.2),
    (["forecast"], "chinchilla", 2.0),
    (["forecast"], "farseer", 4.0),
    (["forecast"], "eight", 1.5),
]
# Seconds that a first fit may take longer than a later one, and a comparison may take.
COLD_MOST, COMPARE_MOST = 12.0, 30.0


def tables() -> dict[str, pd.DataFrame]:
    """Chinchilla's 240 points, 404 rows of Farseer's grid, and eight of the first."""
    columns = ["run", "params", "tokens", "loss"]
    kept = Runs.fetch("chinchilla-points", where="drop_in_besiroglu == False")
    grid = Runs.fetch("scalebench-farseer", where="split == 'train'").table
    chinchilla, farseer = kept.table[columns], grid.rename(columns={"bpc": "loss"})[columns]
    return {
        "chinchilla": chinchilla,
        "farseer": farseer,
        "eight": chinchilla.sample(8, random_state=1),
    }


def seconds(command: list[str], **environment: str) -> float:
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    ended = subprocess.run(
        command, env=kept | environment, capture_output=True, text=True, check=False
    )
    if ended.returncode not in (0, 3):
        sys.exit(f"{' '.join(command)}: {ended.stderr}")
    return time.perf_counter() - start


def the_peer() -> str:
    """The peer's command, in an environment of its own that is kept in build/."""
    command = PEER / "bin" / "scaling-laws"
    if not command.is_file():
        uv = peers.find_uv()
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, PEER], check=True)
        pins = peers.PINS["simple_scaling_laws"]
        subprocess.run([uv, "pip", "install", "--quiet", "--python", PEER, *pins], check=True)
    return str(command)


def measured(times: int) -> list[dict[str, str | float]]:
    peer = the_peer()
    rows: list[dict[str, str | float]] = []

    def row(what: str, found: float, most: float) -> None:
        rows.append({"what": what, "found": found, "at_most": most})
        print(f"{found:6.2f}  {most:7.2f}  {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name, table in tables().items():
            table.to_csv(place / f"{name}.csv", index=False)
            table.rename(columns=HEADERS).to_csv(place / f"{name}-peer.csv", index=False)
        for spec, name, most in AGAINST:
            out = ["--out", str(place / "fit"), "--overwrite"]
            ours = [str(COMMAND), "fit", *spec, str(place / f"{name}.csv"), *out]
            seconds(ours)
            pairs = []
            for turn in range(times):
                theirs = [peer, "fit", str(place / f"{name}-peer.csv"), "--output"]
                pairs.append((seconds(ours), seconds([*theirs, str(place / f"{name}-{turn}")])))
            one, other = (statistics.median(side) for side in zip(*pairs, strict=True))
            what = f"fit {' '.join(spec)}, {name}: {one:.1f} s over the peer's {other:.1f} s"
            row(what, one / other, most)
            for turn in range(times):
                subprocess.run(["rm", "-r", str(place / f"{name}-{turn}")], check=True)
        for spec in ("compute-only", "forecast"):
            source = [] if spec == "compute-only" else [str(place / "chinchilla.csv")]
            ours = [str(COMMAND), "fit", spec, *source, "--out", str(place / "fit"), "--overwrite"]
            cold = []
            for turn in range(times):
                empty = str(place / f"cache-{spec}-{turn}")
                cold.append(seconds(ours, XDG_CACHE_HOME=empty, HOME=empty))
            warm = statistics.median(seconds(ours) for _ in range(times))
            beyond = statistics.median(cold) - warm
            row(f"first fit {spec}: seconds beyond {warm:.1f}", beyond, COLD_MOST)
        by_family = [str(COMMAND), "compare", "compute-only", "chinchilla", "kaplan"]
        by_family += ["--by", "family", "--json"]
        seconds(by_family)
        found = statistics.median(seconds(by_family) for _ in range(times))
        row("compare compute-only chinchilla kaplan --by family: seconds", found, COMPARE_MOST)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rows = measured(asked.times)
    if asked.json:
        print(json.dumps({"ratios": rows}, indent=2))
    sys.exit(any(row["found"] > row["at_most"] for row in rows))
