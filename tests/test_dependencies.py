"""Every package that is imported is declared, in the dependencies or in an extra."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import bayescale

HOME = Path(bayescale.__file__).parent


def declared() -> set[str]:
    project = tomllib.loads((HOME.parent / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    return {re.match(r"[\w.-]+", line)[0].lower().replace("_", "-") for line in lines}


def imported() -> set[str]:
    names = set()
    for file in HOME.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - {"bayescale", *sys.stdlib_module_names}


def test_what_is_imported_is_declared() -> None:
    distributions = packages_distributions()
    missing = {
        name
        for name in imported()
        if not {d.lower().replace("_", "-") for d in distributions.get(name, [name])} & declared()
    }
    assert not missing
