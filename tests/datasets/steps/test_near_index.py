"""Nearness to a suite's items is exact, and many near rows keep one of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from civicbench.datasets.format import Format
from civicbench.datasets.steps.decontaminate import NearIndex
from civicbench.datasets.steps.near_duplicates import NearDuplicates
from civicbench.datasets.steps.shingles import overlap, pieces
from civicbench.datasets.steps.step import KEPT, Fields, Reference, StepContext

_FORMAT = Format(user="{question}", assistant="{answer}")
# Few words, so that texts are often near to each other.
_WORDS = ("council", "tax", "reduction", "pay", "late", "now")
_texts = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=12).map(" ".join)


@given(st.lists(_texts, min_size=1, max_size=8), _texts, st.sampled_from([0.5, 0.7, 0.8, 1.0]))
def test_a_text_is_found_exactly_where_it_is_near_to_an_item(
    items: list[str], text: str, share: float
) -> None:
    references = tuple(
        Reference(suite="s", item=str(number), text=item) for number, item in enumerate(items)
    )
    found = NearIndex(references, share=share).find(text)
    near = [r for r in references if overlap(pieces(text), pieces(r.text)) >= share]
    assert (found[0] if found else None) == (near[0] if near else None)


def test_of_very_many_near_rows_the_first_is_kept() -> None:
    step = NearDuplicates(threshold=0.85)
    context = StepContext(format=_FORMAT)
    base = "You must tell the office about any change in your income within thirty days. " * 4
    rows: list[Fields] = [{"question": base + f"Ref {n:03d}", "answer": "Yes."} for n in range(300)]
    rows.insert(100, {"question": "How do I renew my library card?", "answer": "Online."})
    key = step.open_key(context)
    keys = np.array([key(row) for row in rows], dtype=np.uint64)
    decided = step.decide(lambda number: keys[:, number].copy(), lambda n: rows[n], context)
    kept = np.flatnonzero(decided.because == KEPT).tolist()
    assert kept == [0, 100]
    assert set(decided.because.tolist()) == {KEPT, 0}
