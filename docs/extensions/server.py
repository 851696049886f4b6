"""Runs commands of bayescale in forks of a process that has loaded all of it once.

Reads a JSON object a line, with `arguments`, `folder` and the files `out` and `err`; writes each
exit code in a line.
"""

import json
import os
import sys
from importlib import import_module
from pkgutil import walk_packages

import bayescale

# Measures models, with torch; few commands do.
_LEFT_OUT = "bayescale.measure"


def _become(request: dict[str, str]) -> None:
    """The command, in place of this fork."""
    os.chdir(request["folder"])
    for name, stream in (("out", sys.stdout), ("err", sys.stderr)):
        file = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, stream.fileno())
    sys.argv = ["bayescale", *request["arguments"]]
    import_module("bayescale.cli.process").run()


for module in walk_packages(bayescale.__path__, "bayescale."):
    if not module.name.startswith(_LEFT_OUT):
        import_module(module.name)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        _become(json.loads(line))
    _, status = os.waitpid(child, 0)
    sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
    sys.stdout.flush()
