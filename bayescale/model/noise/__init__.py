"""Observation noise: one class a distribution, each in a file of its own.

To add one, write the file and enter it in `NOISES`: specs, sampler and predictions find it there.
"""

from bayescale.model.noise.base import Noise
from bayescale.model.noise.normal import Normal
from bayescale.model.noise.student_t import StudentT

NOISES: dict[str, Noise] = {noise.name: noise for noise in (Normal(), StudentT())}

__all__ = ["NOISES", "Noise"]
