"""Need: a module of the `measure` extra, or one line that says how to install it."""

from __future__ import annotations

from functools import partial

from bayescale.base.need import need as need_of

need = partial(need_of, extra="measure", purpose="measuring models")
