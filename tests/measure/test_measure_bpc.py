"""Bits per character, of real models that are made here."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import tiny_models  # noqa: E402

from bayescale import BayescaleError, Runs  # noqa: E402
from bayescale.measure import bpc as bpc_module  # noqa: E402
from bayescale.measure.bpc import Bpc, measure_bpc, score  # noqa: E402
from bayescale.measure.causal import CausalModel, load_causal  # noqa: E402
from bayescale.measure.documents import Document  # noqa: E402
from bayescale.measure.windows import windows  # noqa: E402

torch.set_num_threads(1)
HARNESS = json.loads((Path(__file__).parents[1] / "data" / "harness.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save(tmp_path_factory.mktemp("models") / "tiny", seed=3)


@pytest.fixture(scope="module")
def tiny(folder: Path) -> CausalModel:
    return load_causal(str(folder), device="cpu")


@pytest.fixture(scope="module")
def uniform(tmp_path_factory: pytest.TempPathFactory) -> CausalModel:
    made = tiny_models.save(tmp_path_factory.mktemp("models") / "uniform", uniform=True)
    return load_causal(str(made), device="cpu", dtype="float64")


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """The documents as a .jsonl file under `content`."""
    path = tmp_path / "texts.jsonl"
    lines = [json.dumps({"id": "x", "content": text}) for text in tiny_models.documents()]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def document(text: str) -> Document:
    return Document("d", text, len(text.encode()))


@given(st.integers(0, 60), st.integers(1, 20), st.data())
def test_every_token_is_scored_once(tokens: int, window: int, data: Any) -> None:
    stride = data.draw(st.integers(1, window))
    seen: list[int] = []
    for w in windows(tokens, window, stride):
        assert 1 <= w.scored <= w.end - w.start <= window
        seen += range(w.end - w.scored, w.end)
    assert seen == list(range(tokens))


@settings(deadline=None, max_examples=40)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80),
    st.integers(1, 64),
    st.integers(1, 5),
    st.data(),
)
def test_uniform_logits_give_tokens_log2_v_over_characters(
    uniform: CausalModel, text: str, window: int, batch: int, data: Any
) -> None:
    stride = data.draw(st.integers(1, window))
    measured = score(uniform, document(text), window=window, stride=stride, batch=batch)
    vocabulary = uniform.model.config.vocab_size
    bpc = measured.nats / (measured.characters * math.log(2))
    assert bpc == pytest.approx(measured.tokens * math.log2(vocabulary) / len(text), rel=1e-12)
    assert measured.round_trips


@pytest.mark.parametrize("length", ["16", "64"])
def test_bits_per_byte_agree_with_lm_evaluation_harness(
    tiny: CausalModel, texts: Path, length: str
) -> None:
    theirs = HARNESS["max_length"][length]
    measured = measure_bpc(tiny, [texts], field="content", window=int(length), stride=int(length))
    assert measured.bpb == pytest.approx(theirs["bits_per_byte"], rel=1e-5)
    each = [
        score(tiny, document(text), window=int(length), stride=int(length)).nats
        for text in tiny_models.documents()
    ]
    assert each == pytest.approx([-value for value in theirs["log_likelihoods"]], rel=1e-5)


def test_batches_and_strides(tiny: CausalModel) -> None:
    text = document(tiny_models.documents()[-1])
    single = score(tiny, text, window=32, stride=8)
    many = score(tiny, text, window=32, stride=8, batch=7)
    assert many.nats == pytest.approx(single.nats, rel=1e-6)
    ids = [tiny.prefix, *tiny.encode(text.text)]
    by_hand = 0.0
    with torch.inference_mode():
        for token in range(1, len(ids)):
            steps = math.ceil(max(0, token - 32) / 8)
            first = max(0, min(32 + 8 * steps, len(ids) - 1) - 32)
            seen = torch.tensor([ids[first:token]])
            logits = tiny.model(seen).logits[0, -1].double()
            by_hand -= float(torch.log_softmax(logits, -1)[ids[token]])
    assert single.nats == pytest.approx(by_hand, rel=1e-5)


def test_errors_are_those_of_a_ratio(tiny: CausalModel, texts: Path) -> None:
    measured = measure_bpc(tiny, [texts], field="content", window=32, stride=16)
    scores = [score(tiny, document(text), window=32, stride=16) for text in tiny_models.documents()]
    characters = [s.characters for s in scores]
    bits = [s.nats / math.log(2) for s in scores]
    n = len(scores)
    spread = sum((b - measured.bpc * c) ** 2 for b, c in zip(bits, characters, strict=True))
    assert measured.bpc == pytest.approx(sum(bits) / sum(characters))
    assert measured.bpc_se == pytest.approx(math.sqrt(n / (n - 1) * spread) / sum(characters))
    assert measured.characters == sum(map(len, tiny_models.documents()))
    assert measured.bytes == sum(len(text.encode()) for text in tiny_models.documents())
    assert measured.loss * measured.tokens == pytest.approx(measured.nats)
    assert measured.params == measured.params_active == tiny.model.num_parameters()


def test_bits_per_byte_and_per_character_differ_by_the_bytes_of_the_text(
    tiny: CausalModel, tmp_path: Path
) -> None:
    """Line ends, byte order marks and combining marks are code points of the original text."""
    texts = {
        "plain": "one two",
        "crlf": "\ufeffone\r\n",
        "nfd": "zo\u0301\u0142w",
        "ja": "\u6f22\u5b57",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_bytes(text.encode())
        measured = measure_bpc(tiny, [tmp_path / f"{name}.txt"])
        assert (measured.characters, measured.bytes) == (len(text), len(text.encode()))
        assert measured.bpc / measured.bpb == pytest.approx(measured.bytes / measured.characters)
    measured = measure_bpc(tiny, [tmp_path])  # of all, the ratio of the sums
    size = sum(map(len, texts.values()))
    total = sum(len(text.encode()) for text in texts.values())
    assert measured.bpc / measured.bpb == pytest.approx(total / size)


def test_documents_of_all_kinds(tiny: CausalModel, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_bytes("𝄞\r\n".encode())
    (tmp_path / "empty.txt").touch()
    (tmp_path / "sub" / "b.jsonl").write_text('{"text": "\\ud834\\udd1e"}\n\n{"text": ""}\n')
    (tmp_path / "no.bin").write_bytes(b"\xff")
    measured = measure_bpc(tiny, [tmp_path])
    assert (measured.documents, measured.empty, measured.not_round_trip) == (2, 2, 0)
    assert (measured.characters, measured.bytes) == (4, 10)
    assert measured.window == measured.stride == 64  # the context, shorter than the window


def test_a_tokenizer_that_does_not_round_trip(tmp_path: Path, run) -> None:
    made = tiny_models.save(
        tmp_path / "lossy", tokenizer=tiny_models.lossy_tokenizer(), uniform=True
    )
    (tmp_path / "a.txt").write_text("The DOG, a fox", "utf-8")
    code, out, err = run("measure", "bpc", made, "--text", "a.txt", "--json")
    printed = json.loads(out)
    assert code == 0
    assert printed["not_round_trip"] == 1
    assert printed["tokens"] == 5
    assert printed["bpc"] == pytest.approx(5 * math.log2(5) / len("The DOG, a fox"), rel=1e-6)
    assert printed["bpc_se"] is None
    assert "warning [not-round-trip] 1 of 1 documents" in err


def command(folder: Path, texts: Path, out: str = "runs.csv") -> list[object]:
    options = [
        "--field",
        "content",
        "--window",
        "32",
        "--stride",
        "8",
        "--batch",
        "2",
        "--device",
        "cpu",
    ]
    known = ["--tokens", "15B", "--family", "tiny", "--tokenizer", "bytes"]
    return ["measure", "bpc", folder, "--text", texts, *options, "--out", out, *known]


def test_a_killed_measurement_goes_on_where_it_was(
    folder: Path, texts: Path, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = run(*command(folder, texts, "whole.csv"), "--json")
    whole = json.loads(out)
    assert code == 0
    killed = """
