"""Style of every figure: colours, fonts, labels, and one panel for each corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from unicodedata import east_asian_width

import matplotlib as mpl
import xarray as xr
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.ticker import Formatter, LogLocator, NullFormatter

from bayescale.fit.fit import Fit
from bayescale.runs.columns import COLUMNS

# Okabe and Ito's palette, which colour-blind readers can tell apart.
INK = "#222222"
MODEL = "#0072B2"
SURPRISE = "#D55E00"
QUIET = "#8A8A8A"
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#0072B2", "#222222")
LINES = ("-", "--", "-.", ":")
# Background of what lies outside the data, or inside it: the caption says which.
SHADE = "#F2F2F2"

_LABEL_MOST = 40

# Scripts that DejaVu Sans lacks are drawn in the first of these fonts that the machine has.
_OTHER_SCRIPTS = (
    "Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei",
    "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "Noto Sans CJK JP", "Hiragino Sans",
    "Yu Gothic", "Noto Sans CJK KR", "Apple SD Gothic Neo", "Malgun Gothic",
    "Noto Sans Devanagari", "Nirmala UI", "Noto Sans Thai", "Arial Unicode MS",
)  # fmt: skip


@cache
def _fonts() -> list[str]:
    installed = set(font_manager.get_font_names())
    return ["sans-serif", *(name for name in _OTHER_SCRIPTS if name in installed)]


@contextmanager
def style() -> Iterator[None]:
    """The look of every figure, as a context."""
    with mpl.rc_context(
        {
            "font.family": _fonts(),
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#E4E4E4",
            "grid.linewidth": 0.6,
            "axes.axisbelow": True,
            "axes.titlesize": 10,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "legend.frameon": False,
            "legend.fontsize": 8.5,
            "figure.constrained_layout.use": True,
        }
    ):
        yield


def label_of(name: object) -> str:
    """A name as matplotlib draws it: no formula, always in the legend, at most 40 columns wide."""
    text = ""
    columns = 0
    for character in str(name):
        columns += 2 if east_asian_width(character) in "WF" else 1
        if columns > _LABEL_MOST:
            text += "…"
            break
        text += character
    text = text.replace("$", r"\$")
    # A legend leaves out what starts with an underscore.
    return f"\N{ZERO WIDTH SPACE}{text}" if text.startswith("_") else text


def log_ticks(axis: Axes, formatter: Formatter) -> None:
    """Ticks of a logarithmic x axis: at powers of ten, on a short axis also at 2 and 5."""
    low, high = axis.get_xlim()
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 300 else (1,)))
    axis.xaxis.set_major_formatter(formatter)
    axis.xaxis.set_minor_formatter(NullFormatter())


def response_label(fit: Fit) -> str:
    """The response with its unit, for an axis."""
    return COLUMNS[fit.spec.response].axis


def panels_of(fit: Fit) -> list[tuple[str, Callable[[xr.DataArray], xr.DataArray]]]:
    """A title and a selection for each corpus; one of everything where there are none."""
    if not fit.spec.corpora:
        return [("", lambda draws: draws)]

    def of_corpus(corpus: str) -> Callable[[xr.DataArray], xr.DataArray]:
        return lambda draws: draws.sel(corpus=corpus)

    return [(corpus.replace("_", " "), of_corpus(corpus)) for corpus in fit.spec.corpora]
