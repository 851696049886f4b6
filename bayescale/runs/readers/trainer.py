"""Hugging Face Trainer: `trainer_state.json`, its last evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from bayescale.base.errors import BayescaleError
from bayescale.base.notes import Note
from bayescale.runs.readers._files import read_object
from bayescale.runs.readers._record import Record

HEADERS: Mapping[str, str] = {
    "loss": "eval_loss",
    "tokens": "num_input_tokens_seen",
    "step": "step",
    "flops": "total_flos",
}


def read(path: Path, headers: Mapping[str, str]) -> Iterator[Record]:
    """The run at its last evaluation; the earlier ones had not yet lowered the learning rate.

    Tokens are there if the run was told to count them (`include_num_input_tokens_seen`); padding
    counts too. `total_flos` is 6 times them times the parameters that are in no embedding layer:
    without the token embedding, and without the output head where it is tied to it.

    Raises
    ------
    BayescaleError
        If the run was never evaluated.
    """
    state = read_object(path, "log_history", list, "a trainer_state.json")
    response = headers.get("loss") or headers["perplexity"]
    entries = [entry for entry in state["log_history"] if isinstance(entry, dict)]
    evaluations = [entry for entry in entries if entry.get(response) is not None]
    if not evaluations:
        raise BayescaleError(
            f"{path}: no {response} was logged; evaluate while training (eval_strategy), or "
            "take the training loss: --column loss=loss"
        )
    last = evaluations[-1]
    step = last.get("step")
    cells: dict[str, object] = {}
    for entry in entries:  # what was logged beside the evaluation, at the same step
        if entry is last or (step is not None and entry.get("step") == step):
            cells |= entry
    # Of a model that cannot estimate it the Trainer writes 0.
    if state.get("global_step") == step and state.get("total_flos"):
        cells["total_flos"] = state["total_flos"]
    folder = path.resolve().parent
    if folder.name.startswith("checkpoint-"):
        folder = folder.parent
    earlier = len(evaluations) - 1
    yield Record(
        folder.name,
        cells | last,
        unused={"an evaluation before the run's last": earlier} if earlier else {},
        notes=_early(step, state.get("max_steps")),
    )


def _early(step: object, planned: object) -> tuple[Note, ...]:
    if not (isinstance(step, int) and isinstance(planned, int) and step < planned):
        return ()
    return (
        Note(
            "stopped-early",
            "warning",
            f"its last evaluation is at step {step} of {planned} planned, so its learning rate "
            "may not have come down",
            "take the trainer_state.json of the end of the run",
        ),
    )