import os, signal, sys
import bayescale.measure.bpc as module
from bayescale.cli.main import main
calls, score = [], module.score
def dies(*args, **options):
    calls.append(1)
    if len(calls) == 4:
        with open("runs.csv.bpc.jsonl", "a") as journal:
            journal.write('{"key": "torn", "chara')
        os.kill(os.getpid(), signal.SIGKILL)
    return score(*args, **options)
module.score = dies
main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", killed, *map(str, command(folder, texts))],
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # as here: two threads round otherwise
    )
    assert ended.returncode == -signal.SIGKILL
    assert not Path("runs.csv").exists()

    calls: list[str] = []
    real = bpc_module.score
    monkeypatch.setattr(
        bpc_module, "score", lambda m, d, **o: calls.append(d.name) or real(m, d, **o)
    )
    code, out, err = run(*command(folder, texts), "--json")
    assert code == 0
    assert len(calls) == 2  # the fourth and fifth document; three were on disk
    assert "3 of 5 documents had been scored before" in err
    answer = json.loads(out)
    assert [note["code"] for note in answer.pop("notes")] == ["resumed"]
    assert {**answer, "notes": []} == whole | {"resumed": 3}
    assert Path("runs.csv").read_text("utf-8") == Path("whole.csv").read_text("utf-8")
    code, _, err = run(*command(folder, texts))
    assert (code, len(calls)) == (0, 2)
    assert "is already in runs.csv" in err

    row = Runs.read("runs.csv").table.loc[1]
    assert (row.run, row.family, row.tokenizer, row.tokens) == ("tiny", "tiny", "bytes", 15e9)
    assert (row.bpc, row.loss) == (whole["bpc"], whole["loss"])
    assert run("data", "check", "runs.csv")[0] == 0

    (tmp_path / "texts.jsonl").write_text('{"content": "another"}', "utf-8")
    code, _, err = run(*command(folder, texts))
    assert code == 2
    assert "already a run 'tiny', with another bpc" in err


