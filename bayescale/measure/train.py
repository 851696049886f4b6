"""Train one language model of a sweep, step by step, from its last checkpoint if it has one."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bayescale.base.errors import BayescaleError
from bayescale.base.files import whole
from bayescale.measure.corpus import Corpus
from bayescale.measure.need import need
from bayescale.measure.sweep_plan import PlannedRun, SweepPlan

_FLOOR = 0.1  # where the cosine ends, as a share of the peak


def build(run: PlannedRun, plan: SweepPlan, **options: Any) -> Any:
    """A Llama with fresh weights; `options` go to its config."""
    transformers = need("transformers")
    size = run.size
    config = transformers.LlamaConfig(
        vocab_size=run.vocabulary,
        hidden_size=size.width,
        intermediate_size=size.inner,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        max_position_embeddings=plan.sequence,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
        **options,
    )
    return transformers.LlamaForCausalLM(config)


def step_flops(run: PlannedRun, plan: SweepPlan) -> int:
    """FLOP of one step, forward and backward, as torch counts them; every step has the same."""
    torch = need("torch")
    counter = need("torch.utils.flop_counter").FlopCounterMode(display=False)
    # Plain products of matrices: the counter knows not every fused kernel of attention.
    model = build(run, plan, attn_implementation="eager")
    ids = torch.zeros((1, plan.sequence), dtype=torch.long)
    with counter:
        model(input_ids=ids, use_cache=False).logits.sum().backward()
    return int(counter.get_total_flops()) * plan.batch


def learning_rate(step: int, run: PlannedRun, warmup: float) -> float:
    """Of a step, from 0: a linear rise, then a cosine over the run's own horizon."""
    rise = max(1, round(warmup * run.steps))
    if step < rise:
        return run.size.learning_rate * (step + 1) / rise
    done = (step - rise) / max(1, run.steps - rise)
    return run.size.learning_rate * (_FLOOR + (1 - _FLOOR) * (1 + math.cos(math.pi * done)) / 2)


def unique_sequences(run: PlannedRun, plan: SweepPlan, corpus: Corpus) -> int:
    """How many sequences a run trains on, each `epochs` times.

    Raises
    ------
    BayescaleError
        If the text has fewer.
    """
    wanted = math.ceil(run.steps * plan.batch / run.epochs)
    available = (len(corpus.tokens) - 1) // plan.sequence
    if wanted > available:
        raise BayescaleError(
            f"{run.name}: needs {wanted * plan.sequence:,} tokens of text, and there are "
            f"{available * plan.sequence:,}; add text, or epochs, or train on less"
        )
    return wanted


def batch(step: int, run: PlannedRun, plan: SweepPlan, corpus: Corpus) -> np.ndarray:
    """Sequences of a step, each a token longer than the model sees; a function of the step only.

    So a run that goes on from a checkpoint needs to know no more than where it was.
    """
    unique = unique_sequences(run, plan, corpus)
    rows = []
    for position in range(step * plan.batch, (step + 1) * plan.batch):
        epoch, index = divmod(position, unique)
        start = _order(plan.seed, epoch, unique)[index] * plan.sequence
        rows.append(corpus.tokens[start : start + plan.sequence + 1])
    return np.stack(rows).astype(np.int64)


_orders: dict[tuple[int, int, int], np.ndarray] = {}


def _order(seed: int, epoch: int, unique: int) -> np.ndarray:
    key = (seed, epoch, unique)
    if key not in _orders:
        if len(_orders) > 1:  # a step sees two epochs at most
            _orders.clear()
        _orders[key] = np.random.default_rng(key).permutation(unique)
    return _orders[key]


def train(
    run: PlannedRun,
    plan: SweepPlan,
    corpus: Corpus,
    *,
    checkpoint: Path,
    device: str,
    advance: Callable[[int], None],
) -> Any:
    """Train to the end and give the model.

    Parameters
    ----------
    run, plan, corpus
    checkpoint : Path
        Written every `plan.checkpoint_steps`, and gone on from if it is there.
    device : str
        `cpu`, or `cuda`, where it computes in bfloat16.
    advance : callable
        Told the run's step as it begins and whenever it moves on.

    Raises
    ------
    BayescaleError
        If the text is too short, or the loss is no number.
    """
    torch = need("torch")
    unique_sequences(run, plan, corpus)
    torch.manual_seed(plan.seed)
    model = build(run, plan).to(device).train()
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": plan.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        betas=(0.9, 0.95),
    )
    step = 0
    if checkpoint.is_file():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        step = saved["step"]
    while step < run.steps:
        advance(step)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, run, plan.warmup)
        ids = torch.from_numpy(batch(step, run, plan, corpus)).to(device)
        with torch.autocast("cuda", torch.bfloat16, enabled=device == "cuda"):
            logits = model(input_ids=ids[:, :-1], use_cache=False).logits
            loss = torch.nn.functional.cross_entropy(
                logits.float().flatten(0, 1), ids[:, 1:].flatten()
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        if step % plan.checkpoint_steps == 0 or step == run.steps:
            if not math.isfinite(loss.item()):
                raise BayescaleError(
                    f"{run.name}: the loss is no number at step {step}; lower its learning_rate "
                    f"of {run.size.learning_rate:g} in a new folder"
                )
            state = {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step,
            }
            with whole(checkpoint) as stream:
                torch.save(state, stream)
    advance(step)
    return model
