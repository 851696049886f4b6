"""The documentation site: `make docs` builds it into `build/docs/html`."""

import logging
import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

DOCS = Path(__file__).parent
BUILD = DOCS.parent / "build" / "docs"
sys.path.insert(0, str(DOCS / "extensions"))
from console import digest  # noqa: E402
from generated import write  # noqa: E402

for name in ("arviz", "traitlets"):  # they say what they do
    logging.getLogger(name).setLevel(logging.WARNING)

project = "bayescale"
author = "the bayescale authors"
version = release = version_of("bayescale")
extensions = [
    "console",
    "mathml",
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["examples", "extensions"]
default_role = "code"  # single backticks in docstrings

# Pages, and the commands and code in them, which are run.
myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
console_first = [
    "bayescale fit compute-only",
    "bayescale fit chinchilla",
    "bayescale fit forecast ladder.csv --out fits/ladder --column params=N --column tokens=D "
    "--column loss=val_loss",
    "bayescale fit recipes.toml recipes.csv",
    "bayescale benchmarks fit scores.csv --out fits/scores --quiet",
]
nb_execution_mode = "cache"
nb_execution_cache_path = str(BUILD / f"notebooks-{digest()}")
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 600
nb_merge_streams = True
copybutton_selector = "div:not(.highlight-text) > div.highlight > pre"
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"

# Notebooks run where the commands do, and draw figures as SVG.
_IPYTHON = BUILD / "ipython" / "profile_default"
_IPYTHON.mkdir(parents=True, exist_ok=True)
(_IPYTHON / "ipython_config.py").write_text(
    f"""c.InteractiveShellApp.exec_lines = ["%cd -q {BUILD / "work"}", "%matplotlib inline"]
c.InlineBackend.figure_formats = {{"svg"}}
c.HistoryManager.enabled = False
""",
    "utf-8",
)
os.environ["IPYTHONDIR"] = str(_IPYTHON.parent)

# Reference.
autodoc_typehints = "none"  # numpydoc's sections have them
numpydoc_show_class_members = False
write(BUILD / "generated")

# Looks: nothing from a network.
html_theme = "furo"
html_title = "bayescale"
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
