"""Parameters and FLOP of architectures, against real models and the bundled table."""

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bayescale import BayescaleError, Runs
from bayescale.measure.architecture import KINDS, Architecture
from bayescale.measure.flops import flops_per_token

ARCHITECTURES = Path(__file__).parents[3] / "shared" / "facts" / "architectures.csv"

SMALL: dict[str, Any] = {
    "hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 6, "vocab_size": 101,
    "intermediate_size": 80, "max_position_embeddings": 40,
}  # fmt: skip
GPT2 = {"n_embd": 48, "n_layer": 3, "n_head": 6, "n_positions": 40, "vocab_size": 101}
FALCON = {k: v for k, v in SMALL.items() if k != "intermediate_size"}
MOE = {"num_experts_per_tok": 2, "num_local_experts": 5}
QWEN_MOE = {
    "num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 24,
    "num_key_value_heads": 2, "decoder_sparse_step": 2,
}  # fmt: skip
LATENT = {
    "q_lora_rank": 20, "kv_lora_rank": 12, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4,
    "v_head_dim": 10, "n_routed_experts": 6, "num_experts_per_tok": 2, "n_shared_experts": 2,
    "moe_intermediate_size": 16, "first_k_dense_replace": 1,
}  # fmt: skip

LATENT_3 = {**LATENT, "n_group": 2, "topk_group": 1, "num_mtp_layers": 0}
MAMBA = {"hidden_size": 48, "num_hidden_layers": 3, "vocab_size": 101}

CASES: list[dict[str, Any]] = [
    {"model_type": "llama", **SMALL},
    {"model_type": "llama", **SMALL, "num_key_value_heads": 2, "tie_word_embeddings": True},
    {"model_type": "llama", **SMALL, "attention_bias": True, "mlp_bias": True, "head_dim": 10},
    {"model_type": "mistral", **SMALL, "num_key_value_heads": 3},
    {"model_type": "qwen2", **SMALL, "num_key_value_heads": 2, "tie_word_embeddings": True},
    {"model_type": "qwen3", **SMALL, "num_key_value_heads": 2},
    {"model_type": "gpt2", **GPT2},
    {"model_type": "gpt2", **GPT2, "n_inner": 70, "tie_word_embeddings": False},
    {"model_type": "gpt_neox", **SMALL},
    {"model_type": "gpt_neox", **SMALL, "attention_bias": False},
    {"model_type": "falcon", **FALCON},
    {"model_type": "falcon", **FALCON, "new_decoder_architecture": True, "num_kv_heads": 2},
    {"model_type": "falcon", **FALCON, "multi_query": False, "parallel_attn": False, "bias": True},
    {"model_type": "mixtral", **SMALL, **MOE, "num_key_value_heads": 2},
    {"model_type": "qwen2_moe", **SMALL, **QWEN_MOE, "shared_expert_intermediate_size": 32},
    {
        "model_type": "qwen2_moe",
        **SMALL,
        **QWEN_MOE,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [1],
    },
    {"model_type": "qwen3_moe", **SMALL, **QWEN_MOE, "head_dim": 12},
    {"model_type": "deepseek_v2", **SMALL, **LATENT},
    {"model_type": "deepseek_v2", **SMALL, **LATENT, "q_lora_rank": None, "attention_bias": True},
    {"model_type": "deepseek_v3", **SMALL, **LATENT_3},
    {"model_type": "gemma", **SMALL, "head_dim": 12, "num_key_value_heads": 2},
    {"model_type": "gemma2", **SMALL, "head_dim": 12, "num_key_value_heads": 2},
    {"model_type": "gemma3_text", **SMALL, "head_dim": 12, "num_key_value_heads": 2},
    {"model_type": "olmo2", **SMALL, "num_key_value_heads": 2},
    {"model_type": "olmo3", **SMALL, "num_key_value_heads": 3, "attention_bias": True},
    {"model_type": "phi3", **SMALL, "num_key_value_heads": 2, "pad_token_id": 0},
    {"model_type": "smollm3", **SMALL, "num_key_value_heads": 2, "pad_token_id": 0},
    {"model_type": "granite", **SMALL, "attention_bias": True, "mlp_bias": True},
    {"model_type": "granitemoe", **SMALL, **MOE, "num_key_value_heads": 2},
    {
        "model_type": "olmoe",
        **SMALL,
        "num_experts": 5,
        "num_experts_per_tok": 2,
        "num_key_value_heads": 2,
    },
    {"model_type": "gpt_oss", **SMALL, **MOE, "head_dim": 12, "num_key_value_heads": 2},
    {
        "model_type": "llama4_text",
        **SMALL,
        **MOE,
        "head_dim": 12,
        "num_key_value_heads": 2,
        "intermediate_size_mlp": 90,
        "interleave_moe_layer_step": 2,
    },
    {
        "model_type": "llama4_text",
        **SMALL,
        **MOE,
        "head_dim": 12,
        "num_key_value_heads": 2,
        "intermediate_size_mlp": 90,
        "moe_layers": [0, 2],
        "attention_bias": True,
    },
    {"model_type": "mamba", **MAMBA},
    {
        "model_type": "mamba",
        **MAMBA,
        "use_bias": True,
        "use_conv_bias": False,
        "time_step_rank": 5,
        "tie_word_embeddings": False,
    },
    {"model_type": "mamba2", **MAMBA, "num_heads": 12, "head_dim": 8, "n_groups": 2},
    {
        "model_type": "mamba2",
        **MAMBA,
        "num_heads": 12,
        "head_dim": 8,
        "n_groups": 2,
        "use_bias": True,
        "tie_word_embeddings": True,
    },
    {
        "model_type": "falcon_h1",
        **SMALL,
        "num_key_value_heads": 2,
        "mamba_d_ssm": 64,
        "mamba_n_heads": 8,
        "mamba_rms_norm": True,
    },
    {
        "model_type": "falcon_h1",
        **SMALL,
        "num_key_value_heads": 2,
        "mamba_d_ssm": None,
        "mamba_n_heads": 8,
        "mamba_proj_bias": True,
        "projectors_bias": True,
        "mlp_bias": True,
    },
]


