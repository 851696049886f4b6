"""Whether a change that should change no draw changes any.

`python tests/benchmarks/same_draws.py write FILE` keeps a digest of every variable of a short
posterior of each shipped spec, same seeds; `... check FILE` compares with it, name by name.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from bayescale import Runs, Settings, Spec
from bayescale.base import bundled
from bayescale.model.design import design
from bayescale.sampling.sampler import Sampler
from bayescale.testing import ladder

QUICK = Settings(draws=150, tune=200, chains=2, seed=3)


def digests() -> dict[str, dict[str, str]]:
    """Of the bundled table where it has what a spec needs, else of a simulated ladder."""
    found = {}
    for name in bundled.specs():
        spec = Spec.load(name)
        runs = Runs.read("open-llm-bpc")
        if not set(spec.columns) <= set(runs.table):
            spec, runs = spec.replace(response="bpc"), ladder()
        posterior, _ = Sampler(spec, design(spec, runs)).sample(QUICK)
        found[name] = {
            str(key): hashlib.sha256(np.ascontiguousarray(draws.values).tobytes()).hexdigest()[:16]
            for key, draws in posterior.data_vars.items()
        }
        print(name, len(found[name]), file=sys.stderr)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["write", "check"])
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    now = digests()
    if options.what == "write":
        options.file.write_text(json.dumps(now, indent=1) + "\n", "utf-8")
        sys.exit(0)
    before = json.loads(options.file.read_text("utf-8"))
    changed = {
        name: [key for key, value in before[name].items() if now.get(name, {}).get(key) != value]
        for name in before
    }
    for name, keys in changed.items():
        print(f"{name}: {'same' if not keys else 'changed: ' + ', '.join(keys)}")
    sys.exit(any(changed.values()))
