"""Packages: found below `bayescale/`; `data/` and `models/` at the top travel inside it."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["bayescale", "bayescale.*"]),
        "bayescale.data",
        "bayescale.models",
    ],
    package_dir={"bayescale": "bayescale", "bayescale.data": "data", "bayescale.models": "models"},
)
