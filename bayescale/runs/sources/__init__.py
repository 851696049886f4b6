"""Sources: published tables of runs by name, from files that stay where they are published.

`data/sources.toml` says what each is; a parser here turns its files into a table of runs. Only
`fetch` goes to the network: reading a name that has not been fetched says what to do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from bayescale.base.errors import BayescaleError
from bayescale.runs.sources import (
    benchmarks,
    chinchilla,
    curves,
    datablations,
    gadre,
    marin,
    olmo,
    scalebench,
    vocabulary,
)
from bayescale.runs.sources.registry import Source

Parser = Callable[[Mapping[str, Path]], pd.DataFrame]

# From the files of a source, by their paths in its repository, to a table of runs.
PARSERS: dict[str, Parser] = {
    "bpb-and-benchmarks": benchmarks.bpb_and_benchmarks,
    "chinchilla-points": chinchilla.points,
    "datablations": datablations.runs,
    "datablations-trajectories": datablations.trajectories,
    "gadre-overtraining": gadre.runs,
    "learning-curves-lang": curves.learning_curves,
    "learning-curves-vision": curves.learning_curves,
    "loss-curves": curves.loss_curves,
    "marin-comma": marin.isoflops,
    "model-benchmarks": benchmarks.model_benchmarks,
    "olmo-ladder": olmo.ladder,
    "scalebench-data-constrained": scalebench.task,
    "scalebench-domain-mixture": scalebench.task,
    "scalebench-farseer": scalebench.task,
    "scalebench-lr-bsz": scalebench.task,
    "scalebench-moe": scalebench.task,
    "scalebench-parallel": scalebench.task,
    "scalebench-sparsity": scalebench.task,
    "scalebench-vocab": scalebench.task,
    "vocab-scaling": vocabulary.grid,
}


def read(source: Source) -> pd.DataFrame:
    """The table of a source that was fetched.

    Raises
    ------
    BayescaleError
        If it was not, or a file is not what was published.
    """
    if not source.is_fetched:
        raise BayescaleError(
            f"table {source.name!r} is not here yet; `bayescale data fetch {source.name}` gets it"
        )
    for path, file in source.paths.items():
        if hashlib.sha256(file.read_bytes()).hexdigest() != source.files[path]:
            raise BayescaleError(
                f"{file}: not the file that was published; `bayescale data fetch {source.name}` "
                "gets it again"
            )
    return PARSERS[source.name](source.paths)
