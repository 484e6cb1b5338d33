"""The order of rows: every row once, the same for a seed, batches of like length."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from civicbench.training.ordering import LengthGroupedOrder

LENGTHS = st.lists(st.integers(1, 500), min_size=1, max_size=200)


def deal(lengths: Sequence[int], *, batch: int = 4, seed: int = 0, epoch: int = 0) -> list[int]:
    order = LengthGroupedOrder(lengths, batch_size_rows=batch, seed=seed)
    order.set_epoch(epoch)
    return list(order)


@given(lengths=LENGTHS, batch=st.integers(1, 9), epoch=st.integers(0, 5))
def test_every_row_is_dealt_once_an_epoch(lengths: list[int], batch: int, epoch: int) -> None:
    dealt = deal(lengths, batch=batch, epoch=epoch)
    assert sorted(dealt) == list(range(len(lengths)))
    assert len(LengthGroupedOrder(lengths, batch_size_rows=batch, seed=0)) == len(dealt)


@given(lengths=LENGTHS, batch=st.integers(1, 9), seed=st.integers(0, 9), epoch=st.integers(0, 9))
def test_the_order_is_a_function_of_seed_and_epoch_alone(
    lengths: list[int], batch: int, seed: int, epoch: int
) -> None:
    order = LengthGroupedOrder(lengths, batch_size_rows=batch, seed=seed)
    for passed in range(epoch):
        order.set_epoch(passed)
        list(order)
    order.set_epoch(epoch)
    assert list(order) == deal(lengths, batch=batch, seed=seed, epoch=epoch)
    assert list(order) == list(order)


@given(lengths=st.lists(st.integers(1, 500), min_size=60, max_size=200))
def test_epochs_and_seeds_have_orders_of_their_own(lengths: list[int]) -> None:
    assert deal(lengths, epoch=0) != deal(lengths, epoch=1)
    assert deal(lengths, seed=0) != deal(lengths, seed=1)


@given(lengths=LENGTHS, batch=st.integers(1, 9))
def test_only_the_last_batch_is_short(lengths: list[int], batch: int) -> None:
    """A short batch in the middle would shift every batch after it."""
    dealt = deal(lengths, batch=batch)
    batches = [dealt[start : start + batch] for start in range(0, len(dealt), batch)]
    assert all(len(b) == batch for b in batches[:-1])
    for group in batches:
        inside = sorted((lengths[i] for i in group), reverse=True)
        assert [lengths[i] for i in group] == inside


def test_batches_hold_rows_of_like_length() -> None:
    lengths = [10 + (37 * n) % 400 for n in range(256)]

    def padding(order: Sequence[int]) -> int:
        batches = [[lengths[i] for i in order[start : start + 8]] for start in range(0, 256, 8)]
        return sum(max(b) * len(b) - sum(b) for b in batches)

    assert padding(deal(lengths, batch=8)) < 0.2 * padding(range(256))
