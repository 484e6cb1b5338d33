"""What is computed together: shared prefixes kept, short trees packed into batches.

A subtree of tokens is handled in one of three ways, whichever costs least: as one tree that is
read in one pass (tree attention, SpecInfer, arXiv 2305.09781); split into its branches, each of
which repeats the short run above it; or, where much hangs on a long run, with that run's keys and
values kept for all that follows (as in Hydragen, arXiv 2402.05099).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from civicbench.evaluation.scorer.tokentree import Node, Request, grow

# A tree's attention is dense: beyond this it costs more than it shares.
_TREE_TOKENS = 768
# Tokens that must be saved for a run's keys and values to be kept: what a pass of its own costs.
_KEEPING_TOKENS = 256
# Branches shorter than this are laid side by side in one tree.
_SMALL_TOKENS = 64
# A query and key pair costs this many times what a token's weights cost, in a 135M Llama.
_PAIR_COST = 3.3e-4


@dataclass
class Tree:
    """Tokens that are read in one pass after a kept prefix.

    Attributes:
        token_ids: The tokens, parents before children.
        depths: Each token's position after the prefix.
        runs: (start, end, parent run or -1) of each run of tokens.
        wanted: (place, target token, slot) of what is to be predicted.
    """

    token_ids: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    runs: list[tuple[int, int, int]] = field(default_factory=list)
    wanted: list[tuple[int, int, int]] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Number of tokens."""
        return len(self.token_ids)

    def append(self, node: Node, *, parent: int, wanted: bool = True) -> int:
        """Append a run after another one.

        Args:
            node: The run.
            parent: The run before it in this tree; -1 where the prefix comes before it.
            wanted: Whether this tree answers for what is to be predicted from the run.

        Returns:
            The run's number in this tree; `parent` for a run without tokens.
        """
        if not node.token_ids:
            return parent
        start = self.length
        depth = 0 if parent < 0 else self.depths[self.runs[parent][1] - 1] + 1
        self.token_ids.extend(node.token_ids)
        self.depths.extend(range(depth, depth + len(node.token_ids)))
        self.runs.append((start, self.length, parent))
        if wanted:
            self.wanted += [(start + place, token, slot) for place, token, slot in node.wanted]
        return len(self.runs) - 1

    def merge(self, other: "Tree") -> None:
        """Lay another tree beside this one, seeing nothing of it."""
        start, runs = self.length, len(self.runs)
        self.token_ids += other.token_ids
        self.depths += other.depths
        self.runs += [
            (start + low, start + high, parent + runs if parent >= 0 else -1)
            for low, high, parent in other.runs
        ]
        self.wanted += [(start + place, token, slot) for place, token, slot in other.wanted]

    def seen(self) -> NDArray[np.bool_]:
        """Return which token sees which: itself and what lies above it, shape [length, length]."""
        sees = np.zeros((self.length, self.length), dtype=np.bool_)
        for start, end, parent in self.runs:
            sees[start:end, start:end] = np.tri(end - start, dtype=np.bool_)
            if parent >= 0:
                above, last, _ = self.runs[parent]
                sees[start:end, above:last] = True
                # What the parent's first token sees before its own run, all its children see.
                sees[start:end, :above] = sees[above, :above]
        return sees


@dataclass
class Section:
    """A prefix whose keys and values are kept, and the trees that are read after it.

    Attributes:
        parent: Number of the section whose prefix comes before this one's; -1 for none.
        chain: The prefix's own tokens as one run; no token where nothing is shared.
        depth: Length of the whole prefix with this chain.
        trees: What is read after it.
    """

    parent: int
    chain: Tree
    depth: int
    trees: list[Tree] = field(default_factory=list)


@dataclass(frozen=True)
class Batch:
    """Trees of one section that are computed in one pass.

    Attributes:
        section: The section's number.
        trees: The trees; the section's own chain where `is_chain`.
        is_chain: Whether this pass answers for what is to be predicted within the prefix.
    """

    section: int
    trees: tuple[Tree, ...]
    is_chain: bool

    @property
    def slots(self) -> list[int]:
        """The slots that this batch fills."""
        return [slot for tree in self.trees for _, _, slot in tree.wanted]


