"""Tables of runs by name: fetched from a server on this machine, checked, and read like others."""

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED

from bayescale import Runs
from bayescale.base import bundled
from bayescale.base.errors import BayescaleError
from bayescale.evaluation.splits import read_suite
from bayescale.runs.sources import PARSERS, read
from bayescale.runs.sources.fetch import fetch
from bayescale.runs.sources.registry import Source, sources

RAW = SHARED / "raw"
BY_NAME = [name for name, source in sources().items() if not source.is_bundled]
# Tables that other hands made of the same files.
TABLES = {
    "bpb-and-benchmarks": "bpb_and_benchmarks",
    "chinchilla-points": "chinchilla_245",
    "learning-curves-lang": "learning_curves_lang",
    "learning-curves-vision": "learning_curves_vision",
    "loss-curves": "loss_curves",
    "marin-comma": "marin_comma_isoflops",
    "model-benchmarks": "model_benchmarks",
    "vocab-scaling": "vocab_scaling",
}
CHINCHILLA = """x,y,color,Model Size,Training FLOP,hex_color,loss
154.03592,140.63364,#faebdd,6795600349.28,9.9938527997e+18,#faebdd,5.0055
151.60375,175.51709,#f8d1b8,2979521172.19,9.2275412230e+18,#f8d1b8,4.6652
"""


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Serve a folder as the place where files are published; the cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    servers = []

    def start(folder: Path) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        monkeypatch.setenv("BAYESCALE_MIRROR", f"http://127.0.0.1:{server.server_port}")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def publish(
    serve: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Source]:
    """Serve excerpts of a source's files in their place, and expect their digests."""

    def published(name: str, contents: Mapping[str, str | bytes]) -> Source:
        source, digests = sources()[name], {}
        for path, content in contents.items():
            assert path in source.files
            file = tmp_path / "www" / source.repository / source.commit / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
            digests[path] = hashlib.sha256(file.read_bytes()).hexdigest()
        serve(tmp_path / "www")
        source = replace(source, files=digests, rows=2)
        monkeypatch.setitem(sources(), name, source)
        return source

    return published


@pytest.fixture
def points(publish: Callable[..., Source]) -> Source:
    return publish("chinchilla-points", {"data/svg_extracted_data.csv": CHINCHILLA})


def test_the_registry_names_what_ships_and_what_can_be_fetched() -> None:
    shipped = {name: source for name, source in sources().items() if source.is_bundled}
    assert set(shipped) == set(bundled.tables())
    assert all(len(Runs.read(name)) == source.rows for name, source in shipped.items())
    assert set(PARSERS) == set(BY_NAME)
    assert not set(sources()) & set(bundled.specs())  # `compare` takes both in one list


@pytest.mark.parametrize("name", BY_NAME)
def test_the_published_files_become_the_table(name: str, serve: Callable[[Path], None]) -> None:
    source = sources()[name]
    if not all((RAW / source.repository / source.commit / path).is_file() for path in source.files):
        pytest.skip(f"the published files of {name} are not in ../shared/data/raw")
    serve(RAW)
    fetch(source)
    table = read(source)
    assert len(table) == source.rows
    file = TABLES.get(name, f"scalebench/{name.removeprefix('scalebench-').replace('-', '_')}")
    expected = pd.read_csv(SHARED / f"{file}.csv")
    if name == "loss-curves":
        table, expected = (
            t.sort_values(["run", "step"], ignore_index=True) for t in (table, expected)
        )
    common = [column for column in expected if column in table]
    assert set(expected) - set(common) <= {"optimizer.learning_rate", "C_name"}
    if name == "bpb-and-benchmarks":  # a run's name has to be unique
        assert table["run"].is_unique
        common.remove("run")
    for column in common:
        if expected[column].dtype.kind in "iuf":
            cells = table[column].to_numpy(float)
            np.testing.assert_allclose(cells, expected[column], rtol=1e-7, err_msg=column)
        else:
            assert table[column].astype(str).tolist() == expected[column].astype(str).tolist()