def built(config: dict[str, Any], device: str = "meta") -> Any:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    with torch.device(device):
        theirs = transformers.AutoConfig.for_model(**config)
        return transformers.AutoModelForCausalLM.from_config(theirs, attn_implementation="eager")


def corrections(model: Any) -> int:
    """Of DeepSeek-V3's router, learnt though no parameters of torch's."""
    return sum(b.numel() for name, b in model.named_buffers() if "correction_bias" in name)


def learnt(model: Any) -> int:
    return sum(p.numel() for p in model.parameters()) + corrections(model)


def name_of(config: dict[str, Any]) -> str:
    return config["model_type"]


@pytest.mark.parametrize("config", CASES, ids=name_of)
def test_parameters_are_those_of_the_real_model(config: dict[str, Any]) -> None:
    model = built(config)
    counted = Architecture.of(config)
    assert counted.params == learnt(model)
    outside = {
        id(w): w.numel()
        for name, w in model.named_parameters()
        if any(part in name for part in ("embed_tokens", "wte", "wpe", "embed_in", "lm_head"))
        or any(part in name for part in ("embed_out", "word_embeddings", ".embeddings."))
    }
    assert counted.params_non_embedding == counted.params - sum(outside.values())
    assert counted.tied == (len(outside) - ("wpe" in str(model)) == 1)
    stacked = [
        (w.numel(), w.shape[0]) for name, w in model.named_parameters() if ".experts." in name
    ]
    chosen = config.get("num_experts_per_tok", 0)
    idle = sum(size // count * (count - chosen) for size, count in stacked)
    assert counted.params_active == counted.params - idle
    assert (idle > 0) == bool(chosen)


@pytest.mark.parametrize("config", CASES, ids=name_of)
def test_total_flos_are_what_the_trainer_writes(config: dict[str, Any]) -> None:
    model = built(config)
    counts = {c.convention: c for c in flops_per_token(Architecture.of(config), None)}
    # What `Trainer.floating_point_ops` multiplies by 6 and the tokens.
    theirs = model.num_parameters(exclude_embeddings=True) + corrections(model)
    assert counts["trainer"].per_token == 6 * theirs


def test_every_kind_is_built() -> None:
    ours = {config["model_type"] for config in CASES}
    assert set(KINDS) - ours == {"qwen"}  # has no class in transformers; the table below has it


@pytest.mark.parametrize("config", [CASES[1], CASES[6], CASES[8]], ids=name_of)
def test_matrices_attention_and_logits_are_what_torch_counts(config: dict[str, Any]) -> None:
    model = built(config, "cpu")
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    length = 16
    counter = FlopCounterMode(display=False)
    with counter:
        model(torch.zeros((1, length), dtype=torch.long), use_cache=False)
    counts = {c.convention: c for c in flops_per_token(Architecture.of(config), length)}
    forward = counts["matrices+attention+logits"].per_token * length / 3
    assert counter.get_total_flops() == pytest.approx(forward, rel=0.01)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"qwen"}))
