"""Jobs that note who does them, in a module that workers load quickly."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Noted:
    """A job that notes its number and its worker; some kill it, the first time or always."""

    number: int
    log: str
    kills: str = "never"
    seconds: float = 0.0

    def do(self) -> dict[str, Any]:
        first = str(self.number) not in dict(noted(self.log))
        with open(self.log, "a") as stream:
            stream.write(f"{self.number} {os.getpid()}\n")
        time.sleep(self.seconds)
        if self.kills == "always" or (self.kills == "once" and first):
            os.kill(os.getpid(), signal.SIGKILL)
        return {"number": self.number, "third": 1 / 3, "none": float("nan")}


def noted(log: str | Path) -> list[tuple[str, str]]:
    """Each attempt at a job: its number, and the process that did it."""
    text = Path(log).read_text() if Path(log).exists() else ""
    return [(number, process) for number, process in map(str.split, text.splitlines())]
