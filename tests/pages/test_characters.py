import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicbench.pages.characters import shorten, show_piece, visible


@given(st.text())
def test_nothing_hidden_is_left_in_visible_text(text: str) -> None:
    for letter in visible(text):
        assert letter in "\n\t" or unicodedata.category(letter) not in ("Cc", "Cs")
        assert unicodedata.bidirectional(letter) not in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI")


@given(st.text(st.characters(categories=("L", "N", "P", "Zs"))))
def test_plain_text_is_left_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [(" a", "␣a"), ("\n\n", "↵\n↵\n"), ("\t", "⇥"), ("\x00\u202e", "[U+0000][U+202E]")],
)
def test_spaces_and_line_breaks_of_a_token_can_be_seen(text: str, shown: str) -> None:
    assert show_piece(text) == shown


@given(st.text(), st.integers(0, 50))
def test_what_is_left_off_is_counted(text: str, limit: int) -> None:
    shown, left_off = shorten(text, limit=limit)
    assert text.startswith(shown)
    assert len(shown) <= limit
    assert len(shown) + left_off == len(text)
