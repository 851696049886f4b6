"""Shipped specs of equations at the constants that their sources print."""

from math import exp, log, log10

import numpy as np
import pytest

from bayescale import Spec
from bayescale.base import bundled

EQUATIONS = [name for name in bundled.specs() if not Spec.load(name).law.centred]


def value(name: str, inputs: dict[str, float], constants: dict[str, float]) -> float:
    """A spec's law at inputs in their own units."""
    spec = Spec.load(name)
    x = {each: float(column.scaled(inputs[each])) for each, column in spec.inputs.items()}
    return float(spec.law.mean(x, constants, np))


@pytest.mark.parametrize(
    ("params", "depth", "width", "printed"),
    [
        (1.4398e9, 24, 2048, 2.9161),
        (1.527e9, 16, 2560, 2.9352),
        (1.443e9, 12, 2816, 2.9595),
        (1.669e9, 12, 3072, 2.9533),
    ],
)
def test_model_shape_gives_what_the_source_predicts(
    params: float, depth: int, width: int, printed: float
) -> None:
    """Bian et al. 2025 (arXiv 2501.18107), with their scripts' constants."""
    alpha = 0.61457
    constants = {"E": 2.4475, "alpha": alpha, "gamma": alpha, "eps": 1.14621e-3}
    constants |= {"A": 5.4754e4 / 1e8**alpha, "B": 7.7835e5 / 1e10**alpha}
    inputs = {"params": params, "tokens": 28.99e9, "depth": depth, "width": width}
    assert value("model-shape", inputs, constants) == pytest.approx(printed, abs=2e-3)


def test_experts_is_clarks_bilinear_form() -> None:
    """Clark et al. 2022 (arXiv 2202.01169), S-BASE, whose logarithms have base 10."""
    a, b, c, d, start, most = -0.082, -0.108, 0.009, 1.104, 1.847, 314.478
    params, experts = 1.3e9, 64
    effective = 1 / (1 / (experts - 1 + 1 / (1 / start - 1 / most)) + 1 / most)
    size, gain = log10(params), log10(effective)
    theirs = 10 ** (a * size + b * gain + c * size * gain + d)
    constants = {"a": a, "b": b + 8 * c, "c": c / log(10), "start": start, "most": most}
    constants["d"] = log(10) * (d + 8 * a)
    inputs = {"params": params, "experts": experts}
    assert value("experts", inputs, constants) == pytest.approx(theirs, rel=1e-9)


def test_one_dense_expert_saturates() -> None:
    constants = {"d": 1.0, "a": -0.08, "b": -0.05, "c": 0.004, "start": 2.0, "most": 300.0}
    many, more = (value("experts", {"params": 1e9, "experts": n}, constants) for n in (1e4, 1e5))
    assert many == pytest.approx(more, rel=5e-3)


def test_fine_grained_experts_is_krajewskis() -> None:
    """arXiv 2402.07871."""
    constants = {"a": 18.1, "alpha": 0.115, "b": 30.8, "beta": 0.147, "g": 2.1, "gamma": 0.58}
    inputs = {"params": 1e9, "tokens": 2e10, "granularity": 16.0}
    theirs = 0.47 + (2.1 / 16**0.58 + 18.1) / 1e9**0.115 + 30.8 / 2e10**0.147
    assert value("fine-grained-experts", inputs, constants | {"c": 0.47}) == pytest.approx(theirs)


def test_sparse_experts_is_abnars() -> None:
    """arXiv 2501.12370."""
    constants = {"a": 16612.50, "b": 5455.67, "c": 0.4598, "d": 17.26, "e": 0.94}
    constants |= {"alpha": 0.5962, "beta": 0.3954, "lam": -0.1666, "delta": 0.1603, "gamma": 0.1595}
    size, tokens, dense = 7e9, 1e11, 0.1
    theirs = 0.94 + 16612.50 / size**0.5962 + 5455.67 / tokens**0.3954
    theirs += 0.4598 / dense**-0.1666 + 17.26 / (dense**0.1603 * size**0.1595)
    inputs = {"params": size, "tokens": tokens, "sparsity": 1 - dense}
    assert value("sparse-experts", inputs, constants) == pytest.approx(theirs)


def test_repeated_data_is_muennighoffs() -> None:
    """arXiv 2305.16264 at full precision: 8.7B parameters, 178B tokens of which 44B are new."""
    alpha = 0.3526596
    constants = {"E": exp(0.6254804), "alpha": alpha, "beta": alpha, "R_D": 15.387756}
    constants |= {"A": exp(6.255414) / 1e9**alpha, "B": exp(7.3049974) / 1e10**alpha}
    constants |= {"R_N": 5.309743, "best": 0.051}
    inputs = {"params": 8.7e9, "tokens": 178e9}
    for unique, theirs in ((178e9, 2.19216), (44e9, 2.20730), (178e9 / 7, 2.22608)):
        ours = value("repeated-data", inputs | {"unique_tokens": unique}, constants)
        assert ours == pytest.approx(theirs, abs=2e-3)


def test_streams_count_as_parameters() -> None:
    """arXiv 2505.10475: P streams of N parameters are N (1 + k ln P) parameters."""
    constants = {"E": 1.3, "A": 0.7, "alpha": 0.19, "k": 0.33}
    streams = value("parallel-streams", {"params": 1e9, "streams": 8.0}, constants)
    larger = {"params": 1e9 * (1 + 0.33 * log(8)), "streams": 1.0}
    assert streams == pytest.approx(value("parallel-streams", larger, constants))


@pytest.mark.parametrize("name", EQUATIONS)
def test_a_shipped_equation_is_a_number_in_the_middle_of_its_priors(name: str) -> None:
    from bayescale.model.priors import quantile

    spec = Spec.load(name)
    middle = {p.name: float(quantile(spec.priors[p.name], [0.5])[0]) for p in spec.law.parameters}
    inputs = {"params": 1e9, "tokens": 2e10, "unique_tokens": 1e10, "characters": 1e11}
    inputs |= {"experts": 64, "lr": 1e-3, "batch": 512, "vocab": 32_000, "streams": 4}
    inputs |= {"width": 1024, "depth": 16, "granularity": 16, "ratio": 8}
    x = {name: c.scaled(inputs.get(name, c.middle)) for name, c in spec.inputs.items()}
    assert 0.1 < abs(float(spec.law.mean(x, middle, np))) < 12
