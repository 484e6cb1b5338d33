"""The passes that a plan looks at are those that training takes."""

from hypothesis import given
from hypothesis import strategies as st
from tests.training.factory import make_examples
from tests.training.memory.shapes import make_settings

from civicbench.models.rendering import ChatRenderer
from civicbench.training.memory.passes import (
    epoch_tokens,
    estimated_passes,
    largest_passes,
    passes_a_step,
)
from civicbench.training.packing import pack_rows


def test_a_pass_has_the_tokens_that_packing_makes(renderer: ChatRenderer) -> None:
    rows = make_examples(renderer, rows=6)
    packed = pack_rows(rows, share_beginning=True)
    (size,) = set(largest_passes(make_settings(batch_size_rows=6), rows))
    assert packed.segments.shared > 0
    assert size.tokens == packed.input_ids.shape[1] < sum(row.length for row in rows)
    assert size.trained_tokens == len(packed.targets)
    assert epoch_tokens(make_settings(batch_size_rows=6), rows) == size.tokens


def test_with_dropout_nothing_is_shared(renderer: ChatRenderer) -> None:
    rows = make_examples(renderer, rows=6)
    settings = make_settings(batch_size_rows=6, dropout=0.1)
    assert largest_passes(settings, rows)[0].tokens == sum(row.length for row in rows)
    assert epoch_tokens(settings, rows) == sum(row.length for row in rows)


def test_processes_and_limits_split_a_step(renderer: ChatRenderer) -> None:
    rows = make_examples(renderer, rows=8)
    lengths = [row.length for row in rows]
    whole = make_settings(batch_size_rows=8)
    limited = make_settings(batch_size_rows=8, micro_batch_tokens=max(lengths))
    assert passes_a_step(whole, lengths=lengths) == 1
    assert passes_a_step(limited, lengths=lengths) > 1
    assert max(p.tokens for p in largest_passes(limited, rows)) <= max(lengths)
    half = max(p.tokens for p in largest_passes(whole, rows, processes=2))
    assert half < max(p.tokens for p in largest_passes(whole, rows))


@given(
    st.lists(st.integers(2, 900), min_size=4, max_size=30),
    st.integers(1, 4),
    st.integers(1, 2),
    st.one_of(st.none(), st.integers(300, 2000)),
)
def test_no_pass_is_larger_than_its_limit_or_than_one_row(
    lengths: list[int], batch: int, passes: int, limit: int | None
) -> None:
    settings = make_settings(
        batch_size_rows=batch,
        gradient_accumulation_steps=min(passes, batch),
        micro_batch_tokens=limit,
    )
    trained = [1 for _ in lengths]
    largest = max(
        size.tokens for size in estimated_passes(settings, lengths=lengths, trained=trained)
    )
    assert max(lengths) <= largest <= max(limit or sum(lengths), max(lengths))
