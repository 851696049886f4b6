"""A page of Markdown with its figures as one HTML file, for light, dark and narrow screens."""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt

STYLE = """
:root { color-scheme: light dark;
  --ink: #1c1c1c; --ground: #fff; --line: #d6d6d6; --link: #00568c; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --ground: #16181b; --line: #3c4046; --link: #7cc4f5; }
}
body { margin: 0 auto; max-width: 46rem; padding: 1.5rem 1rem 4rem; color: var(--ink);
  background: var(--ground); font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.9rem; line-height: 1.2; } h2 { font-size: 1.3rem; margin-top: 2.4rem; }
a { color: var(--link); } ul { padding-left: 1.2rem; } li { margin: .5rem 0; }
code { font-size: .9em; }
figure { margin: 1.2rem 0; padding: .5rem; border-radius: 6px; background: #fff; overflow-x: auto; }
figure svg { display: block; width: 100%; min-width: 30rem; height: auto; }
.table { overflow-x: auto; } table { border-collapse: collapse; font-size: .87rem; margin: 1rem 0; }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; font-variant-numeric: tabular-nums; }
"""


def standalone(markdown: str, folder: Path) -> str:
    """The page as one HTML file; figures are those of `folder`, drawn inside it."""
    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    title = re.search(r"<h1>(.*?)</h1>", body)
    body = re.sub(
        r'<p><img src="([\w-]+\.svg)" alt="([^"]*)" ?/?></p>',
        lambda found: _figure(folder / found[1], found[2]),
        body,
    )
    body = body.replace("<table>", '<div class="table" tabindex="0"><table>')
    body = body.replace("</table>", "</table></div>")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title[1] if title else 'bayescale'}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def _figure(path: Path, words: str) -> str:
    svg = path.read_text("utf-8")
    svg = svg[svg.index("<svg") :]
    label = f'<figure role="img" aria-label="{words}" tabindex="0">'
    return f"{label}{svg}</figure>"
