"""What a step takes: every row once an epoch, the same for a seed, shared out by tokens."""

import math

from hypothesis import given
from hypothesis import strategies as st

from civicbench.training.ordering import StepOrder, share_out, split_passes

LENGTHS = st.lists(st.integers(1, 500), min_size=1, max_size=60)


def order(rows: int, *, batch: int = 4, epochs: float = 1, seed: int = 0) -> StepOrder:
    return StepOrder(rows, batch_size_rows=batch, epochs=epochs, seed=seed)


@given(rows=st.integers(1, 200), batch=st.integers(1, 9), epochs=st.integers(1, 4))
def test_every_row_is_dealt_once_an_epoch(rows: int, batch: int, epochs: int) -> None:
    steps = list(order(rows, batch=batch, epochs=epochs))
    per_epoch = math.ceil(rows / batch)
    assert len(steps) == per_epoch * epochs
    for epoch in range(epochs):
        dealt = steps[epoch * per_epoch : (epoch + 1) * per_epoch]
        assert sorted(row for step in dealt for row in step) == list(range(rows))
        assert all(len(step) == batch for step in dealt[:-1])


@given(rows=st.integers(1, 200), step=st.integers(0, 20), seed=st.integers(0, 9))
def test_what_a_step_takes_does_not_depend_on_the_steps_before(
    rows: int, step: int, seed: int
) -> None:
    whole = order(rows, epochs=30, seed=seed)
    assert order(rows, epochs=30, seed=seed).rows_of(step) == list(whole)[step]


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    one = list(order(64, epochs=2))
    assert one[:16] != one[16:]
    assert one[:16] != list(order(64, seed=1))


@given(rows=st.integers(1, 90), batch=st.integers(1, 9), tenths=st.integers(1, 40))
def test_a_part_of_an_epoch_is_rounded_up_to_whole_steps(
    rows: int, batch: int, tenths: int
) -> None:
    dealt = order(rows, batch=batch, epochs=tenths / 10)
    assert dealt.steps == max(math.ceil(math.ceil(rows / batch) * tenths / 10 - 1e-9), 1)


@given(lengths=LENGTHS, shares=st.integers(1, 8))
def test_shares_hold_every_row_once_and_about_as_many_tokens(
    lengths: list[int], shares: int
) -> None:
    found = share_out(range(len(lengths)), lengths=lengths, shares=shares)
    assert len(found) == shares
    assert sorted(row for share in found for row in share) == list(range(len(lengths)))
    tokens = [sum(lengths[row] for row in share) for share in found]
    # Graham's bound: no share is longer than the mean and one row more.
    assert max(tokens) <= sum(lengths) / shares + max(lengths)


@given(lengths=LENGTHS, least=st.integers(1, 5), limit=st.integers(1, 1500))
def test_a_pass_keeps_to_its_limit_unless_one_row_alone_is_longer(
    lengths: list[int], least: int, limit: int
) -> None:
    passes = split_passes(range(len(lengths)), lengths=lengths, least=least, limit_tokens=limit)
    assert sorted(row for rows in passes for row in rows) == list(range(len(lengths)))
    assert len(passes) >= min(least, len(lengths))
    for rows in passes:
        assert rows
        assert len(rows) == 1 or sum(lengths[row] for row in rows) <= limit
