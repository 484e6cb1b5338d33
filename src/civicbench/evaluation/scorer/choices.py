"""Log-likelihoods of choices, batch by batch of a schedule."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from civicbench.evaluation.scorer.attention import KeysValues
from civicbench.evaluation.scorer.reading import Reader
from civicbench.evaluation.scorer.schedule import Batch, Schedule, Tree

# Rows of logits that are held at once: 256 rows of a 128,000-word vocabulary are 131 MB.
_HEAD_ROWS = 256


@dataclass(frozen=True)
class Scored:
    """What one token's prediction gave.

    Attributes:
        slot: Which result it is.
        log_probability: Of the wanted token, in nats.
        is_greedy: Whether no other token was likelier.
    """

    slot: int
    log_probability: float
    is_greedy: bool


@dataclass(frozen=True)
class _Kept:
    section: int
    keys_values: list[KeysValues]
    hidden: torch.Tensor


class ChoiceScorer:
    """Computes the batches of a schedule, each prefix once while its batches follow each other.

    Args:
        reader: The model.
        schedule: What is computed.
    """

    def __init__(self, reader: Reader, schedule: Schedule) -> None:
        self._reader = reader
        self._schedule = schedule
        self._kept: list[_Kept] = []

    def compute(self, batch: Batch) -> list[Scored]:
        """Return the log-probability of everything that a batch predicts."""
        with self._reader.ready():
            prefix = self._prefix(batch.section)
            if batch.is_chain:
                hidden = self._kept[-1].hidden
            else:
                hidden, _ = self._reader.read_trees(batch.trees, prefix=prefix)
            return self._predict(hidden, batch.trees)

    def _prefix(self, section: int) -> list[KeysValues]:
        """Return keys and values of a section's whole prefix, with its chain the last kept."""
        path: list[int] = []
        while section >= 0:
            path.insert(0, section)
            section = self._schedule.sections[section].parent
        while self._kept and self._kept[-1].section not in path:
            self._kept.pop()
        for number in path[len(self._kept) :]:
            chain = self._schedule.sections[number].chain
            before = self._kept[-1].keys_values if self._kept else []
            if not chain.length:
                self._kept.append(_Kept(number, before, torch.empty(0)))
                continue
            hidden, own = self._reader.read_trees([_as_run(chain)], prefix=before, keep=True)
            whole = [
                (torch.cat((keys, more_keys), 1), torch.cat((values, more_values), 1))
                for (keys, values), (more_keys, more_values) in zip(before, own, strict=True)
            ] if before else own  # fmt: skip
            self._kept.append(_Kept(number, whole, hidden))
        return self._kept[-1].keys_values

    def _predict(self, hidden: torch.Tensor, trees: Sequence[Tree]) -> list[Scored]:
        """Apply the head where something is predicted: log-softmax in float32."""
        wanted: list[tuple[int, int, int]] = []
        start = 0
        for tree in trees:
            wanted += [(start + place, token, slot) for place, token, slot in tree.wanted]
            start += tree.length
        wanted.sort()
        rows: dict[int, list[tuple[int, int]]] = {}
        for place, token, slot in wanted:
            rows.setdefault(place, []).append((token, slot))
        places = list(rows)
        found: list[Scored] = []
        for low in range(0, len(places), _HEAD_ROWS):
            chosen = places[low : low + _HEAD_ROWS]
            # The same float32 function as lm-eval's HFLM takes: over a large vocabulary its
            # rounding is seen (1e-5 nats a token), and two scorers should not differ by it.
            chances_of = self._reader.logits(hidden[chosen]).log_softmax(-1)
            best = chances_of.argmax(-1).tolist()
            targets = [(n, *pair) for n, place in enumerate(chosen) for pair in rows[place]]
            numbers = [n for n, _, _ in targets]
            tokens = [target for _, target, _ in targets]
            chances = chances_of[numbers, tokens].tolist()
            found += [
                Scored(slot, chance, best[n] == target)
                for (n, target, slot), chance in zip(targets, chances, strict=True)
            ]
        return found


def _as_run(chain: Tree) -> Tree:
    """Return a chain of runs as the one run it is."""
    return Tree(chain.token_ids, chain.depths, [(0, chain.length, -1)], chain.wanted)
