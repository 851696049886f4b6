"""lm-evaluation-harness: the results JSON, its tasks of rolling log-likelihood.

Byte perplexity is two to the power of bits per byte. Versions before 2022 wrote under
`bits_per_byte` what is in nats per byte (its pull request 242), so byte perplexity is read where
it is there. Examples in the prompt (`num_fewshot`) do not enter a rolling log-likelihood: results
with none and with five of one checkpoint are one measurement, and have one name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bayescale.base.errors import BayescaleError
from bayescale.base.notes import Note
from bayescale.runs.readers._files import read_object
from bayescale.runs.readers._record import Record

HEADERS: Mapping[str, str] = {
    "params": "model_num_parameters",
    "bpb": "bits_per_byte",
    "step": "step",
}
_SHOTS = re.compile(r"[-_. ]?(\d+|zero|one|few|five)[-_ ]?shots?", re.I)
_STEP = re.compile(r"step[-_]?(\d+)")
_NATS = Note(
    "nats-per-byte",
    "warning",
    "bits_per_byte is in nats per byte, as versions of the harness before 2022 wrote it",
    "nothing to do: bits per byte are taken from byte_perplexity",
)
_UNLIKE = Note(
    "nats-per-byte",
    "warning",
    "bits_per_byte is not the logarithm of byte_perplexity",
    "bits per byte are taken from byte_perplexity; --set bpb=VALUE overrules it",
)


def read(path: Path, headers: Mapping[str, str]) -> Iterator[Record]:
    """A run a task; its name is that of the checkpoint and the task."""
    content = read_object(path, "results", dict, "a results file of lm-evaluation-harness")
    config = content.get("config")
    config = config if isinstance(config, dict) else {}
    arguments = _arguments(config.get("model_args"))
    model = content.get("model_name") or arguments.get("pretrained")
    name = Path(str(model)).name if model else _SHOTS.sub("", path.stem)
    revision = arguments.get("revision", "main")
    if revision != "main":
        name = f"{name}-{revision}"
    step = _STEP.search(revision)
    for task, metrics in content["results"].items():
        if not isinstance(metrics, dict):
            raise BayescaleError(f"{path}: results of {task!r} are no object; correct the file")
        cells = {**config, **_values(metrics)}
        if step is not None:
            cells.setdefault("step", step[1])
        bits, notes = _bits_per_byte(cells)
        yield Record(
            f"{name}@{task}",
            {**cells, "bits_per_byte": bits},
            extra={"task": task, "word_perplexity": cells.get("word_perplexity")},
            notes=notes,
        )


def _values(metrics: Mapping[str, Any]) -> dict[str, object]:
    """Metrics under whichever filter; the harness writes N/A where it has none."""
    values: dict[str, object] = {}
    for key, value in metrics.items():
        if value != "N/A":
            values.setdefault(key.split(",")[0], value)
    return values


def _bits_per_byte(cells: Mapping[str, object]) -> tuple[object, tuple[Note, ...]]:
    """From byte perplexity where it is there, and what to note of the two."""
    stated, perplexity = cells.get("bits_per_byte"), cells.get("byte_perplexity")
    if not isinstance(perplexity, float) or not perplexity > 1:
        return stated, ()
    bits = math.log2(perplexity)
    if not isinstance(stated, float) or math.isclose(stated, bits, rel_tol=1e-3):
        return bits, ()
    nats = math.isclose(stated, bits * math.log(2), rel_tol=1e-3)
    return bits, (_NATS if nats else _UNLIKE,)


def _arguments(arguments: object) -> dict[str, str]:
    """The model's arguments, which older versions write as one text."""
    if isinstance(arguments, str):
        arguments = dict(part.partition("=")[::2] for part in arguments.split(","))
    if not isinstance(arguments, dict):
        return {}
    return {key: value for key, value in arguments.items() if isinstance(value, str)}
