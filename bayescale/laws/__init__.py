"""The laws, one a file. `LAWS` maps each one's name to it, and `register` adds to it.

A law of one's own is one `Law` and one spec that names it:

1. Write `LAW = Law(name="my-law", ...)`, as any file here does. `mean` is the curve over the
   centred logarithms of N and D, written with the functions of `xp` alone; `level` is its value
   where they are 0. `published` and `sampled` go to the constants of a paper and back.
2. In Python, `register(LAW)` before a spec, a fit's folder or a command names it. For the command
   line, install it as a package with the entry point `my-law = "my_package:LAW"` in the group
   `bayescale.laws`.
3. Copy a spec from `models/`, set `law = "my-law"` and a prior for each of its parameters.
"""

from bayescale.laws.base import Law, Parameter
from bayescale.laws.registry import LAWS, find, register

__all__ = ["LAWS", "Law", "Parameter", "find", "register"]
