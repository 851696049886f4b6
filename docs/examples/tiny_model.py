"""Make a Llama of two layers with random weights, in the folder `tiny`."""

from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

bpe = Tokenizer(models.BPE())
bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
bpe.decoder = decoders.ByteLevel()
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
trainer = trainers.BpeTrainer(
    vocab_size=300, special_tokens=["<s>"], initial_alphabet=alphabet, show_progress=False
)
bpe.train_from_iterator([Path(__file__).read_text("utf-8")], trainer)
tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>")
torch.manual_seed(0)
config = transformers.LlamaConfig(
    vocab_size=len(tokenizer),
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=64,
)
transformers.LlamaForCausalLM(config).save_pretrained("tiny")
tokenizer.save_pretrained("tiny")