def test_a_fetched_name_stands_for_its_table_everywhere(run, points: Source) -> None:
    code, _, error = run("data", "check", "chinchilla-points")
    assert code == 2
    assert "`bayescale data fetch chinchilla-points` gets it" in error
    code, out, error = run("data", "fetch", "chinchilla-points", "--csv")
    assert code == 0, error
    assert out.splitlines()[0].startswith("run,family,tokenizer,params,tokens,flops,loss")
    assert "no licence stated; cite arXiv 2404.10102" in error
    runs = Runs.read("chinchilla-points")
    assert runs.name == "chinchilla-points"
    assert runs.table["tokens"].iloc[0] == pytest.approx(9.9938527997e18 / 6 / 6795600349.28)
    code, out, _ = run("data", "check", "chinchilla-points", "--where", "loss < 5", "--json")
    assert code == 0
    assert json.loads(out)["runs"] == 1
    code, out, _ = run("data", "list", "--json")
    here = {row["table"]: row["here"] for row in json.loads(out)["tables"]}
    assert (here["open-llm-bpc"], here["chinchilla-points"]) == ("bundled", "fetched")


def test_a_fetched_table_needs_no_network(points: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(points)
    monkeypatch.setenv("BAYESCALE_MIRROR", "http://127.0.0.1:9")
    fetch(points)
    assert len(Runs.read("chinchilla-points")) == 2


def test_offline_is_one_line(run, points: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAYESCALE_MIRROR", "http://127.0.0.1:9")
    code, out, error = run("data", "fetch", "chinchilla-points")
    assert (code, out) == (2, "")
    assert "http://127.0.0.1:9 cannot be reached" in error.splitlines()[-1]
    monkeypatch.delenv("BAYESCALE_MIRROR")
    code, _, error = run("data", "fetch", "chinchilla-point")
    assert code == 2
    assert "did you mean chinchilla-points?" in error


def test_what_is_not_there_or_not_the_same_is_refused(points: Source, tmp_path: Path) -> None:
    (file,) = (tmp_path / "www").rglob("*.csv")
    file.write_text(CHINCHILLA.replace("5.0055", "4.0055"), "utf-8")
    with pytest.raises(BayescaleError, match="SHA-256 differs; nothing was kept"):
        fetch(points)
    assert not points.is_fetched
    file.unlink()
    with pytest.raises(BayescaleError, match="answers 404 for data/svg"):
        fetch(points)


def test_fetch_reads_what_it_fetched(points: Source) -> None:
    runs = Runs.fetch("chinchilla-points", where="loss < 5")
    assert (len(runs), runs.name) == (1, "chinchilla-points")
    with pytest.raises(BayescaleError, match="ships with the package"):
        Runs.fetch("open-llm-bpc")


def test_the_published_suite_is_of_tables_that_can_be_fetched(
    serve: Callable[[Path], None],
) -> None:
    text = bundled.read_input("suites", "published")
    splits = tomllib.loads(text)["backtest"]
    assert {each["table"] for each in splits} <= set(BY_NAME)
    with pytest.raises(BayescaleError, match="`bayescale data fetch chinchilla-points` gets it"):
        read_suite("published")


def test_a_damaged_copy_is_refused_and_fetched_again(points: Source) -> None:
    fetch(points)
    (kept,) = points.paths.values()
    kept.write_text(CHINCHILLA.replace("5.0055", "4.0055"), "utf-8")
    with pytest.raises(BayescaleError, match="not the file that was published"):
        Runs.read("chinchilla-points")
    fetch(points)
    assert Runs.read("chinchilla-points").table["loss"].iloc[0] == 5.0055


def test_gadre(publish: Callable[..., Source]) -> None:
    """As its JSON files are, less the paths of its authors."""
    sets = ("openlm/shard_0.tar", "c4_val/shard-{0..10}.tar", "val_tok_mult/paloma_c4_en/1.tar")
    more = ("paloma_dolma_100_programing_languages", "paloma_falcon-refinedweb", "paloma_ptb")
    places = [*sets, *(f"v/{name}/1.tar" for name in (*more, "paloma_redpajama", "de-en"))]
    results = [
        {
            "loss": 3.0 + i,
            "loss_tokens_lower_95": 3.0 + i - 0.0196,
            "loss_tokens_upper_95": 3.0 + i + 0.0196,
            "val_data": [f"training/eval_data/{place}"],
        }
        for i, place in enumerate(places)
    ]
    contents = {}
    for model, path in (("training/open_lm_configs/d=96_l=8_h=4.json", "d=96_l=8_h=4"),
                        ("open_lm_7b", "open_lm_7b")):  # fmt: skip
        settings = {"model": model, "tokens": 2e9, "params": 1e8, "params_no_embed": 9e7}
        settings["chinchilla_multiplier"] = 1.0
        content = {"name": f"rpj-{path}-1.0", "dataset_name": "rpj", "hyperparameters": settings}
        contents[f"exp_data/models/rpj-{path}-1.0.json"] = json.dumps(
            content | {"results": results}
        )
    fetch(publish("gadre-overtraining", contents))
    table = Runs.read("gadre-overtraining").table
    assert table["model"].tolist() == ["d=96_l=8_h=4", "open_lm_7b"]
    assert table[["width", "depth", "heads"]].values.tolist() == [[96, 8, 4], [4096, 32, 32]]
    assert table["loss"].tolist() == [4.0, 4.0]
    assert table["loss_se"].tolist() == pytest.approx([0.01, 0.01])
    assert table["loss_german_c4"].tolist() == [10.0, 10.0]


NOTEBOOK = """NAMES_TO_VAL_LOSSES = {
    "2b855b1b25c4seed2": 3.422794E+00,
    # "2b855b55bperplexity": 2.604075E+00
    "4b284b12bc4opt2": 2.520537E+00, # Params: 3.089856e9
    "146m7b5100mdedup": 3.883653E+00, ### DOUBLE DESCENT ###
    "3b926b400m": 0,
    "8b7178b25b": 2.376484E+00,
}
TOKENS_MAP = {"100m": 0.1}
PARAMS_MAP = {"146m": 1.465E+08, "2b8": 2.81E+09, "4b2": 4.2465E+09, "8b7": 8.67E+09, "3b9": 3e9}
"""


def test_datablations(publish: Callable[..., Source]) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["#### Data loading"]},
        {"cell_type": "code", "source": NOTEBOOK.splitlines(keepends=True), "outputs": []},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "print(NAMES_TO_VAL_LOSSES)"]},
    ]
    content = json.dumps({"nbformat": 4, "cells": cells})
    fetch(publish("datablations", {"utils/parametric_fit.ipynb": content}))
    table = Runs.read("datablations").table.set_index("run")
    sizes = table[["params", "tokens", "unique_tokens"]]
    assert sizes.loc["2b855b1b25c4seed2"].tolist() == [2.81e9, 55e9, 1.25e9]
    assert sizes.loc["146m7b5100mdedup"].tolist() == [1.465e8, 7.5e9, 1e8]
    assert sizes.loc["8b7178b25b"].tolist() == [8.67e9, 178e9, 25e9]
    assert len(table) == 3  # not what did not finish, nor what is of another shape
    assert table["seed"].tolist() == [2, 0, 0]
    assert table["dataset"].tolist() == ["c4", "c4-dedup-subset", "c4"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/data here")
def test_names_of_datablations_say_what_others_read_in_them(tmp_path: Path) -> None:
    expected = pd.read_csv(SHARED / "datablations.csv")
    expected = expected[~expected["optimal_shape"]].set_index("run")
    # In millions, as the notebook has them.
    sizes = {
        **{"7m": 7.098752, "14m": 14.1, "20m": 19.703712, "25m": 35.5, "44m": 44, "83m": 82.7},
        **{"146m": 146.5, "196m": 201.236224, "220m": 220.5, "221m": 220.5, "280m": 281},
        **{"421m": 421.2, "574m": 573.7, "619m": 618.7, "1b1": 1096.3, "1b5": 1517.3},
        **{"2b2": 2160.013824, "2b8": 2810, "3b9": 3899.71072, "4b2": 4246.5, "8b7": 8670},
    }
    sizes = {name: 1e6 * count for name, count in sizes.items()}
    source = f"NAMES_TO_VAL_LOSSES = {expected['loss'].to_dict()}\nPARAMS_MAP = {sizes}\n"
    file = tmp_path / "parametric_fit.ipynb"
    file.write_text(json.dumps({"cells": [{"cell_type": "code", "source": [source]}]}), "utf-8")
    table = PARSERS["datablations"]({"": file}).set_index("run")
    assert len(table) == sources()["datablations"].rows
    for column in ("params", "tokens", "unique_tokens", "epochs", "flops", "seed"):
        np.testing.assert_allclose(table[column], expected[column], rtol=1e-7, err_msg=column)
    assert table["dataset"].tolist() == expected["dataset"].tolist()


def test_trajectories(publish: Callable[..., Source]) -> None:
    content = (
        ",data,epochs,token_num,loss,num_params,model_args,tokens_per_epoch,flops,chekpoint\n"
        "0,c4,44,104857600,6.97566,2.8B,{'tensorboard': 'w7KmvQJRRvyCAsd0DkLOwg'},1250000000.0,"
        "4.8e+23,https://huggingface.co/datablations/lm1-2b8-55b-c4-repetitions\n"
        "9260,oscar,1,177999970304,2.82801,8.7B,{'tensorboard': 'UD7KJYMWQBW1jeQv4dnFMg'},"
        "178000000000.0,9.3e+22,https://huggingface.co/datablations/lm1-8b7-178b\n"
    )
    path = "aggregated_eval/datablations_losses.csv"
    fetch(publish("datablations-trajectories", {path: content}))
    table = Runs.read("datablations-trajectories").table
    assert table["run_group"].tolist() == ["c4_2.8B_ep44_w7Kmv", "oscar_8.7B_ep1_UD7KJ"]
    assert table["params"].tolist() == [2.81e9, 8.67e9]
    assert table["unique_tokens"].tolist() == [1.25e9, 178e9]


def test_olmo_ladder(publish: Callable[..., Source]) -> None:
    """Files with and without a count of tokens; the last row is the run."""
    header = (
        "_step,{}eval/c4_en-validation/CrossEntropyLoss,eval/pile-validation/CrossEntropyLoss,"
        "eval/downstream_bpb/piqa_val_rc_5shot_bpb,eval/downstream/piqa_val_rc_5shot_len_norm,"
        "eval/downstream/boolq_val_rc_5shot_acc,learning_rate_peak,batch_size_in_tokens\n"
    )
    ladder = header.format("throughput/total_tokens,")
    ladder += "3600,1.887e9,3.75,3.19,1.4,.6,.4,.001,524288\n"
    ladder += "3641,1.908e9,3.74,3.18,1.3,.6,.4,.001,524288\n"
    target = header.format("") + "596057,2.43,1.80,.9,.82,.8,.001,8388608\n"
    folder = "src/scripts/paper/data/ladder-runs"
    contents = {f"{folder}/190M-0.5xC.csv": ladder, f"{folder}/peteish13_eval_final.csv": target}
    fetch(publish("olmo-ladder", contents))
    table = Runs.read("olmo-ladder").table
    assert table["params"].tolist() == [267_424_512, 13_716_198_400]
    assert table["tokens"].tolist() == [1.908e9, 596057 * 8388608]
    assert table[["loss", "loss_pile", "bpb_piqa_val", "acc_boolq_val"]].values.tolist() == [
        [3.74, 3.18, 1.3, 0.4],
        [2.43, 1.80, 0.9, 0.8],
    ]
    assert table["flops"].iloc[1] == pytest.approx(6 * 13_202_396_160 * 596057 * 8388608)
    assert table["role"].tolist() == ["ladder", "target"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/data here")
def test_sizes_of_the_olmo_ladder_are_those_that_others_list() -> None:
    from bayescale.runs.sources.olmo import _SIZES

    expected = pd.read_csv(SHARED / "olmo_ladder.csv")
    for _, row in expected.drop_duplicates("size_label").iterrows():
        params, *shape = _SIZES[row["size_label"].partition("-")[0]]
        assert shape == row[["width", "depth", "heads"]].tolist()
        assert params == pytest.approx(row["params_excl_input_emb"], rel=1e-4)
