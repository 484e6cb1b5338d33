"""How examples become a batch: TRL's collator, built in one place for training and preview."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from civicbench.models.rendering import ChatRenderer
from civicbench.training.examples import Example

if TYPE_CHECKING:
    import torch
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling


def build_collator(renderer: ChatRenderer) -> "DataCollatorForLanguageModeling":
    """Return the collator that training uses: rows padded to the longest, padding not trained on.

    Args:
        renderer: The base model's renderer, whose tokenizer has a padding token.
    """
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    return DataCollatorForLanguageModeling(pad_token_id=int(renderer.tokenizer.pad_token_id))


def collate(examples: Sequence[Example], *, renderer: ChatRenderer) -> "dict[str, torch.Tensor]":
    """Return the batch that training would make of these examples.

    Args:
        examples: The rows of one batch.
        renderer: The base model's renderer.

    Returns:
        `input_ids`, `attention_mask` and `labels`, each of shape [rows, tokens].
    """
    batch = build_collator(renderer)([features_of(example) for example in examples])
    return dict(batch)


def features_of(example: Example) -> dict[str, list[int]]:
    """Return an example as the trainer's dataset holds it."""
    return {"input_ids": example.input_ids, "labels": example.labels}
