"""A schedule feeds what is shared once, predicts everything once, and lets each see its own."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicbench.evaluation.scorer.schedule import Schedule, Section, Tree, make_schedule
from civicbench.evaluation.scorer.tokentree import Request, grow

# Few different tokens, so that beginnings are shared.
TOKENS = st.integers(1, 3)
REQUESTS = st.lists(
    st.builds(
        Request,
        st.lists(TOKENS, min_size=1, max_size=6).map(tuple),
        st.lists(TOKENS, min_size=1, max_size=5).map(tuple),
    ),
    min_size=1,
    max_size=12,
    unique=True,
)


def slots_of(requests: list[Request]) -> dict[int, tuple[tuple[int, ...], int]]:
    """Return what each slot predicts: (everything before it, the token)."""
    found = {}
    slot = 0
    for request in requests:
        for step, token in enumerate(request.continuation):
            found[slot] = (request.prompt + request.continuation[:step], token)
            slot += 1
    return found


def read_before(schedule: Schedule, section: Section) -> list[int]:
    """Return the tokens of a section's whole prefix."""
    before = read_before(schedule, schedule.sections[section.parent]) if section.parent >= 0 else []
    return before + section.chain.token_ids


def seen_by(tree: Tree, place: int) -> list[int]:
    return [tree.token_ids[n] for n in np.flatnonzero(tree.seen()[place])]


def predictions(schedule: Schedule) -> dict[int, tuple[tuple[int, ...], int]]:
    found: dict[int, tuple[tuple[int, ...], int]] = {}
    for batch in schedule.batches:
        section = schedule.sections[batch.section]
        parent = schedule.sections[section.parent] if section.parent >= 0 else None
        for tree in batch.trees:
            if batch.is_chain:
                before = read_before(schedule, parent) if parent else []
            else:
                before = read_before(schedule, section)
            for place, token, slot in tree.wanted:
                context = (*before, *seen_by(tree, place))
                # A token's position is the number of tokens before it.
                assert tree.depths[place] + len(before) == len(context) - 1
                assert slot not in found
                found[slot] = (context, token)
    return found


@given(requests=REQUESTS, batch_tokens=st.integers(1, 40))
def test_every_token_is_predicted_once_from_exactly_what_comes_before_it(
    requests: list[Request], batch_tokens: int
) -> None:
    schedule = make_schedule(requests, batch_tokens=batch_tokens)
    assert predictions(schedule) == slots_of(requests)


def many(prompts: int, choices: int, *, shared: int, length: int, seed: int = 0) -> list[Request]:
    draw = random.Random(seed)
    beginning = [draw.randint(1, 999) for _ in range(shared)]
    requests = []
    for _ in range(prompts):
        prompt = (*beginning, *(draw.randint(1, 999) for _ in range(length)))
        requests += [
            Request(prompt, tuple(draw.randint(1, 999) for _ in range(draw.randint(1, 5))))
            for _ in range(choices)
        ]
    return list(dict.fromkeys(requests))


SHAPES = {
    "short items": (30, 4, 0, 50),
    "items after worked examples": (30, 4, 600, 50),
    "one long document": (1, 4, 0, 3000),
    "two thousand choices": (1, 2000, 0, 150),
    "a long beginning and long items": (5, 3, 900, 900),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_large_shapes_are_predicted_whole_and_shared_once(shape: str) -> None:
    prompts, choices, shared, length = SHAPES[shape]
    requests = many(prompts, choices, shared=shared, length=length)
    schedule = make_schedule(requests, batch_tokens=2048)
    assert predictions(schedule) == slots_of(requests)
    distinct = {request.fed[:n] for request in requests for n in range(1, len(request.fed) + 1)}
    # A beginning of a token or two is cheaper read again than kept.
    assert len(distinct) <= schedule.computed_tokens <= 1.02 * len(distinct)


def test_the_tree_of_tokens_feeds_each_beginning_once_and_no_last_token() -> None:
    requests = [Request((1, 2), (3, 4)), Request((1, 2), (3, 5)), Request((1, 2), (6,))]
    root = grow(requests)
    assert root.below == 3  # 1, 2 and 3: what comes last is only predicted
    assert [node.token_ids for node in root.preorder()] == [(1, 2), (3,)]


def test_a_schedule_does_not_depend_on_the_order_of_requests_but_for_its_slots() -> None:
    requests = many(12, 3, shared=300, length=40)
    shuffled = random.Random(1).sample(requests, len(requests))
    one = make_schedule(requests, batch_tokens=512)
    other = make_schedule(shuffled, batch_tokens=512)
    fed = [[tree.token_ids for batch in s.batches for tree in batch.trees] for s in (one, other)]
    assert fed[0] == fed[1]


def test_batches_keep_to_their_tokens() -> None:
    schedule = make_schedule(many(40, 4, shared=300, length=60), batch_tokens=256)
    for batch in schedule.batches:
        if not batch.is_chain and len(batch.trees) > 1:
            assert sum(tree.length for tree in batch.trees) <= 256


def test_a_thousand_prompts_that_each_begin_the_next_are_no_matter_of_depth() -> None:
    requests = [Request(tuple([1] * n), (2, 3)) for n in range(1, 3000)]
    schedule = make_schedule(requests, batch_tokens=2048)
    assert {slot for batch in schedule.batches for slot in batch.slots} == set(range(2 * 2999))
