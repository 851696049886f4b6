"""The process of the command line, from its first second to its last.

What a process loads is nearly all kept until it ends, so looking for garbage among it and
taking it apart again cost time for nothing: together a quarter of what `predict` takes.
"""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
from typing import NoReturn

# Python looks for garbage after so many new objects; its own 2,000 suit programs that load less.
_OBJECTS = 100_000
_NOBODY_READS = 1  # as typer has it


def run() -> NoReturn:
    """Run the command line and end the process."""
    gc.set_threshold(_OBJECTS)
    code = _NOBODY_READS
    try:
        code = _code()
        sys.stdout.flush()
    except BrokenPipeError:  # as in `bayescale predict ... | head`
        pass
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.stderr.write(f"bayescale: error: output cannot be written: {error.strerror}\n")
        code = 2
    sys.stderr.flush()
    atexit._run_exitfuncs()
    os._exit(code)


def _code() -> int:
    from bayescale.cli.main import main

    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    return 0


if __name__ == "__main__":
    run()