def test_what_changes_a_score_is_not_taken_from_the_journal(
    folder: Path, texts: Path, tmp_path: Path
) -> None:
    model = load_causal(str(folder), device="cpu")
    fixed: dict[str, Any] = {"field": "content", "journal": tmp_path / "j.jsonl"}

    def resumed(**options: Any) -> int:
        return measure_bpc(model, [texts], **fixed, **options).resumed

    assert [resumed(window=w, stride=8) for w in (32, 32, 16)] == [0, 5, 0]
    (folder / "added.json").touch()  # as retraining in the same folder would change its files
    assert load_causal(str(folder), device="cpu").identity != model.identity


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text", "no.txt"], "no.txt: no such file"),
        (["--text", "a.md"], "unknown kind of text '.md'"),
        (["--text", "a.jsonl"], "a.jsonl:1: no text under 'text'; choose with --field: content"),
        (["--text", "bad.txt"], "bad.txt: not UTF-8 text"),
        (["--text", "none.txt"], "nothing to score"),
        (["--text", "a.txt", "--window", 0], "window=0"),
        (["--text", "a.txt", "--stride", 1901], "stride=1901: must be 1 to 1900"),
        (["--text", "a.txt", "--batch", 0], "batch=0"),
        (["--text", "a.txt", "--dtype", "int8"], "dtype='int8': use one of"),
        (["--text", "a.txt", "--device", "abacus"], "device='abacus' cannot be used"),
        (["--text", "a.txt", "--family", "x"], "name its --out too"),
        (["--text", "a.txt", "--out", "r.csv"], "--out needs --tokens"),
        (["--text", "a.txt", "--out", "r.csv", "--tokens", "15"], "if it counts billions"),
        (["--text", "a.txt", "--out", "r.csv", "--tokens", "9T:1T"], "LOW:HIGH"),
        (["--text", "a.txt", "--out", "r.xlsx", "--tokens", "1T"], "added to a .csv file"),
    ],
)
def test_a_slip_is_one_line(
    folder: Path, run, tmp_path: Path, arguments: list[object], message: str
) -> None:
    (tmp_path / "a.txt").write_text("the dog", "utf-8")
    (tmp_path / "a.md").write_text("the dog", "utf-8")
    (tmp_path / "none.txt").touch()
    (tmp_path / "bad.txt").write_bytes(b"ab\xff")
    (tmp_path / "a.jsonl").write_text('{"content": "x"}\n', "utf-8")
    code, out, err = run("measure", "bpc", folder, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_models_that_cannot_be_measured(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    bert = transformers.BertConfig(**small, intermediate_size=32)
    tokenizer = tiny_models.byte_tokenizer()

    def refused(path: Path, message: str) -> None:
        with pytest.raises(BayescaleError, match=message):
            load_causal(str(path), device="cpu")

    transformers.BertForMaskedLM(bert).save_pretrained(tmp_path / "masked")
    tokenizer.save_pretrained(tmp_path / "masked")
    refused(tmp_path / "masked", "BertForMaskedLM is not a causal language model")
    transformers.BertLMHeadModel(bert).save_pretrained(tmp_path / "both-ways")
    tokenizer.save_pretrained(tmp_path / "both-ways")
    refused(tmp_path / "both-ways", "predictions change with the text after them")

    config = json.loads((folder / "config.json").read_text("utf-8"))
    headless = transformers.LlamaModel(transformers.LlamaConfig(**config))
    headless.save_pretrained(tmp_path / "headless")
    tokenizer.save_pretrained(tmp_path / "headless")
    (tmp_path / "headless" / "config.json").write_text(json.dumps(config), "utf-8")
    refused(tmp_path / "headless", "lack 1 weights of a causal language model, such as lm_head")

    tiny_models.save(tmp_path / "nameless", tokenizer=tiny_models.byte_tokenizer(pad_token="</s>"))
    refused(tmp_path / "nameless", "names no BOS and no EOS")
    (tmp_path / "odd").mkdir()
    odd = {"model_type": "novel", "auto_map": {"AutoConfig": "code.C"}}
    (tmp_path / "odd" / "config.json").write_text(json.dumps(odd), "utf-8")
    refused(tmp_path / "odd", "code of its own, which is not run|cannot load its config")
    (tmp_path / "odd" / "config.json").write_text('{"model_type": "novel"}', "utf-8")
    refused(tmp_path / "odd", "cannot load its config .*does not recognize this architecture")
    refused(tmp_path / "nowhere" / "at" / "all", "no such folder")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    refused(Path("somebody/some-model"), "the hub cannot be reached")


def test_a_missing_extra(run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.txt").write_text("the dog", "utf-8")
    monkeypatch.setitem(sys.modules, "torch", None)
    code, _, err = run("measure", "bpc", folder, "--text", "a.txt")
    assert code == 2
    assert "pip install 'bayescale[measure]'" in err


def test_numbers_that_are_none(tiny: CausalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bpc_module, "_nats", lambda *_: math.nan)
    with pytest.raises(BayescaleError, match="log-probability that is no number"):
        score(tiny, document("x"), window=8, stride=8)


def test_a_result_is_a_row(tiny: CausalModel, texts: Path) -> None:
    measured = measure_bpc(tiny, [texts], field="content")
    assert isinstance(measured, Bpc)
    row = measured.row(run="a", tokens=1e9, params=None)
    assert (row["tokens"], row["text_tokens"]) == (1e9, measured.tokens)
    assert row["params"] == measured.params
