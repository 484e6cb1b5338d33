"""Rows as TRL's own collator batches them: what the loss of packed rows is compared with."""

from collections.abc import Sequence

import torch
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from civicbench.models.rendering import ChatRenderer
from civicbench.training.examples import Example


def collate(examples: Sequence[Example], *, renderer: ChatRenderer) -> dict[str, torch.Tensor]:
    """Return rows padded to the longest, with padding and prompts masked out of the labels.

    Returns:
        `input_ids`, `attention_mask` and `labels`, each of shape [rows, tokens].
    """
    collator = DataCollatorForLanguageModeling(pad_token_id=int(renderer.tokenizer.pad_token_id))
    rows = [{"input_ids": example.input_ids, "labels": example.labels} for example in examples]
    return dict(collator(rows))
