"""Hugging Face Trainer: `trainer_state.json`, its last evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bayescale.base.errors import BayescaleError
from bayescale.runs.readers.found import Found, has_response, pick, read_object

NAMES: Mapping[str, str] = {"loss": "eval_loss", "tokens": "num_input_tokens_seen", "step": "step"}


def read(path: Path, columns: Mapping[str, str]) -> Found:
    """The run's last evaluation; the earlier ones had not yet lowered the learning rate.

    Tokens are there if the run was told to count them (`include_num_input_tokens_seen`).

    Raises
    ------
    BayescaleError
        If the run was never evaluated.
    """
    state = read_object(path, "log_history", list, "a trainer_state.json")
    names = {**NAMES, **columns}
    entries = [pick(entry, names, str(path)) for entry in state["log_history"]]
    scored = [entry for entry in entries if has_response(entry)]
    if not scored:
        raise BayescaleError(
            f"{path}: no {names['loss']} was logged; evaluate while training (eval_strategy), or "
            "take the training loss: --column loss=loss"
        )
    last = scored[-1]
    folder = path.resolve().parent
    if folder.name.startswith("checkpoint-"):
        folder = folder.parent
    found = Found()
    found.rows.append({"run": folder.name, **last})
    # Of a model that cannot estimate it the Trainer writes 0.
    if state.get("global_step") == last.get("step") and state.get("total_flos"):
        found.rows[0] |= pick(state, {"flops": "total_flos"}, str(path))
    if len(scored) > 1:
        found.left_out["an evaluation before the run's last"] = len(scored) - 1
    return found
