"""The package's rooms: few at the top, imports between them in one direction."""

import ast
from pathlib import Path

import bayescale

HOME = Path(bayescale.__file__).parent
# Each may import from those before it.
ROOMS = (
    *("base", "runs", "laws", "model", "predictive", "sampling", "fit", "evaluation", "plan"),
    *("measure", "report", "testing", "cli"),
)


def test_the_top_holds_few_entries() -> None:
    entries = {entry.name for entry in HOME.iterdir() if entry.name != "__pycache__"}
    assert len(entries) <= 15, entries
    assert {name.removesuffix(".py") for name in entries} == {*ROOMS, "__init__", "py.typed"}


def test_every_folder_of_modules_is_a_package() -> None:
    """Else `find_packages` leaves it out of what is installed."""
    folders = {file.parent for file in HOME.rglob("*.py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]


def test_imports_between_rooms_run_one_way() -> None:
    wrong = []
    for file in HOME.rglob("*.py"):
        room = file.relative_to(HOME).parts[0].removesuffix(".py")
        if room == "__init__":  # names of the public face, loaded when asked for
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                _, dot, inner = name.partition("bayescale.")
                other = inner.partition(".")[0]
                if dot and ROOMS.index(other) > ROOMS.index(room):
                    wrong.append(f"{file.relative_to(HOME)} imports {name}")
    assert not wrong
