"""Page: a report's document as HTML and as Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import jinja2
from markupsafe import Markup, escape

from bayescale.report.sentences import entry, sentence


def as_html(
    report: Mapping[str, Any],
    figures: Mapping[str, str],
    embedded: Mapping[str, Mapping[str, Any]],
    curves: Mapping[str, str],
) -> str:
    """The page: one file that needs no other.

    Parameters
    ----------
    report : mapping
        Content with its `document`.
    figures : mapping of str to str
        SVG of each figure, by the `source` that the document names.
    embedded : mapping
        Data of each explorer, by its `source`.
    curves : mapping of str to str
        JavaScript of each forecaster's curve, by its data's id.
    """
    # Inside a script element only "<" could end it.
    data = {
        name: Markup(json.dumps(values, allow_nan=False).replace("<", "\\u003c"))
        for name, values in {**embedded, "sentences": entry("explore")}.items()
    }
    return (
        _environment(autoescape=True)
        .get_template("page.html.j2")
        .render(
            document=report["document"],
            names=", ".join(dict.fromkeys(fit["runs"]["name"] for fit in report["fits"])),
            figures={name: _inline(svg, name) for name, svg in figures.items()},
            embedded=data,
            curves={name: Markup(text) for name, text in curves.items()},
        )
    )


def as_markdown(report: Mapping[str, Any]) -> str:
    """The same sentences and tables for a repository, without figures."""
    environment = _environment(autoescape=False)
    text = environment.get_template("page.md.j2").render(document=report["document"])
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _environment(*, autoescape: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bayescale.report.page", "."),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["sentence"] = sentence
    environment.filters |= {"code": _code, "md": _markdown}
    return environment


# A command in a sentence; nothing that could end a table's cell or an element.
_COMMAND = re.compile(r"`([^`<>|\\]+)`")


def _code(text: str) -> Markup:
    """Text with its commands as code."""
    return Markup(_COMMAND.sub(r"<code>\1</code>", str(escape(text))))


def _markdown(text: str) -> str:
    """Text that no Markdown reader takes for markup, except for its commands."""
    parts = _COMMAND.split(text.replace("\n", " "))
    return "".join(
        f"`{part}`" if i % 2 else re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", part)
        for i, part in enumerate(parts)
    )


# Colours that follow the page's scheme, light or dark. The other colours of Okabe and Ito, except
# for the darkest, are readable on both.
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
