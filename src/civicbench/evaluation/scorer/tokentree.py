"""All sequences that are to be scored as one tree of tokens, so that nothing is read twice."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    """A continuation to be scored after a prompt.

    Attributes:
        prompt: The prompt's token ids, at least one.
        continuation: The continuation's token ids, at least one.
    """

    prompt: tuple[int, ...]
    continuation: tuple[int, ...]

    @property
    def fed(self) -> tuple[int, ...]:
        """The tokens that are fed: the last of a continuation is only ever predicted."""
        return self.prompt + self.continuation[:-1]


@dataclass
class Node:
    """A run of tokens that is followed by more than one sequence, or ends one.

    Attributes:
        token_ids: The run.
        start: Position of its first token in every sequence that passes through it.
        parent: The run before it; None at the root.
        children: The runs after it.
        below: Number of tokens of this run and all below it.
        wanted: What is to be predicted from its tokens: (place within the run, target token,
            slot of the result).
    """

    token_ids: tuple[int, ...]
    start: int
    parent: "Node | None"
    children: list["Node"] = field(default_factory=list)
    below: int = 0
    wanted: list[tuple[int, int, int]] = field(default_factory=list)

    def preorder(self) -> list["Node"]:
        """Return this run and all below it, parents first, in the order of their tokens."""
        found: list[Node] = []
        waiting = [self]
        while waiting:
            node = waiting.pop()
            found.append(node)
            waiting.extend(reversed(node.children))
        return found


def grow(requests: Sequence[Request]) -> Node:
    """Return the tree of all requests' sequences (a radix tree).

    The slots of a request's continuation tokens follow those of the request before it.

    Args:
        requests: At least one.

    Returns:
        The root: what all sequences share, which may be no token at all.
    """
    sequences = sorted({request.fed for request in requests})
    root = Node((), 0, None)
    leaves: dict[tuple[int, ...], Node] = {}
    waiting: list[tuple[int, int, Node]] = [(0, len(sequences), root)]
    while waiting:
        low, high, node = waiting.pop()
        # Between the first and the last of a sorted range lies everything that all share.
        end = _shared(sequences[low], sequences[high - 1], node.start)
        node.token_ids = sequences[low][node.start : end]
        if len(sequences[low]) == end:
            leaves[sequences[low]] = node
            low += 1
        while low < high:
            token = sequences[low][end]
            upper = _upper(sequences, low, high, end, token)
            child = Node((), end, node)
            node.children.append(child)
            waiting.append((low, upper, child))
            low = upper
    for node in reversed(root.preorder()):
        node.below = len(node.token_ids) + sum(child.below for child in node.children)
    slot = 0
    for request in requests:
        _want(leaves[request.fed], request, slot)
        slot += len(request.continuation)
    return root


def _shared(first: tuple[int, ...], last: tuple[int, ...], start: int) -> int:
    """Return how many tokens two sequences share that are equal up to `start`."""
    low, high = start, min(len(first), len(last))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == last[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _upper(
    sequences: Sequence[tuple[int, ...]], low: int, high: int, place: int, token: int
) -> int:
    """Return where the sorted sequences with this token at this place end."""
    while low < high:
        middle = (low + high) // 2
        if sequences[middle][place] == token:
            low = middle + 1
        else:
            high = middle
    return low


def _want(leaf: Node, request: Request, slot: int) -> None:
    """Note at the nodes above a request's end what is to be predicted there."""
    first = len(request.prompt) - 1
    node: Node | None = leaf
    while node is not None and node.start + len(node.token_ids) > first:
        for position in range(max(first, node.start), node.start + len(node.token_ids)):
            step = position - first
            node.wanted.append((position - node.start, request.continuation[step], slot + step))
        node = node.parent
