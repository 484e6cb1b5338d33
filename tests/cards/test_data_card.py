from pathlib import Path

from markdown_it import MarkdownIt
from tests.cards.snapshots import make_record
from tests.pages.page import Page

from civicbench.cards.data_card import compose_data_card, write_data_card
from civicbench.cards.token_lengths import TokenLengths, summarise_lengths
from civicbench.datasets.languages import LanguageCounts
from civicbench.datasets.record import SnapshotRecord
from civicbench.datasets.rows import Row
from civicbench.models.rendering import Message
from civicbench.pages.html import render_page
from civicbench.pages.markdown import render_document

_LANGUAGES = (LanguageCounts("answer", 1000, 200, 10, (("cy", 785), ("en", 5))),)
_TOKENS = (summarise_lengths([5, 9, 7], model="tiny", split="train", rows=8),)


def row_of(text: str) -> Row:
    turns = (Message(role="user", content=text), Message(role="assistant", content="yes"))
    return Row(id="r1", group="g", messages=turns, fields={})


def markdown_of(
    record: SnapshotRecord, *, tokens: tuple[TokenLengths, ...] = (), text: str = "Hello?"
) -> str:
    return render_document(
        compose_data_card(
            record, created="2026-11", tokens=tokens, languages=_LANGUAGES, samples=(row_of(text),)
        )
    )


def test_the_card_says_everything_that_the_record_says() -> None:
    text = markdown_of(make_record(), tokens=_TOKENS)
    for said in (
        "For a test.", "en-GB, cy-GB", "A ministry", "malformed record", "text normalised",
        "| read | 12 | 10 |", "| split | 10 | 10 |", "Short.", "Old.", "safety-core",
        "https://example.org/a.json", "2" * 64, "6" * 64, "not JSON",
        "12 records were read and 10 rows stand in the splits. 2 were left out",
        "Measured with the detector lingua on 1,000 rows",
        "| `answer` | 1,000 | cy 785, en 5 | 10 | 200 |",
        "| `tiny` | train | 3 of 8 | 7 | 9 | 9 | 7.0 |",
    ):  # fmt: skip
        assert said in text, said
    assert "[OGL-UK-3.0](https://spdx.org/licenses/OGL-UK-3.0.html)" in text


def test_without_a_ready_tokenizer_the_card_says_that_tokens_were_not_counted() -> None:
    assert "Not counted here" in markdown_of(make_record())


def test_text_of_rows_and_sources_is_never_markup() -> None:
    evil = "<script>alert(1)</script> | **x** \u202e [a](https://evil.example)"
    sources = make_record().sources[0].model_copy(update={"attribution": evil})
    record = make_record(description=evil, sources=(sources,), limits=(evil,))
    document = compose_data_card(
        record, created="2026-11", tokens=(), languages=(), samples=(row_of(evil),)
    )
    page = Page.read(render_page(document))
    assert "script" not in {tag for tag, _ in page.elements}
    assert not [m for m in page.named("a") if "evil" in str(m.get("href"))]
    text = markdown_of(record, text=evil)
    assert "\u202e" not in text
    read = MarkdownIt("commonmark").enable("table").render(text)
    assert "<script" not in read
    assert 'href="https://evil' not in read
    assert "<strong>x" not in read


def test_the_three_files_are_written(tmp_path: Path) -> None:
    paths = write_data_card(
        tmp_path / "new" / "folder", record=make_record(), created="2026-11", tokens=_TOKENS,
        languages=(), samples=(),
    )  # fmt: skip
    assert [path.name for path in paths] == ["card.md", "card.html", "croissant.json"]
    assert all(path.stat().st_size > 1000 for path in paths)


def test_lengths_are_summarised_by_nearest_rank() -> None:
    found = summarise_lengths(list(range(1, 101)), model="m", split="train", rows=1000)
    assert (found.median, found.high, found.longest, found.mean) == (50, 95, 100, 50.5)
    assert (found.counted, found.rows) == (100, 1000)
    single = summarise_lengths([4], model="m", split="test", rows=1)
    assert (single.median, single.high, single.longest) == (4, 4, 4)


def test_a_rejected_answer_is_shown_and_marked_as_such() -> None:
    row = row_of("Hello?").model_copy(update={"rejected": "<b>no</b>"})
    record = make_record(preferences=True)
    document = compose_data_card(
        record, created="2026-11", tokens=(), languages=_LANGUAGES, samples=(row,)
    )
    text = render_document(document)
    assert "assistant (rejected answer)" in text
    assert "| A rejected answer beside each | yes |" in text
    assert "<b>no</b>" not in render_page(document)
    assert "(rejected answer)" not in markdown_of(make_record())