def test_defaults_are_those_of_transformers(kind: str) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoConfig.for_model(kind)
    for entry, value in KINDS[kind].defaults.items():
        assert getattr(theirs, entry) == value, entry


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"qwen"}))
def test_what_a_config_leaves_to_its_class_is_counted(kind: str) -> None:
    """A config.json may state only where it differs from its class."""
    config: dict[str, Any] = {
        "model_type": kind, "hidden_size": 4096, "num_hidden_layers": 2, "vocab_size": 200_000,
        "num_attention_heads": 32, "intermediate_size": 8192,
    }  # fmt: skip
    if kind == "gpt2":
        config = {"model_type": "gpt2", **GPT2}
        del config["n_positions"]
    elif kind == "llama4_text":
        config["intermediate_size_mlp"] = 9000
    elif kind == "deepseek_v2":
        config["num_experts_per_tok"] = 2
    elif kind == "deepseek_v3":
        config["num_hidden_layers"] = 4
    assert Architecture.of(config).params == learnt(built(config))


def config_of(row: dict[str, str]) -> dict[str, Any]:
    """The config.json of a row of architectures.csv."""
    kind = row["kind"].replace("-", "_")
    if row["qkv_bias"] == "yes":
        kind = "qwen2"
    number = {k: int(v) for k, v in row.items() if v.isdigit()}
    config: dict[str, Any] = {
        "model_type": kind,
        "num_hidden_layers": number["layers"],
        "hidden_size": number["width"],
        "num_attention_heads": number["heads"],
        "vocab_size": number["embedding_rows"],
        "tie_word_embeddings": row["tied"] == "yes",
        "num_key_value_heads": number["kv_heads"],
        "intermediate_size": number["ffn"],
    }
    if kind == "falcon":
        config |= {"ffn_hidden_size": number["ffn"], "num_kv_heads": number["kv_heads"]}
        config |= {"new_decoder_architecture": number["kv_heads"] > 1}
    if "experts" in number:
        config |= {"num_local_experts": number["experts"]}
        config |= {"num_experts_per_tok": number["experts_active"]}
    if kind == "deepseek_v2":  # the rest of it stands in the row's note
        config |= {"intermediate_size": 12288, "moe_intermediate_size": number["ffn"]}
        config |= {"n_routed_experts": number["experts"], "n_shared_experts": 2}
        config |= {"first_k_dense_replace": 1, "q_lora_rank": 1536, "kv_lora_rank": 512}
    return config


def test_the_bundled_table_is_reproduced_exactly() -> None:
    if not ARCHITECTURES.is_file():
        pytest.skip("the architectures of the 28 models are not in ../shared/facts")
    with ARCHITECTURES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    table = Runs.read("open-llm-bpc").table.set_index("run")
    assert {row["run"] for row in rows} == set(table.index)
    assert len(rows) == 28
    for row in rows:
        counted = Architecture.of(config_of(row), row["run"])
        run = table.loc[row["run"]]
        assert (counted.params, counted.params_active) == (run.params, run.params_active)


def test_qwen_of_2023_states_twice_its_width() -> None:
    config = {"model_type": "qwen", "hidden_size": 4096, "num_hidden_layers": 32}
    config |= {"num_attention_heads": 32, "vocab_size": 151936, "intermediate_size": 22016}
    assert Architecture.of(config).params == 7_721_324_544  # Qwen-7B in the bundled table


