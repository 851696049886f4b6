"""Report: fits -> one self-contained page and the JSON of every number on it."""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from warnings import catch_warnings, filterwarnings

import jinja2
import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

from bayescale import numbers, plots, plots_parts
from bayescale.errors import BayescaleError
from bayescale.fit import Fit
from bayescale.plan.decisions import decisions, exhaustion
from bayescale.report.content import content, sections_of
from bayescale.report.which_law import which_law

__all__ = ["as_svg", "content", "render", "write"]


def write(
    fits: Sequence[Fit],
    out: Path,
    *,
    command: str,
    points: Sequence[Mapping[str, Any]] | None = None,
    target: float | None = None,
    comparison: Mapping[str, Any] | None = None,
    rivals: Sequence[Fit] = (),
) -> dict[str, Any]:
    """Write `index.html`, `report.json` and the first figure, and return the content.

    Parameters
    ----------
    fits, command, points, target
        As for `content`.
    out : Path
    comparison : mapping, optional
        Of models, as `Comparison.to_dict` gives it.
    rivals : sequence of Fit
        Fits that are compared with the first, and have no section of their own.

    Raises
    ------
    BayescaleError
        If the folder cannot be written.
    """
    said = content(fits, points=points, target=target, command=command)
    figures = [_figures(fit) for fit, _ in sections_of(fits)]
    _decide(fits, said, figures)
    law_figures: dict[str, str] = {}
    said["law"] = None
    if comparison is not None:
        said["law"], drawn = which_law(comparison, [*fits, *rivals])
        law_figures = {kind: as_svg(figure, kind) for kind, figure in drawn.items()}
    page = render(said, figures, law_figures)
    text = json.dumps(said, indent=2, allow_nan=False) + "\n"
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, body in (
            ("index.html", page),
            ("report.json", text),
            ("curve.svg", figures[0]["curve"]),
        ):
            _replace(out / name, body)
    except OSError as error:
        raise BayescaleError(f"{out}: cannot be written: {error.strerror}") from error
    return said


def _figures(fit: Fit) -> dict[str, str]:
    """The figures that a fit has, by kind, as SVG."""
    drawn = {kind: draw(fit) for kind, draw in plots.FIGURES.items()}
    drawn["parts"] = plots_parts.parts(fit)
    return {kind: as_svg(figure, kind) for kind, figure in drawn.items() if figure is not None}


def _decide(fits: Sequence[Fit], said: dict[str, Any], figures: Sequence[dict[str, str]]) -> None:
    """Add what the fits mean for decisions, and the figures of it."""
    chosen = [fit for fit, _ in sections_of(fits)]
    for fit, section, drawn in zip(chosen, said["fits"], figures, strict=True):
        section["decisions"], plots_ = decisions(fit)
        drawn |= {kind: as_svg(figure, kind) for kind, figure in plots_.items()}
    said["exhaustion"], figure = exhaustion(chosen)
    figures[0]["exhaustion"] = as_svg(figure, "exhaustion")


def render(
    said: Mapping[str, Any],
    figures: Sequence[Mapping[str, str]],
    law_figures: Mapping[str, str] | None = None,
) -> str:
    """The page: a template over the content, and the figures of each of its fits in turn."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bayescale.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": numbers.human,
        "digits": numbers.digits,
        "percent": numbers.percent,
        "plural": numbers.plural,
    }
    inlined = [
        {kind: _inline(svg, f"f{i}-{kind}") for kind, svg in one.items()}
        for i, one in enumerate(figures)
    ]
    of_laws = {kind: _inline(svg, f"law-{kind}") for kind, svg in (law_figures or {}).items()}
    template = environment.get_template("page.html.j2")
    return template.render(**said, figures=inlined, law_figures=of_laws)


def as_svg(figure: Figure, salt: str) -> str:
    """A figure as SVG, the same text for the same figure."""
    stream = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}), catch_warnings():
        # Text stays text, so the reader's browser has the glyphs that matplotlib's font lacks.
        filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def _inline(svg: str, prefix: str) -> Markup:
    """A figure as an element of the page, its ids made unique there."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}-", svg)
    svg = re.sub(r'xlink:href="#', f'xlink:href="#{prefix}-', svg)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    return Markup(svg)  # matplotlib escapes every text that it draws


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError:
        os.unlink(name)
        raise
