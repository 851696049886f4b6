"""Records: rows of a table as plain values for JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

Records = list[dict[str, Any]]


def records(table: pd.DataFrame) -> Records:
    """Rows of a table; blank, infinite and undefined cells are None."""
    return [
        {str(key): _plain(value) for key, value in row.items()}
        for row in table.to_dict(orient="records")
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