def test_conventions_of_a_model_done_by_hand() -> None:
    config = {"model_type": "gpt2", "n_embd": 10, "n_layer": 2, "n_head": 5, "vocab_size": 7}
    counts = {c.convention: c.per_token for c in flops_per_token(Architecture.of(config), 100)}
    layers = 2 * 12 * 10 * 10
    assert counts["matrices"] == 6 * layers == counts["deepseek-6N1"]
    assert counts["matrices+logits"] == 6 * (layers + 70) == counts["deepseek-6N2"]
    assert counts["matrices+attention"] == 6 * layers + 12 * 2 * 10 * 100 == counts["deepseek-M"]
    assert counts["kaplan"] - counts["6N-non-embedding"] == 6 * 2 * 10 * 100
    assert counts["palm"] - counts["6N"] == 12 * 2 * 10 * 100
    softmax = 3 * 3 * 2 * 5 * 100
    assert counts["chinchilla"] == counts["matrices+attention+logits"] + 6 * 70 + softmax


def test_command(run, tmp_path: Path) -> None:
    config = {**CASES[13], "architectures": ["MixtralForCausalLM"]}
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    code, out, _ = run("measure", "flops", ".", "--tokens", "2B", "--json")
    printed = json.loads(out)
    assert code == 0
    assert printed["architecture"] == asdict(Architecture.of(config))
    assert printed["sequence"] == 40
    first = printed["flops"][0]
    assert (
        first["training"] == first["per_token"] * 2e9 == 6 * 2e9 * printed["architecture"]["params"]
    )
    code, out, _ = run("measure", "flops", "config.json", "--seq", 10)
    assert code == 0
    assert "deepseek-M" in out
    assert f"{printed['architecture']['params_active']:,}" in out


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"architectures": ["BertForMaskedLM"], "model_type": "bert"}, "not a causal language mo"),
        ({"is_encoder_decoder": True, "model_type": "t5"}, "encoder-decoder"),
        ({"model_type": "mamba"}, "no hidden_size"),
        ({}, "no model_type"),
        ({"model_type": ["llama"]}, "is not one whose parameters are counted"),
        ({"model_type": "llama"}, "no hidden_size"),
        ({"model_type": "llama", **SMALL, "hidden_size": 10**400}, "is not a count"),
        ({"model_type": "mixtral", **SMALL, "num_experts_per_tok": 9}, "9 of 8 experts"),
        (
            {"architectures": ["Gemma3ForConditionalGeneration"], "text_config": {}},
            "write that to a file of its own",
        ),
        ({"model_type": "llama", **SMALL, "hidden_size": "48"}, "hidden_size='48' is not a count"),
        ({"model_type": "bloom"}, "architecture 'bloom' is not one"),
    ],
)
def test_a_config_that_cannot_be_counted(run, tmp_path: Path, entries: Any, message: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(entries), "utf-8")
    code, out, err = run("measure", "flops", "a.json")
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_hub_name_without_network(run, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    code, _, err = run("measure", "flops", "somebody/some-model")
    assert code == 2
    assert "hub cannot be reached; download it where there is network" in err
    assert err.count("\n") == 1
    assert run("measure", "flops", "./no-such-folder")[0] == 2


def test_without_a_longest_sequence_only_attention_is_left_out(run, tmp_path: Path) -> None:
    config = {k: v for k, v in CASES[0].items() if k != "max_position_embeddings"}
    (tmp_path / "a.json").write_text(json.dumps(config), "utf-8")
    code, out, err = run("measure", "flops", "a.json", "--json")
    printed = json.loads(out)
    assert code == 0
    assert "attention FLOP need --seq N" in err
    assert err.count("\n") == 1
    assert printed["architecture"]["params"] == Architecture.of(CASES[0]).params
    conventions = {row["convention"] for row in printed["flops"]}
    assert {"6N", "6N-non-embedding", "trainer", "matrices"} <= conventions
    assert not any(row["attention"] for row in printed["flops"])
    assert run("measure", "flops", "a.json", "--seq", "40")[2] == ""
    with pytest.raises(BayescaleError, match="no vocab_size"):
        Architecture.of({k: v for k, v in config.items() if k != "vocab_size"})


def test_no_convention_that_knows_only_transformers_is_told_of_a_scan(run, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"model_type": "mamba", **MAMBA}), "utf-8")
    code, out, err = run("measure", "flops", "a.json", "--seq", "40", "--json")
    assert code == 0
    assert "no convention counts it" in err
    conventions = {row["convention"] for row in json.loads(out)["flops"]}
    assert "6N" in conventions
    assert not conventions & {"palm", "deepseek-6N1", "matrices+attention"}


