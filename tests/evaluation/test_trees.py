"""The tree of a prompt and its continuations says what each continuation alone would."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from civicbench.evaluation.trees import TokenTree, mask_and_positions

# Few different tokens, so that beginnings are shared.
TOKENS = st.integers(1, 4)
PROMPTS = st.lists(TOKENS, min_size=1, max_size=5)
CONTINUATIONS = st.lists(st.lists(TOKENS, min_size=1, max_size=5), min_size=1, max_size=8)
CASES = st.lists(st.tuples(PROMPTS, CONTINUATIONS), min_size=1, max_size=3)


def grow(prompt: list[int], continuations: list[list[int]]) -> TokenTree:
    tree = TokenTree(prompt)
    for place, continuation in enumerate(continuations):
        tree.add(continuation, place=place)
    return tree


@given(prompt=PROMPTS, continuations=CONTINUATIONS)
def test_every_path_reproduces_its_continuation(
    prompt: list[int], continuations: list[list[int]]
) -> None:
    tree = grow(prompt, continuations)
    assert tree.token_ids[: len(prompt)] == prompt
    assert tree.continuations == continuations
    assert tree.places == list(range(len(continuations)))
    for continuation, path in zip(continuations, tree.paths, strict=True):
        assert len(path) == len(continuation)
        # The first token is predicted by the prompt's last, each other by the one before it.
        assert path[0] == len(prompt) - 1
        assert [tree.token_ids[place] for place in path[1:]] == continuation[:-1]


@given(prompt=PROMPTS, continuations=CONTINUATIONS)
def test_no_beginning_is_fed_twice_and_no_last_token_at_all(
    prompt: list[int], continuations: list[list[int]]
) -> None:
    tree = grow(prompt, continuations)
    fed = {tuple(c[:n]) for c in continuations for n in range(1, len(c))}
    assert tree.length == len(prompt) + len(fed)


@given(cases=CASES, padding=st.integers(0, 3))
def test_a_place_sees_the_prompt_its_ancestors_and_itself_and_nothing_else(
    cases: list[tuple[list[int], list[list[int]]]], padding: int
) -> None:
    trees = [grow(prompt, continuations) for prompt, continuations in cases]
    length = max(tree.length for tree in trees) + padding
    seen, positions = mask_and_positions(trees, length=length)
    assert seen.shape == (len(trees), length, length)
    for row, tree in enumerate(trees):
        prompt = tree.prompt_length
        for place in range(prompt):
            assert seen[row, place].nonzero().flatten().tolist() == list(range(place + 1))
            assert positions[row, place] == place
        for continuation, path in zip(tree.continuations, tree.paths, strict=True):
            for depth, place in enumerate(path[1:], start=1):
                visible = seen[row, place].nonzero().flatten().tolist()
                assert visible == [*range(prompt), *sorted(path[1 : depth + 1])]
                tokens = [tree.token_ids[p] for p in path[1 : depth + 1]]
                assert tokens == continuation[:depth]
                # Its position is that which it would have on its own.
                assert positions[row, place] == prompt + depth - 1
        for place in range(tree.length, length):
            assert seen[row, place].nonzero().flatten().tolist() == [place]
    assert torch.equal(seen.any(-1), torch.ones(len(trees), length, dtype=torch.bool))
