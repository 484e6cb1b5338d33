"""Reading tokens with a model: packed rows in, hidden states, keys and values out."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch

from civicbench.evaluation.scorer.attention import NAME, KeysValues, pack
from civicbench.evaluation.scorer.schedule import Tree

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


class Packed(Protocol):
    """What the attention function is passed: it answers for every layer."""

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Return what each token reads, of shape [1, tokens, heads, width]."""
        ...


class Reader:
    """A loaded model that reads packed rows.

    Args:
        model: The base model, or a PEFT model with its adapter on.
    """

    def __init__(self, model: "PreTrainedModel | PeftModel") -> None:
        self._model = model.eval()

    @property
    def device(self) -> torch.device:
        """Where the first layer stands."""
        device: torch.device = self._model.device
        return device

    @contextlib.contextmanager
    def ready(self) -> Iterator[None]:
        """Let the model use our attention, without gradients, until the block ends."""
        base = self._base()
        before = base.config._attn_implementation
        base.set_attn_implementation(NAME)
        try:
            with torch.inference_mode():
                yield
        finally:
            base.set_attn_implementation(before)

    def read(
        self, token_ids: Sequence[int], positions: Sequence[int], packing: Packed
    ) -> torch.Tensor:
        """Return the hidden states of a packed row, of shape [tokens, width].

        Args:
            token_ids: The row.
            positions: Each token's position in its sequence.
            packing: How the tokens see each other.
        """
        hidden: torch.Tensor = self._model.get_decoder()(
            input_ids=torch.tensor([token_ids], device=self.device),
            position_ids=torch.tensor([positions], device=self.device),
            use_cache=False,
            packing=packing,
        ).last_hidden_state
        return hidden[0]

    def read_trees(
        self, trees: Sequence[Tree], *, prefix: Sequence[KeysValues], keep: bool = False
    ) -> tuple[torch.Tensor, list[KeysValues]]:
        """Read trees after a kept prefix.

        Args:
            trees: The trees.
            prefix: The prefix's keys and values; empty for none.
            keep: Whether the trees' own keys and values are wanted.

        Returns:
            Hidden states of shape [tokens, width], and keys and values of each layer, each of
            shape [key heads, tokens, head width].
        """
        before = prefix[0][0].shape[1] if prefix else 0
        packing = pack(trees, prefix=prefix, keep=keep, device=self.device)
        hidden = self.read(
            [token for tree in trees for token in tree.token_ids],
            [before + depth for tree in trees for depth in tree.depths],
            packing,
        )
        return hidden, packing.kept

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return float32 logits of hidden states, of shape [rows, vocabulary]."""
        logits: torch.Tensor = self._model.get_output_embeddings()(hidden)
        return logits.float()

    def _base(self) -> Any:
        """Return the transformers model, below an adapter where one is on."""
        from peft import PeftModel

        return self._model.get_base_model() if isinstance(self._model, PeftModel) else self._model
