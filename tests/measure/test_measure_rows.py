"""Rows added to a runs file, by several at once and over again."""

import subprocess
import sys
from pathlib import Path

import pytest

from bayescale import BayescaleError, Runs
from bayescale.measure.rows import append_row, has_run


def test_a_row_is_added_and_new_columns_too(tmp_path: Path) -> None:
    path = tmp_path / "new" / "runs.csv"
    assert append_row(path, {"run": "a", "params": 10**7, "tokens": 1e9, "loss": 0.1 + 0.2})
    assert append_row(path, {"run": "b", "params": 10**7, "tokens": None, "note": 'said "so",\nß'})
    assert path.read_text("utf-8").startswith(
        "run,params,tokens,loss,note\na,10000000,1000000000.0,0.30000000000000004,\nb,10000000,,,"
    )
    assert has_run(path, "b")
    assert not has_run(path, "c")
    assert [p.name for p in path.parent.iterdir()] == ["runs.csv"]


def test_the_same_row_again_changes_nothing_and_another_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    row = {"run": "a", "params": 10**7, "tokens": 1e9, "bpc": 0.9}
    append_row(path, row)
    assert not append_row(path, row)
    assert len(Runs.read(path)) == 1
    with pytest.raises(BayescaleError, match=r"row 1 is already a run 'a', with another bpc"):
        append_row(path, row | {"bpc": 0.8})


def test_the_users_own_cells_stay_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("\ufefffamily,run,tokens\n007,x,1E+9\n", "utf-8")
    path.chmod(0o640)
    append_row(path, {"run": "y", "params": 12})
    assert path.read_text("utf-8") == "family,run,tokens,params\n007,x,1E+9,\n,y,,12\n"
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("runs.parquet", "", "added to a .csv file"),
        ("runs.csv", "run,params\na\n", "row 1 has 1 cells under 2 headers"),
        ("runs.csv", 'run\n"a\n', "not a readable .csv table"),
    ],
)
def test_what_is_no_table_is_left_alone(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    with pytest.raises(BayescaleError, match=message):
        append_row(path, {"run": "b"})
    assert path.read_text("utf-8") == text


def test_several_at_once_lose_no_row(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from bayescale.measure.rows import append_row\n"
        "for i in range(20): append_row(Path('runs.csv'), {'run': f'{sys.argv[1]}-{i}'})"
    )
    each = [subprocess.Popen([sys.executable, "-c", code, str(k)], cwd=tmp_path) for k in range(3)]
    assert [process.wait() for process in each] == [0, 0, 0]
    lines = (tmp_path / "runs.csv").read_text("utf-8").split()
    assert len(lines) == len(set(lines)) == 61
