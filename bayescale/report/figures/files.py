"""Figures as files and as SVG text."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Literal
from warnings import catch_warnings, filterwarnings, simplefilter, warn_explicit

import matplotlib as mpl
from matplotlib.figure import Figure

from bayescale.base.errors import BayescaleError
from bayescale.base.files import whole
from bayescale.base.notes import Note

# Text stays text in an SVG, so a reader's own fonts draw names in every script.
_TEXT: Literal["none"] = "none"


def save(figure: Figure, path: str | Path) -> list[Note]:
    """Write a figure; the suffix names the format.

    Parameters
    ----------
    figure : Figure
    path : str or Path
        Ends in .svg, .png or .pdf.

    Returns
    -------
    list of Note
        `missing-glyphs` where no font of this machine has some characters.

    Raises
    ------
    BayescaleError
        If the suffix is unknown or the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".svg", ".png", ".pdf"):
        raise BayescaleError(f"{path}: unknown format {path.suffix!r}; use .svg, .png or .pdf")
    try:
        with mpl.rc_context({"svg.fonttype": _TEXT}), catch_warnings(record=True) as warnings:
            simplefilter("always")
            with whole(path) as stream:
                figure.savefig(stream, format=path.suffix[1:], dpi=160)
    except OSError as error:
        raise BayescaleError(f"{path}: cannot be written: {error.strerror}") from error
    missing: dict[str, None] = {}
    for warning in warnings:
        glyph = re.match(r"Glyph (\d+) .* missing from font", str(warning.message))
        if glyph:
            missing[chr(int(glyph[1]))] = None
        else:
            warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if path.suffix == ".svg" or not missing:
        return []
    text = f"no font of this machine has {''.join(missing)}: drawn as boxes in {path}"
    hint = "install one (such as Noto Sans CJK), or write an .svg"
    return [Note("missing-glyphs", "warning", text, hint)]


def as_svg(figure: Figure, salt: str) -> str:
    """A figure as SVG, the same text for the same figure.

    Parameters
    ----------
    figure : Figure
    salt : str
        What its element ids are derived from.
    """
    stream = io.StringIO()
    with mpl.rc_context({"svg.fonttype": _TEXT, "svg.hashsalt": salt}), catch_warnings():
        filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()
