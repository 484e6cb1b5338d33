"""A tiny Llama with random weights and a byte-level tokenizer, for tests and the smoke recipe."""

from pathlib import Path

from civicbench.models.settings import ModelEntry

_SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>")


def write_random_model(entry: ModelEntry, *, seed: int, folder: Path) -> None:
    """Write a model of the entry's architecture with seeded random weights.

    The tokenizer knows the 256 bytes and four special tokens, so that any text has a
    tokenisation that reads back exactly.

    Args:
        entry: The catalogue entry, with its architecture and template.
        seed: Seed of the weights.
        folder: Where the files go.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    numbers = entry.architecture
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate((*_SPECIAL_TOKENS, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<|endoftext|>",
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = entry.template
    config = LlamaConfig(
        vocab_size=numbers.vocabulary_size,
        hidden_size=numbers.hidden_size,
        intermediate_size=numbers.intermediate_size,
        num_hidden_layers=numbers.layers,
        num_attention_heads=numbers.attention_heads,
        num_key_value_heads=numbers.key_value_heads,
        head_dim=numbers.head_size,
        max_position_embeddings=numbers.context_length_tokens,
        tie_word_embeddings=numbers.tied_embeddings,
        bos_token_id=vocabulary["<|im_start|>"],
        eos_token_id=vocabulary["<|im_end|>"],
        pad_token_id=vocabulary["<|pad|>"],
    )
    # Its own generator state: building a test model must not move anybody else's.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config).to(torch.float32)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
