"""Report: fits -> one page, its Markdown and the JSON that both are written from."""

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
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from bayescale.base.errors import BayescaleError
from bayescale.base.output import read_json
from bayescale.fit.fit import Fit
from bayescale.plan.scenario import Scenario
from bayescale.report.browser import curve_as_javascript
from bayescale.report.content import content, default_points, sections_of
from bayescale.report.decisions import SCENARIO, decisions, exhaustion
from bayescale.report.explorer import exhaustion_explorer, explorer, refusal
from bayescale.report.figures import decomposition as plots_parts
from bayescale.report.figures import fit as plots
from bayescale.report.sections import document
from bayescale.report.sentences import found, say
from bayescale.report.which_law import which_law

__all__ = ["FIGURES", "as_html", "as_markdown", "as_svg", "content", "write"]


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
    """Write `index.html`, `report.md`, `report.json` and the first figure, and return the content.

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
    known = _earlier(out / "report.json")
    said = content(fits, points=points, target=target, command=command, known=known)
    figures: dict[str, str] = {}
    embedded: dict[str, dict[str, Any]] = {}
    curves: dict[str, str] = {}
    chosen = [fit for fit, _ in sections_of(fits)]
    for i, (fit, section) in enumerate(zip(chosen, said["fits"], strict=True)):
        section["decisions"], drawn = decisions(fit)
        drawn |= {kind: draw(fit) for kind, draw in FIGURES.items()}
        figures |= {f"f{i}-{kind}": as_svg(one, kind) for kind, one in drawn.items() if one}
        section["explorer_refused"] = refusal(fit)
        if section["explorer_refused"] is None:
            embedded[f"f{i}"] = explorer(fit, default_points(fit)[0], share=len(chosen))
            curves[f"data-f{i}"] = curve_as_javascript(fit.spec)
    said["exhaustion"], figure = exhaustion(chosen)
    figures["exhaustion"] = as_svg(figure, "exhaustion")
    embedded["exhaustion"] = exhaustion_explorer(Scenario.load(SCENARIO))
    said["law"] = None
    if comparison is not None:
        asked = points if points is not None else default_points(chosen[0])
        said["law"], compared = which_law(comparison, [*chosen, *rivals], asked)
        figures |= {f"law-{kind}": as_svg(one, kind) for kind, one in compared.items()}
    told = document(said, set(figures))
    said["document"] = told.to_dict()
    said["passed"] = said["passed"] and not told.alerts
    files = {
        "index.html": as_html(said, figures, embedded, curves),
        "report.md": as_markdown(said),
        "report.json": json.dumps(said, indent=2, allow_nan=False) + "\n",
        "curve.svg": figures["f0-curve"],
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, body in files.items():
            _replace(out / name, body)
    except OSError as error:
        raise BayescaleError(f"{out}: cannot be written: {error.strerror}") from error
    return said


FIGURES = plots.FIGURES | {"variance": plots_parts.variance}


def _earlier(path: Path) -> dict[str, Any] | None:
    """The report that is there already; one that cannot be read is as good as none."""
    try:
        return read_json(path)
    except BayescaleError:
        return None


def _environment(*, autoescape: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bayescale.report", "."),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["say"] = say
    environment.filters |= {"code": _coded, "md": _markdown}
    return environment


def as_html(
    said: Mapping[str, Any],
    figures: Mapping[str, str],
    embedded: Mapping[str, Mapping[str, Any]],
    curves: Mapping[str, str],
) -> str:
    """The page of a content, its figures, and the data and curves of its explorers."""
    # Inside a script element only "<" could end it.
    data = {
        name: Markup(json.dumps(one, allow_nan=False).replace("<", "\\u003c"))
        for name, one in {**embedded, "words": found("explore")}.items()
    }
    return (
        _environment(autoescape=True)
        .get_template("page.html.j2")
        .render(
            document=said["document"],
            names=", ".join(dict.fromkeys(fit["runs"]["name"] for fit in said["fits"])),
            figures={name: _inline(svg, name) for name, svg in figures.items()},
            embedded=data,
            curves={name: Markup(text) for name, text in curves.items()},
        )
    )


def as_markdown(said: Mapping[str, Any]) -> str:
    """The report for a repository: the same sentences and tables, without figures."""
    environment = _environment(autoescape=False)
    text = environment.get_template("page.md.j2").render(document=said["document"])
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


# A command in a sentence; nothing that could end a table's cell or an element.
_CODE = re.compile(r"`([^`<>|\\]+)`")


def _coded(text: str) -> Markup:
    """Text with its commands as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


def _markdown(text: str) -> str:
    """Text that no Markdown reader takes for markup, but for its commands."""
    parts = _CODE.split(text.replace("\n", " "))
    return "".join(
        f"`{part}`" if i % 2 else re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", part)
        for i, part in enumerate(parts)
    )


def as_svg(figure: Figure, salt: str) -> str:
    """A figure as SVG, the same text for the same figure."""
    stream = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}), catch_warnings():
        # Text stays text, so the reader's browser has the glyphs that matplotlib's font lacks.
        filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


# What follows the page's scheme, light or dark; Okabe and Ito's colours, but for the darkest, do
# for both.
_THEMED = {
    "#ffffff": "var(--paper)",
    "#f2f2f2": "var(--shade)",
    "#e4e4e4": "var(--line)",
    "#d0d0d0": "var(--line)",
    "#bbbbbb": "var(--grey)",
    "#0072b2": "var(--model)",
    "#000000": "var(--ink)",
    "#222222": "var(--ink)",
}


def _inline(svg: str, prefix: str) -> Markup:
    """A figure as an element of the page, its ids made unique there."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}-", svg)
    svg = re.sub(r'xlink:href="#', f'xlink:href="#{prefix}-', svg)
    for fixed, themed in _THEMED.items():
        svg = re.sub(rf"(fill|stroke): {fixed}\b", rf"\1: {themed}", svg, flags=re.I)
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
