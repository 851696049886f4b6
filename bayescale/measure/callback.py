"""Callback: rows of runs while a Hugging Face Trainer runs, one an evaluation.

Importing this module needs the extra `measure`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bayescale.base.errors import BayescaleError, RunsError
from bayescale.base.output import say
from bayescale.measure.known import new_run
from bayescale.measure.need import need
from bayescale.measure.rows import append_row, has_run

# A base class has to be there when the class is made.
_Base: Any = need("transformers").TrainerCallback


class RunsCallback(_Base):  # type: ignore[misc]  # transformers has no types here
    """Adds a row to a runs file at each evaluation of a Trainer: N, tokens seen, FLOP, loss.

    The file is replaced in one step, so a kill leaves it whole. A row that is there already, of a
    run that goes on from a checkpoint, stays as it is. Rows are called NAME@STEP; those before the
    last come from a learning rate not yet lowered, so that a fit should not mix them with last
    ones.

    Parameters
    ----------
    path : str or Path
        A `.csv` file of runs.
    run : str
        Name of the run.
    tokens_per_step : float, optional
        Tokens of an optimizer step over all devices, if the Trainer does not count them itself
        (`include_num_input_tokens_seen="all"` in its arguments).
    """

    def __init__(self, path: str | Path, *, run: str, tokens_per_step: float | None = None) -> None:
        self.path = Path(path)
        self.run = run
        self.tokens_per_step = tokens_per_step

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Refuse, before hours are spent, what could write no row.

        Raises
        ------
        BayescaleError
            If nobody counts tokens, or the file is no CSV table.
        """
        if self.tokens_per_step is None and args.include_num_input_tokens_seen == "no":
            raise BayescaleError(
                "the Trainer does not count tokens; set include_num_input_tokens_seen='all' in "
                "its arguments, or give tokens_per_step"
            )
        has_run(self.path, self.run)

    def on_evaluate(
        self,
        args: Any,
        state: Any,
        control: Any,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Add the row of this step."""
        loss = (metrics or {}).get("eval_loss")
        name = f"{self.run}@{state.global_step}"
        if loss is None or not state.is_world_process_zero or has_run(self.path, name):
            return
        params = kwargs["model"].num_parameters()
        tokens = (
            state.num_input_tokens_seen
            if self.tokens_per_step is None
            else self.tokens_per_step * state.global_step
        )
        row = {
            "run": name,
            "params": params,
            "tokens": float(tokens),
            "flops": 6.0 * params * tokens,  # the Trainer's own sum is brought up to date later
            "loss": float(loss),
            "step": state.global_step,
        }
        try:
            append_row(self.path, new_run(row))
        except RunsError as error:  # too few tokens yet, or a loss that diverged: train on
            say(f"warning [left-out] {error}")
