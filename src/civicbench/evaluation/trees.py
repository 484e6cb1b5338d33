"""A prompt with its continuations as one tree of tokens, for one forward pass.

Continuations that begin alike share their first tokens. A token that ends a continuation is
only ever predicted, so it is not fed. Each token sees the prompt and its own ancestors (tree
attention: SpecInfer, arXiv 2305.09781) and has the position that it would have on its own.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class TokenTree:
    """A prompt and the continuations to be scored after it.

    Args:
        prompt: The prompt's token ids, at least one.

    Attributes:
        continuations: The continuations' token ids, in the order they were added.
        places: Where each continuation's result goes.
        paths: For each continuation, the place in the sequence whose hidden state predicts each
            of its tokens.
        token_ids: The sequence that is fed: the prompt, then the tree's inner tokens.
    """

    def __init__(self, prompt: Sequence[int]) -> None:
        self.prompt_length = len(prompt)
        self.token_ids = list(prompt)
        self.continuations: list[list[int]] = []
        self.places: list[int] = []
        self.paths: list[list[int]] = []
        self._parents: list[int] = [place - 1 for place in range(len(prompt))]
        self._children: dict[tuple[int, int], int] = {}

    @property
    def length(self) -> int:
        """Number of tokens that are fed."""
        return len(self.token_ids)

    def add(self, continuation: Sequence[int], *, place: int) -> None:
        """Add a continuation of at least one token.

        Args:
            continuation: Its token ids.
            place: Where its result goes.
        """
        current = self.prompt_length - 1
        path = [current]
        for token in continuation[:-1]:
            child = self._children.get((current, token))
            if child is None:
                child = len(self.token_ids)
                self._children[current, token] = child
                self.token_ids.append(token)
                self._parents.append(current)
            current = child
            path.append(current)
        self.continuations.append(list(continuation))
        self.places.append(place)
        self.paths.append(path)

    def ancestors(self, place: int) -> list[int]:
        """Return the tree's tokens above a place, nearest first, without the prompt's."""
        found = []
        current = self._parents[place]
        while current >= self.prompt_length:
            found.append(current)
            current = self._parents[current]
        return found


def mask_and_positions(
    trees: Sequence[TokenTree], *, length: int
) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Return what each token of a batch of trees may see, and its position.

    Args:
        trees: The trees, padded on the right.
        length: The padded length.

    Returns:
        A boolean mask of shape [trees, length, length], true where the row's token sees the
        column's, and positions of shape [trees, length].
    """
    import torch

    # Every place sees itself, so that padding has a softmax to take.
    seen = torch.eye(length, dtype=torch.bool).repeat(len(trees), 1, 1)
    positions = torch.zeros((len(trees), length), dtype=torch.long)
    for row, tree in enumerate(trees):
        start = tree.prompt_length
        seen[row, :start, :start] = torch.ones(start, start, dtype=torch.bool).tril()
        positions[row, :start] = torch.arange(start)
        for place in range(start, tree.length):
            above = tree.ancestors(place)
            seen[row, place, :start] = True
            seen[row, place, above] = True
            positions[row, place] = start + len(above)
    return seen, positions
