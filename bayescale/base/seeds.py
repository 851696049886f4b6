"""Seeds: random numbers that depend on what they are for."""

from __future__ import annotations

import zlib

import numpy as np


def random(seed: int, *names: str) -> np.random.Generator:
    """Random numbers that depend on what they are for, not on what was drawn before."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])
