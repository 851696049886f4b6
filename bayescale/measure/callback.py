"""Callback: rows of runs, and a loss curve, while a Hugging Face Trainer runs.

Importing this module needs the extra `measure`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bayescale.base.errors import BayescaleError, RunsError
from bayescale.base.output import say
from bayescale.measure.curve_journal import CurveJournal
from bayescale.measure.known import new_run
from bayescale.measure.need import need
from bayescale.measure.rows import append_row, has_run

# Schedules of a Trainer by the names of ours. None ends at 0, where a law of drops has no value.
_SCHEDULES = {
    "linear": "wsd-linear:decay=1,final=0.001,",
    "cosine": "cosine:final=0.001,",
    "constant": "constant:",
    "constant_with_warmup": "constant:",
}

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
    curve : str or Path, optional
        A `.csv` file of curves, for `bayescale curve`: each training loss that the Trainer logs
        is added to it, with its learning rate.
    forecast : bool
        At each evaluation, say at what loss the curve will end. It takes seconds.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        run: str,
        tokens_per_step: float | None = None,
        curve: str | Path | None = None,
        forecast: bool = False,
    ) -> None:
        if forecast and curve is None:
            raise BayescaleError("forecast=True needs the curve: name its file with curve=")
        self.path = Path(path)
        self.run = run
        self.tokens_per_step = tokens_per_step
        self.curve = None if curve is None else CurveJournal(Path(curve), run)
        self.forecast = forecast

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

    def on_log(
        self,
        args: Any,
        state: Any,
        control: Any,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Add the point to the curve."""
        if self.curve is None or not state.is_world_process_zero or "loss" not in (logs or {}):
            return
        assert logs is not None
        self.curve.add(state.global_step, float(logs["loss"]), logs.get("learning_rate"))

    def on_evaluate(
        self,
        args: Any,
        state: Any,
        control: Any,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Add the row of this step, and say where the curve will end."""
        if self.forecast and self.curve is not None and state.is_world_process_zero:
            try:
                say(self.curve.forecast(state.max_steps, _schedule(args, state.max_steps)))
            except BayescaleError as error:  # too few points yet: train on
                say(f"no forecast yet: {error}")
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


def _schedule(args: Any, steps: int) -> str | None:
    """The Trainer's learning rate as `Schedule.declared` takes it; None for one it has not."""
    shape = _SCHEDULES.get(str(getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type)))
    warmup = args.get_warmup_steps(steps)
    return None if shape is None else f"{shape}warmup={warmup}"
