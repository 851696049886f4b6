"""The process of the command line, from its first second to its last.

What a process loads is nearly all kept until it ends, so looking for garbage among it and
taking it apart again cost time for nothing: together a quarter of what `predict` takes.
"""

from __future__ import annotations

import atexit
import codecs
import errno
import gc
import os
import sys
import unicodedata
from io import TextIOWrapper
from typing import NoReturn

# Python looks for garbage after so many new objects; its own 2,000 suit programs that load less.
_OBJECTS = 100_000
_NOBODY_READS = 1  # as typer has it

# What our own text holds beyond ASCII, and Unicode has no plainer form of.
_PLAINER = {
    **dict.fromkeys("\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}\N{BOX DRAWINGS LIGHT HORIZONTAL}", "-"),
    **dict.fromkeys("\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}", "'"),
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{MIDDLE DOT}": "*",
}


def run() -> NoReturn:
    """Run the command line and end the process."""
    gc.set_threshold(_OBJECTS)
    _encode_all()
    try:
        code = _code()
        sys.stdout.flush()
    except BrokenPipeError:  # as in `bayescale predict ... | head`, perhaps in the flush
        code = _NOBODY_READS
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.stderr.write(f"bayescale: error: output cannot be written: {error.strerror}\n")
        code = 2
    sys.stderr.flush()
    atexit._run_exitfuncs()
    os._exit(code)


def _encode_all() -> None:
    """Have output that is not UTF-8, as in a C locale, take what it can of every character."""
    codecs.register_error("plainer", _plainer)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="plainer")


def _plainer(error: UnicodeError) -> tuple[str | bytes, int]:
    """Characters that cannot be encoded in a plainer form: - for a dash, e for an accented one."""
    assert isinstance(error, UnicodeEncodeError)
    part = error.object[error.start : error.end]
    plain = "".join(
        _PLAINER.get(c)
        or unicodedata.normalize("NFKD", c).encode("ascii", "ignore").decode()
        or "?"
        for c in part
    )
    return plain, error.end


def _code() -> int:
    from bayescale.cli.main import main

    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    return 0


if __name__ == "__main__":
    run()
