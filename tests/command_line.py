"""The command line, run in this process: whatever is asked, it ends with 0, 2 or 3."""

from __future__ import annotations

import io
import sys
import time
from contextlib import redirect_stderr, redirect_stdout

import pytest

from bayescale.cli import main as cli

# Seconds of computing that a refusal or a small answer may take, and a short fit with its
# compilation; those of the clock depend on what else the machine does.
PATIENCE, FIT_PATIENCE = 10.0, 120.0


def ended(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["bayescale", *map(str, arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as left:
            cli.main()
    finally:
        sys.argv = before
    return int(left.value.code or 0), out.getvalue(), err.getvalue()


def check(*arguments: object, patience: float = PATIENCE) -> int:
    """No traceback, no hang, no warning of Python; one line where the input is refused."""
    start = time.process_time()
    code, out, err = ended(*arguments)
    assert time.process_time() - start < patience
    assert code in (0, 2, 3)
    for text in ("Traceback", "Warning", ".py:", "site-packages"):
        assert text not in err
    assert "\x1b" not in out + err
    if code == 2:
        errors = [line for line in err.splitlines() if not line.startswith(("info [", "warning ["))]
        assert errors[-1].startswith("bayescale: error: ")
    return code
