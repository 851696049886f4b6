"""First ladder: what to train before anything is known, for a target and a budget.

From a spec's priors alone. Laws drawn from them are the hypotheses: under each the law is its
tangent (`plan/linear.py`), and a run tells of the target what it does on average over them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import scipy  # its parts load when first used

from bayescale.base.errors import BayescaleError
from bayescale.base.notes import Note
from bayescale.base.numbers import human
from bayescale.base.seeds import random
from bayescale.base.settings import PROB
from bayescale.model.scale import Log, scale_of
from bayescale.model.spec import Spec
from bayescale.plan.buying import Basket, Beliefs, best_basket
from bayescale.plan.compute import FLOP_PER_PARAM_TOKEN
from bayescale.plan.linear import LinearForecast
from bayescale.runs.columns import COLUMNS
from bayescale.runs.table import Runs

# Laws drawn from the priors.
_LAWS = 12
# Sizes and durations of the grid, decades of parameters below the target's, tokens a parameter.
_SIZES, _DECADES = 20, 3.5
_RATIOS = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
# Seeds of one run at most, and of some run at least, for which a share of the budget is kept.
_SEEDS, _LEARN, _FOR_SEEDS = 3, 3, 0.05
# Shares of the target's cost that the largest run may have.
_LARGEST = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)


@dataclass(frozen=True, eq=False)
class Ladder:
    """A first ladder, and what it is worth.

    Attributes
    ----------
    spec : Spec
    prob : float
        Of the interval.
    runs : DataFrame
        `params`, `tokens`, `seeds` (how often it is trained), `cost` (FLOP, of all seeds); the
        cheapest first.
    width_now, width : float
        Of the target's interval before and after, as a share of the response; for one new run.
    stops : DataFrame
        How far below the target it may stop: `largest` (share of the target's cost that a run may
        have), `runs`, `cost`, `width`.
    notes : list of Note
    """

    spec: Spec
    prob: float
    runs: pd.DataFrame
    width_now: float
    width: float
    stops: pd.DataFrame
    notes: list[Note] = field(default_factory=list)

    @property
    def cost(self) -> float:
        """Of all runs, FLOP."""
        return float(self.runs["cost"].sum())


def ladder(
    spec: Spec,
    target: dict[str, float],
    budget: float,
    *,
    runs: int = 20,
    prob: float = PROB,
    seed: int = 0,
) -> Ladder:
    """The ladder that leaves a target's forecast least uncertain, from priors alone.

    Parameters
    ----------
    spec : Spec
        Of a law of parameters and tokens, noise on the logarithm.
    target : dict
        `params` and `tokens`.
    budget : float
        FLOP, 6 N D, of all runs together.
    runs : int
        How many at most, seeds counted.
    prob : float
    seed : int
        Of the laws that are drawn.

    Raises
    ------
    BayescaleError
        If the spec has another law or noise, or the budget pays for no run.
    """
    if set(spec.law.inputs) != {"params", "tokens"} or not isinstance(scale_of(spec), Log):
        raise BayescaleError(
            f"{spec.name}: a first ladder is designed for a law of params and tokens with noise on "
            "the logarithm; use forecast, or buy from a file of candidates with bayescale next"
        )
    for name in ("params", "tokens"):
        if (rule := COLUMNS[name].rule(target[name])) is not None:
            raise BayescaleError(f"{name}={target[name]:g}: {rule}")
    grid = _grid(target)
    aim = FLOP_PER_PARAM_TOKEN * target["params"] * target["tokens"]
    grid = grid[(grid["cost"] <= budget) & (grid["cost"] < aim)].reset_index(drop=True)
    if grid.empty:
        raise BayescaleError(
            f"--budget {budget:.3g}: no run is that cheap; a ladder for this target starts at "
            f"{_grid(target)['cost'].min():.3g} FLOP"
        )
    beliefs, noise = _prior(spec, target, grid, seed)
    most = max(1, runs - _LEARN)
    basket = best_basket(beliefs, (1 - _FOR_SEEDS) * budget, most=most, repeats=_SEEDS)
    bought = _with_seeds(beliefs, basket, budget)
    wide = 2 * float(scipy.special.ndtri((1 + prob) / 2))

    def width(left: float) -> float:
        """Of the Normal on the logarithm, as a share."""
        return float(2 * np.sinh(wide / 2 * np.sqrt(left + noise)))

    chosen = pd.Series(bought.bought).value_counts()
    table = grid.iloc[chosen.index].assign(seeds=chosen.to_numpy())
    table["cost"] *= table["seeds"]
    stops = []
    for share in _LARGEST:
        near = np.flatnonzero(grid["cost"] <= share * aim)
        if len(near):
            part = Beliefs(
                beliefs.target,
                beliefs.across[:, near],
                beliefs.among[np.ix_(near, near)],
                beliefs.noise[near],
                beliefs.cost[near],
            )
            found = best_basket(part, budget, most=runs, repeats=_SEEDS)
            stops.append(
                {
                    "largest": share,
                    "runs": len(found.bought),
                    "cost": found.cost,
                    "width": width(found.left),
                }
            )
    return Ladder(
        spec=spec,
        prob=prob,
        runs=table.sort_values("cost").reset_index(drop=True),
        width_now=width(beliefs.now),
        width=width(bought.left),
        stops=pd.DataFrame(stops),
        notes=[
            Note(
                "from-priors",
                "info",
                f"designed from the priors of {spec.name} alone",
                "train the cheap half, fit it, and ask bayescale next for the rest",
            )
        ],
    )


def _grid(target: dict[str, float]) -> pd.DataFrame:
    """Sizes up to the target's and tokens a parameter, the target's own among them."""
    sizes = target["params"] * 10 ** np.linspace(-_DECADES, 0, _SIZES)
    own = target["tokens"] / target["params"]
    ratios = [own, *(ratio for ratio in _RATIOS if abs(np.log(ratio / own)) > 0.3)]
    rows = [(float(f"{n:.2g}"), float(f"{n * ratio:.2g}")) for n in sizes for ratio in ratios]
    frame = pd.DataFrame(rows, columns=["params", "tokens"]).drop_duplicates()
    frame = frame[(frame["params"] >= 1e4) & (frame["tokens"] >= COLUMNS["tokens"].low)]
    return frame.assign(cost=FLOP_PER_PARAM_TOKEN * frame["params"] * frame["tokens"])


def _prior(
    spec: Spec, target: dict[str, float], grid: pd.DataFrame, seed: int
) -> tuple[Beliefs, float]:
    """The mean over laws drawn from the priors of what is known, and the target's noise."""
    spec = spec.replace(groups=False)
    rows = pd.concat([pd.DataFrame([target]), grid[["params", "tokens"]]], ignore_index=True)
    named = rows.assign(run=[f"run-{i}" for i in range(len(rows))], **{spec.response: 1.0})
    forecast = LinearForecast(spec, Runs.from_frame(named, name="grid"))
    every = range(len(rows))
    rng = random(seed, "laws")
    found = []
    for _ in range(_LAWS):
        forecast.turn_to(rng.standard_normal(len(forecast.point)))
        found.append(forecast.moments(every, reach=range(1, len(rows))))
    covariance = np.mean([one.covariance for one in found], axis=0)
    noise = found[0].noise
    return Beliefs.of(covariance, noise[1:], grid["cost"].to_numpy(), 1), float(noise[0])


