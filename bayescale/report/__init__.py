"""Report: figures, and the page, Markdown and JSON that answer from fits."""

from bayescale.report import figures as figures
