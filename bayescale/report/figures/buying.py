"""Figure of what to buy: money against certainty, and what each candidate is worth alone."""

from __future__ import annotations

from matplotlib.figure import Figure

from bayescale.base.numbers import percent
from bayescale.plan.next_run import NextRun
from bayescale.report.figures.style import INK, MODEL, QUIET, SURPRISE, style


def certainty_figure(found: NextRun) -> Figure:
    """Width of the target's interval over money, and the candidates one by one."""
    factor, unit = (100, "%") if found.unit == "share" else (1, found.unit)
    with style():
        figure = Figure(figsize=(10, 4.2))
        curve, alone = figure.subplots(1, 2)
        money, width = found.curve["budget"], factor * found.curve["width"]
        curve.step(money, width, where="post", color=MODEL, lw=1.8, label="the best runs found")
        curve.axhline(factor * found.width_now, color=INK, lw=1, ls=":", label="now")
        least = factor * found.width_least
        curve.axhline(least, color=QUIET, lw=1, ls="--", label="all candidates")
        spent, after = found.best["cost"].sum(), factor * found.best["width"].iloc[-1]
        curve.plot(spent, after, "o", color=SURPRISE, label="what to buy")
        if found.target_cost is not None:
            curve.axvline(found.target_cost, color=INK, lw=1, label="the target itself")
        if found.flat_from is not None:
            curve.axvspan(found.flat_from, money.max(), color=QUIET, alpha=0.12, lw=0, label="flat")
        curve.set(xscale="log", ylim=(0, None), xlabel="budget")
        curve.set_ylabel(f"width of the {percent(found.prob)} interval ({unit})")
        curve.set_title("Money and certainty")
        curve.legend()
        table = found.candidates
        alone.plot(table["cost"], 100 * table["reduction"], ".", color=MODEL, ms=4, alpha=0.6)
        best = found.best
        alone.plot(best["cost"], 100 * best["reduction"], "o", color=SURPRISE, label="what to buy")
        alone.set(xscale="log", ylim=(0, None), xlabel="cost of one run")
        alone.set_ylabel("of the target's variance, taken away (%)")
        alone.set_title("One run of each candidate")
        alone.legend()
    return figure
