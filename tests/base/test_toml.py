"""TOML that a user wrote: read, or refused on one line that names the place."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bayescale import Spec
from bayescale.base.errors import BayescaleError
from bayescale.base.toml import parse_toml
from bayescale.evaluation.splits import read_suite
from bayescale.measure.sweep_plan import SweepPlan
from bayescale.plan.costs import Prices
from bayescale.plan.scenario import Scenario

READERS = [Spec.load, Scenario.load, Prices.load, SweepPlan.load, read_suite]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "text",
    ["x = " + "[" * 50_000, "x = " + "9" * 400, "x = " + "9" * 5_000, "x = 1e999", "x = nan",
     '"a\\u001b[31m\\n" = 1', "x = 1\nx = 2", "", "x = 2024-01-01"],
)  # fmt: skip
def test_no_reader_of_toml_breaks(read: Callable, text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(BayescaleError) as caught:
        read(path)
    assert len(str(caught.value).splitlines()) == 1
    assert "\x1b" not in str(caught.value)


def test_a_number_beyond_bounds_is_named_with_its_place() -> None:
    with pytest.raises(BayescaleError, match=r"f: a\.b\.c: an integer beyond 64 bits"):
        parse_toml("[a]\nb = [{ c = 99999999999999999999 }]", "f")
    assert parse_toml("a = 9223372036854775807", "f") == {"a": 2**63 - 1}