def _with_seeds(beliefs: Beliefs, basket: Basket, budget: float) -> Basket:
    """The same with three seeds of a cheap run, where none has as many: noise is learnt.

    The cheapest run of the set, if that can be paid for; else the run that tells most of those that
    can. None, where no three seeds can be paid for.
    """
    bought = list(basket.bought)
    times = np.bincount(bought, minlength=len(beliefs.cost)) if bought else np.zeros(0, int)
    if times.max(initial=0) >= _LEARN:
        return basket
    each = (_LEARN - (times if bought else 0)) * beliefs.cost
    open_ = np.flatnonzero(each <= (budget - basket.cost) * (1 + 1e-9))
    if not len(open_):
        return basket
    known = [int(i) for i in open_ if i in bought]
    gain = beliefs.given(bought).reductions()[open_]
    chosen = known[0] if known else int(open_[gain.argmax()])
    more = [chosen] * (_LEARN - bought.count(chosen))
    path = [beliefs.left(bought + more[: i + 1]) for i in range(len(more))]
    cost = basket.cost + float(beliefs.cost[more].sum())
    return Basket(tuple(bought + more), cost, path[-1], np.append(basket.path, path))


def sweeps(found: Ladder, name: str) -> list[str]:
    """The ladder as plans of `bayescale sweep`, in TOML: one for each seed.

    Sizes are Llamas with about as many parameters; tokens a parameter are kept.
    """
    texts = []
    for seed in range(int(found.runs["seeds"].max())):
        here = found.runs[found.runs["seeds"] > seed]
        lines = [
            f"# Seed {seed} of a ladder by bayescale design. Learning rates are guesses.",
            f'name = "{name}-{seed}"',
            f'title = "First ladder from the priors of {found.spec.name}: seed {seed}"',
            f"seed = {seed}",
            'text = ["corpus/**/*.txt"]',
            "vocabularies = [32_768]",
            "sequence = 1024",
            "batch = 64",
            "",
        ]
        for params, group in here.groupby("params"):
            layers, width, heads = shape(float(str(params)))
            ratios = ", ".join(f"{t / params:.4g}" for t in group["tokens"])
            lines += [
                "[[sizes]]",
                f"layers = {layers}",
                f"width = {width}",
                f"heads = {heads}",
                f"learning_rate = {min(6e-3, 3e-3 * (128 / width) ** 0.8):.2g}",
                f"ratios = [{ratios}] # {human(float(str(params)))} parameters",
                "",
            ]
        lines += ["[grid]", 'kind = "tokens-per-parameter"', "ratios = [20]", ""]
        texts.append("\n".join(lines))
    return texts


def shape(params: float, vocabulary: int = 32_768) -> tuple[int, int, int]:
    """Layers, width and heads of a Llama with about so many parameters.

    Widths of heads are 64, less in small models; a model is about 64 times as wide as it is deep.
    """
    best, least = (1, 16, 2), np.inf
    widths: Sequence[int] = [16, 32, 64, *range(128, 1024, 64), *range(1024, 20_000, 256)]
    for width in widths:
        block = 12 * width**2
        layers = max(1, round((params - vocabulary * width) / block))
        off = abs(np.log((vocabulary * width + layers * block) / params))
        shaped = abs(np.log(width / layers / 64))
        if 5 * off + shaped < least:
            best, least = (layers, width, max(2, width // 64)), 5 * off + shaped
    return best