QWEN3 = {"vocab_size": 151936, "head_dim": 128}
# Dimensions of published models and the counts that their cards or reports state.
PUBLISHED: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "Qwen3-30B-A3B": (
        {
            "model_type": "qwen3_moe", **QWEN3, "hidden_size": 2048, "num_hidden_layers": 48,
            "num_attention_heads": 32, "intermediate_size": 6144,
        },
        {"params": 30_532_122_624, "params_active": 3_353_032_704},
    ),
    "Gemma-2-27B": (
        {
            "model_type": "gemma2", "hidden_size": 4608, "num_hidden_layers": 46,
            "num_attention_heads": 32, "num_key_value_heads": 16, "intermediate_size": 36864,
            "vocab_size": 256000, "head_dim": 128,
        },
        {"params_non_embedding": 26_047_480_320},
    ),
    "gpt-oss-120b": (
        {
            "model_type": "gpt_oss", "hidden_size": 2880, "num_hidden_layers": 36,
            "num_attention_heads": 64, "intermediate_size": 2880, "vocab_size": 201088,
        },
        {"params": 116_829_156_672, "params_active": 5_711_982_912},
    ),
    "DeepSeek-V3": (
        {
            "model_type": "deepseek_v3", "hidden_size": 7168, "num_hidden_layers": 61,
            "num_attention_heads": 128, "intermediate_size": 18432, "vocab_size": 129280,
        },
        {"params": 671_026_419_200, "params_active": 37_552_297_472},
    ),
    "OLMo-2-7B": (
        {
            "model_type": "olmo2", "hidden_size": 4096, "num_hidden_layers": 32,
            "num_attention_heads": 32, "intermediate_size": 11008, "vocab_size": 100352,
        },
        {"params": 7_298_617_344},
    ),
    "SmolLM3-3B": (
        {
            "model_type": "smollm3", "hidden_size": 2048, "num_hidden_layers": 36,
            "num_attention_heads": 16, "intermediate_size": 11008, "vocab_size": 128256,
        },
        {"params": 3_075_098_624},
    ),
    "Phi-3-mini": (
        {
            "model_type": "phi3", "hidden_size": 3072, "num_hidden_layers": 32,
            "num_attention_heads": 32, "intermediate_size": 8192, "vocab_size": 32064,
        },
        {"params": 3_821_079_552},
    ),
    "mamba-130m": (
        {
            "model_type": "mamba", "hidden_size": 768, "num_hidden_layers": 24,
            "vocab_size": 50280,
        },
        {"params": 129_135_360},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts(name: str) -> None:
    config, stated = PUBLISHED[name]
    counted = asdict(Architecture.of(config, name))
    assert {key: counted[key] for key in stated} == stated


def test_total_flos_of_tied_and_untied_models() -> None:
    """A public repository's Trainer logs: GPT-2 ties its table, Llama does not."""
    gpt2 = {"model_type": "gpt2", "n_embd": 512, "n_layer": 8, "n_head": 8, "vocab_size": 50257}
    llama = {
        "model_type": "llama", "hidden_size": 512, "num_hidden_layers": 8,
        "num_attention_heads": 8, "intermediate_size": 2048, "vocab_size": 50257,
    }  # fmt: skip
    for config, total_flos in ((gpt2, 77_476_134_912), (llama, 182_153_379_840)):
        counts = {c.convention: c for c in flops_per_token(Architecture.of(config), 512)}
        assert counts["trainer"].per_token * 512 == total_flos
        tied = counts["trainer"].per_token == counts["6N-non-embedding"].per_token
        assert tied == (config is gpt2) == (not counts["trainer"].logits)
