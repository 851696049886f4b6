"""How public objects show themselves: a few lines of text, and a card in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from bayescale.base.numbers import estimate

if TYPE_CHECKING:
    import pandas as pd

# Rows of a table that are shown.
_ROWS = 12


class Shown:
    """A title, and perhaps a table under it, in place of a list of all fields."""

    def _title(self) -> str:
        """One line: what it is, and of what."""
        raise NotImplementedError

    def _table(self) -> pd.DataFrame | None:
        """The numbers that a reader looks for first."""
        return None

    def __repr__(self) -> str:
        table = self._table()
        if table is None:
            return f"<{self._title()}>"
        body = _head(table).to_string(index=False, float_format="{:.4g}".format)
        rest = len(table) - _ROWS
        more = f"\n... and {rest} more rows" if rest > 0 else ""
        return f"<{self._title()}>\n{body}{more}"

    def _repr_html_(self) -> str:
        table = self._table()
        body = ""
        if table is not None:
            body = _head(table).to_html(index=False, float_format="{:.4g}".format, border=0)
            rest = len(table) - _ROWS
            body += f"<p>... and {rest} more rows</p>" if rest > 0 else ""
        return f"<div><p><strong>{escape(self._title())}</strong></p>{body}</div>"


def _head(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that are shown, intervals as people read them."""
    head = table.head(_ROWS)
    if not {"median", "lower", "upper"} <= set(head):
        return head
    return head.assign(**head.apply(estimate, axis=1, result_type="expand"))
