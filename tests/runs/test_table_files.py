"""Files as people have them: read, or refused on one line that says what is wrong."""

import gzip
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bayescale import Runs
from bayescale.base.errors import BayescaleError

GOOD = pd.DataFrame(
    {"run": ["a", "b"], "params": [7e9, 70e9], "tokens": [2e12, 15e12], "loss": [2.1, 1.8]}
)
CSV = GOOD.to_csv(index=False)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def gzipped(frame: pd.DataFrame, path: Path) -> None:
    path.write_bytes(gzip.compress(frame.to_csv(index=False).encode()))


def excel(frame: pd.DataFrame, path: Path) -> None:
    pytest.importorskip("openpyxl")
    frame.to_excel(path, index=False)


@pytest.mark.parametrize(
    ("suffix", "save"),
    [
        (".csv", lambda f, p: f.to_csv(p, index=False)),
        (".CSV", lambda f, p: f.to_csv(p, index=False, encoding="utf-8-sig")),
        (".tsv", lambda f, p: f.to_csv(p, index=False, sep="\t")),
        (".csv.gz", gzipped),
        (".parquet", lambda f, p: f.to_parquet(p)),
        (".jsonl", lambda f, p: f.to_json(p, orient="records", lines=True)),
        (".json", lambda f, p: f.to_json(p, orient="records")),
        (".json", lambda f, p: f.to_json(p)),
        (".json", lambda f, p: p.write_text(json.dumps(f.to_dict("list")))),
        (".xlsx", excel),
    ],
)
def test_every_format_reads_the_same(
    suffix: str, save: Callable[[pd.DataFrame, Path], None], tmp_path: Path
) -> None:
    path = tmp_path / f"runs{suffix}"
    save(GOOD, path)
    pd.testing.assert_frame_equal(
        Runs.read(path).table, Runs.from_frame(GOOD).table, check_dtype=False
    )


@pytest.mark.parametrize(
    "content",
    [CSV, CSV.replace(",", "\t"), GOOD.to_json(orient="records"),
     GOOD.to_json(orient="records", lines=True)],
)  # fmt: skip
def test_standard_input_is_read_whatever_its_format(
    content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content.encode())))
    runs = Runs.read("-")
    assert runs.table["params"].tolist() == [7e9, 70e9]
    assert runs.name == "standard input"


def test_a_workbook_without_openpyxl_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    path = write(tmp_path / "runs.xlsx", b"PK")
    with pytest.raises(BayescaleError, match=r"pip install 'bayescale\[excel\]'"):
        Runs.read(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.csv", CSV.replace(",", ";"), "seem to be separated by semicolons, not commas"),
        ("r.csv", CSV.replace(",", ";").replace(".", ","), "separated by semicolons"),
        ("r.csv", CSV.replace(",", "\t"), "separated by tabs, not commas"),
        ("r.tsv", CSV, "separated by commas, not tabs"),
        ("r.csv", "params,tokens,loss,loss\n7e9,2e12,2.1,9\n", "two columns are called 'loss'"),
        ("r.csv", "params,tokens,loss\n7e9,2e12,2,31\n", "row 1 has 4 cells, the header 3.*2.31"),
        ("r.csv", "params,tokens,loss\n7e9,2e12,2.1\n7e9,2e12,2,31\n", "row 2 has 4 cells"),
        ("r.csv", '"a\x1b[31m",params,tokens\n1,7e9,2e12\n', r"control character \(U\+001B\)"),
        ("r.csv", "", "not a readable .csv table"),
        ("r.csv", b"\xff\xfe\x00", "not UTF-8"),
        ("r.csv.gz", CSV, "cannot be read"),
        ("r.csv.gz", gzip.compress(CSV.encode(), mtime=0)[:-9], "cannot be read"),
        ("r.parquet", CSV, "not a readable .parquet table"),
        ("r.json", "3", "write a list of objects"),
        ("r.json", '{"params": [7e9], "tokens": [1e12, 2e12]}', "not a readable .json"),
        ("r.json", "[" * 100_000, "brackets nest too deeply"),
        ("r.jsonl", "[" * 100_000, "line 1: brackets nest too deeply"),
        ("r.jsonl", '{"params": ' + "9" * 400 + "}", "line 1: a number of 400 digits"),
        ("r.jsonl", '{"params": ' + "9" * 5000 + "}", "line 1: a number of 5000 digits"),
        ("r.jsonl", '\n{"loss": 2, "loss": 3}', "line 2: two values of 'loss'"),
        ("r.jsonl", "{", "line 1: "),
        ("r.jsonl", "[1]", "line 1: every line must be an object"),
        ("r.txt", CSV, "unknown format '.txt'; use one of .csv, .tsv"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_is_refused_with_the_reason(
    name: str, content: str | bytes, message: str, tmp_path: Path
) -> None:
    with pytest.raises(BayescaleError, match=message) as caught:
        Runs.read(write(tmp_path / name, content))
    assert len(str(caught.value).splitlines()) == 1


def test_a_row_may_end_in_a_comma(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "params,tokens,loss\n7e9,2e12,2.1,\n")
    assert Runs.read(path).table["params"].tolist() == [7e9]


SUFFIXES = st.sampled_from([".csv", ".tsv", ".json", ".jsonl", ".parquet", ".csv.gz", ".jsonl.gz"])
PIECES = st.sampled_from(
    [",", ";", "\t", "\n", "\r", '"', "{", "}", "[", "]", ":", "params", "tokens", "loss", "7e9",
     "2e12", "2,31", "true", "null", "NaN", "\x00", "\x1b", "-1", "é", "\ud800", "1" * 400]
)  # fmt: skip


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    SUFFIXES,
    st.one_of(st.binary(max_size=80), st.lists(PIECES, max_size=30).map("".join)),
    st.booleans(),
)
def test_any_file_is_a_table_or_one_line(
    tmp_path: Path, suffix: str, content: bytes | str, packed: bool
) -> None:
    content = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    path = write(tmp_path / f"r{suffix}", gzip.compress(content) if packed else content)
    message = "read"
    try:
        Runs.read(path, where="loss < 4 and tokens == tokens", units=True)
    except BayescaleError as error:
        message = str(error)
    assert len(message.splitlines()) == 1
