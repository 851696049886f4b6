"""Cells of other tools' tables: as numbers, as text, and compared."""

from __future__ import annotations

import math

from bayescale.base.errors import BayescaleError


def agree(stated: object, value: object) -> bool:
    """Whether two cells say the same, or the first says nothing."""
    if stated is None or (isinstance(stated, str) and not stated.strip()):
        return True
    try:
        return math.isclose(float(str(stated)), float(str(value)), rel_tol=1e-9)
    except ValueError:
        return str(stated) == str(value)


def shown(value: object) -> str:
    """A cell in a message."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)[:40]


def text(cell: object) -> str | None:
    """A cell as text, None where it is blank."""
    return None if cell is None or not str(cell).strip() else str(cell)


def number(cell: object, where: str) -> float | None:
    """A cell as a number, None where it is blank.

    Raises
    ------
    BayescaleError
        If it is something else.
    """
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    try:
        if isinstance(cell, bool) or not isinstance(cell, str | int | float):
            raise ValueError
        return float(cell)
    except (ValueError, OverflowError) as error:
        raise BayescaleError(
            f"{where}={str(cell)[:40]!r}: not a number; correct it, or leave it blank"
        ) from error
