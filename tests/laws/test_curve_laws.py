"""Laws of curves, held against their published equations written out step by step."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bayescale.laws.curves import CURVE_LAWS
from bayescale.model.curves.arrays import Extent, points
from bayescale.runs.curves import Curve, Schedule

END, WARMUP, PEAK = 2000, 200, 3e-4
AT = np.array([600.0, 1000.0, 1600.0, 2000.0])


def _rates(schedule: Schedule) -> np.ndarray:
    return PEAK * schedule.at(np.arange(1, END + 1, dtype=float))


def _law(name: str, schedule: Schedule, theta: dict[str, float], seen: float = END) -> np.ndarray:
    curve = Curve("a", "", AT, np.ones(4), schedule)
    extent = Extent(*map(float, schedule.progress(np.array([seen, END]))))
    x, _ = points(curve, CURVE_LAWS[name], AT, extent)
    return np.exp(CURVE_LAWS[name].mean(x, {k: np.array([v]) for k, v in theta.items()}, np))


@pytest.mark.parametrize("seen", [600, END])
@pytest.mark.parametrize("text", ["cosine", "two-stage:final=0.3", "wsd:decay=0.5"])
def test_multi_power_is_the_published_sum(text: str, seen: int) -> None:
    """With constants of the whole schedule, however much of it has been seen."""
    floor, scale, alpha, gain, c, beta, gamma = 2.651, 0.601, 0.453, 437.9, 2.132, 0.598, 0.655
    schedule = Schedule.declared(f"{text},warmup=200" if ":" in text else f"{text}:warmup=200", END)
    rates = np.append(0.0, _rates(schedule))
    total = np.cumsum(rates)
    wanted = []
    for step in AT.astype(int):
        change = rates[:step] - rates[1 : step + 1]
        since = total[step] - total[:step]
        done = 1 - (1 + c * rates[1 : step + 1] ** -gamma * since) ** -beta
        wanted.append(floor + scale * total[step] ** -alpha - gain * (change * done).sum())
    now, summed = PEAK * schedule.progress(np.array([seen, END]))
    asymptote = floor + gain * PEAK
    level = asymptote + scale * now**-alpha
    theta = {
        "level": math.log(level),
        "floor": math.log(asymptote / (scale * summed**-alpha)),
        "exponent": math.log(alpha),
        "gain": math.log(gain * PEAK / level),
        "delay": -math.log(c * PEAK**-gamma * summed),
        "tail": math.log(beta),
        "slowing": gamma,
    }
    assert _law("multi-power", schedule, theta, seen) == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("seen", [600, END])
def test_annealing_is_the_published_double_sum(seen: int) -> None:
    floor, scale, alpha, area, lam = 2.6, 0.6, 0.45, 2.0, 0.99
    schedule = Schedule.declared("wsd-linear:decay=0.5,warmup=200", END)
    rates = np.append(0.0, _rates(schedule))
    total, momentum, summed, wanted = np.cumsum(rates), 0.0, 0.0, {}
    for step in range(1, END + 1):
        momentum = lam * momentum + rates[step - 1] - rates[step]
        summed += momentum
        wanted[step] = floor + scale * total[step] ** -alpha - area * summed
    gain = area * PEAK / (1 - lam)
    now, end = schedule.progress(np.array([seen, END]))
    level = floor + gain + scale * (PEAK * now) ** -alpha
    theta = {
        "level": math.log(level),
        "floor": math.log((floor + gain) / (scale * (PEAK * end) ** -alpha)),
        "exponent": math.log(alpha),
        "gain": math.log(gain / level),
        "memory": math.log(1 / (1 - lam) / end),
    }
    late = [wanted[int(step)] for step in AT]
    assert _law("annealing", schedule, theta, seen) == pytest.approx(late, rel=2e-3)


def test_a_late_break_bends_the_power_law_and_an_early_one_leaves_it() -> None:
    x = {"position": np.linspace(-4, 1, 30)}
    theta = {"level": 1.0, "floor": 0.5, "exponent": -1.0, "break": -40.0, "sharpness": 1.0}
    plain = CURVE_LAWS["power-floor"].mean(x, theta, np)
    assert CURVE_LAWS["broken-power"].mean(x, theta, np) == pytest.approx(plain)
    bent = CURVE_LAWS["broken-power"].mean(x, theta | {"break": -2.0}, np)
    assert bent[0] < plain[0] - 0.1
    assert np.interp(0, x["position"], bent) == pytest.approx(1.0, abs=1e-3)