@dataclass(frozen=True)
class Schedule:
    """Everything that a set of requests needs, in an order that depends on nothing else.

    Attributes:
        sections: The kept prefixes, parents first.
        batches: What is computed, section by section.
        slots: Number of results.
    """

    sections: tuple[Section, ...]
    batches: tuple[Batch, ...]
    slots: int

    @property
    def computed_tokens(self) -> int:
        """Tokens that are fed when all batches are computed by one process."""
        chains = sum(section.chain.length for section in self.sections)
        return chains + sum(
            tree.length for batch in self.batches if not batch.is_chain for tree in batch.trees
        )


def make_schedule(
    requests: Sequence[Request], *, batch_tokens: int, order_seed: int | None = None
) -> Schedule:
    """Return how a set of requests is computed.

    Args:
        requests: What is to be scored, at least one.
        batch_tokens: Most tokens of one pass, where a single tree is not longer.
        order_seed: Puts trees into batches in a random order instead of by length: to measure
            what batching does to the scores.
    """
    sections: list[Section] = []
    _plan(grow(requests), sections)
    batches: list[Batch] = []
    for number, section in enumerate(sections):
        if section.chain.wanted:
            batches.append(Batch(number, (section.chain,), is_chain=True))
        trees = _side_by_side(section.trees)
        trees.sort(key=lambda tree: -tree.length)
        if order_seed is not None:
            order = np.random.default_rng(order_seed + number).permutation(len(trees))
            trees = [trees[place] for place in order]
        batches += [
            Batch(number, tuple(group), is_chain=False) for group in _fill(trees, batch_tokens)
        ]
    return Schedule(
        tuple(sections), tuple(batches), sum(len(request.continuation) for request in requests)
    )


def _plan(root: Node, sections: list[Section]) -> None:
    """Divide the tree of tokens into sections and trees, parents first."""
    sections.append(Section(-1, Tree(), 0))
    waiting: list[tuple[Node, list[Node], int]] = [(root, [], 0)]
    while waiting:
        node, above, section = waiting.pop()
        length = sum(len(run.token_ids) for run in above)
        own = length + len(node.token_ids)
        if not node.children or _reads_best_whole(node, above=length):
            sections[section].trees.append(_tree(node, above))
        elif own * (len(node.children) - 1) > _KEEPING_TOKENS:
            chain = Tree()
            for run in (*above, node):
                chain.append(run, parent=len(chain.runs) - 1)
                run.wanted = []
            if chain.length:
                depth = sections[section].depth + chain.length
                sections.append(Section(section, chain, depth))
                section = len(sections) - 1
            waiting.extend((child, [], section) for child in reversed(node.children))
        else:
            waiting.extend((child, [*above, node], section) for child in reversed(node.children))


def _reads_best_whole(node: Node, *, above: int) -> bool:
    whole = above + node.below
    if whole > _TREE_TOKENS:
        return False
    repeated = above + len(node.token_ids)
    parts = [repeated + child.below for child in node.children]
    return _cost(whole) <= sum(_cost(part) for part in parts)


def _cost(tokens: int) -> float:
    return tokens + _PAIR_COST * tokens * tokens


def _tree(node: Node, above: Sequence[Node]) -> Tree:
    """Return a node's subtree with the runs above it repeated."""
    tree = Tree()
    numbers: dict[int, int] = {}
    last = -1
    for run in above:
        last = tree.append(run, parent=last)
        run.wanted = []  # the first tree that repeats a run answers for it
    for run in node.preorder():
        parent = last if run is node else numbers[id(run.parent)]
        numbers[id(run)] = tree.append(run, parent=parent)
    return tree


def _side_by_side(trees: Sequence[Tree]) -> list[Tree]:
    """Return trees with the small ones laid together."""
    found: list[Tree] = []
    open_tree: Tree | None = None
    for tree in trees:
        if tree.length >= _SMALL_TOKENS:
            found.append(tree)
        elif open_tree is not None and open_tree.length + tree.length <= _SMALL_TOKENS:
            open_tree.merge(tree)
        else:
            open_tree = Tree()
            open_tree.merge(tree)
            found.append(open_tree)
    return found


def _fill(items: Sequence[Any], batch_tokens: int) -> list[list[Any]]:
    """Put items with a `length` into batches of at most so many tokens, in their order."""
    batches: list[list[Any]] = []
    used = 0
    for item in items:
        if not batches or used + item.length > batch_tokens:
            batches.append([])
            used = 0
        batches[-1].append(item)
        used += item.length
    return batches
