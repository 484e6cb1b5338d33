"""A dataset's card: what it holds, where it comes from, what was done to it, what it lacks."""

from pathlib import Path

from civicbench.cards.croissant import CROISSANT_NAME, render_croissant
from civicbench.cards.data_origin import describe_sources, describe_steps, tabulate_splits
from civicbench.cards.licence_links import link_licence
from civicbench.cards.token_lengths import TokenLengths
from civicbench.core.files import write_text_whole
from civicbench.datasets.languages import CERTAINTY, MINIMUM_LETTERS, LanguageCounts
from civicbench.datasets.record import SnapshotRecord
from civicbench.datasets.rows import Row
from civicbench.pages.document import (
    Block,
    Bullets,
    Cell,
    Code,
    Details,
    Document,
    Pairs,
    Paragraph,
    Section,
    Subheading,
    Table,
    code,
    quote,
    words,
)
from civicbench.pages.html import render_page
from civicbench.pages.markdown import render_document
from civicbench.pages.wording import count_of, format_count

MARKDOWN_NAME = "card.md"
HTML_NAME = "card.html"
_SHOWN_CHARACTERS = 2_000


def write_data_card(
    folder: Path,
    *,
    record: SnapshotRecord,
    created: str,
    tokens: tuple[TokenLengths, ...],
    languages: tuple[LanguageCounts, ...],
    samples: tuple[Row, ...],
) -> tuple[Path, Path, Path]:
    """Write a snapshot's card as Markdown and HTML, and its Croissant description.

    Args:
        folder: Where to; made where absent.
        record: What the snapshot says of itself.
        created: When the dataset was made, as YYYY-MM.
        tokens: How long its rows are in the tokens of base models.
        languages: In which languages a sample of its rows was found to be.
        samples: Some training rows.

    Returns:
        The Markdown file, the HTML file, the Croissant file.

    Raises:
        PartAbsentError: The stylesheet was not built; nothing is written then.
        DiskFullError: No space left.
    """
    document = compose_data_card(
        record, created=created, tokens=tokens, languages=languages, samples=samples
    )
    paths = (folder / MARKDOWN_NAME, folder / HTML_NAME, folder / CROISSANT_NAME)
    texts = (
        render_document(document),
        render_page(document),
        render_croissant(record, created=created),
    )
    for path, text in zip(paths, texts, strict=True):
        write_text_whole(path, text)
    return paths


def compose_data_card(
    record: SnapshotRecord,
    *,
    created: str,
    tokens: tuple[TokenLengths, ...],
    languages: tuple[LanguageCounts, ...],
    samples: tuple[Row, ...],
) -> Document:
    """Return a snapshot's card as blocks, for any rendering; see `write_data_card`."""
    return Document(
        title=record.title,
        caption=f"Data card: {record.name}",
        display=None,
        sections=(
            _describe_whole(record, created=created),
            _describe_counts(record, tokens),
            _describe_languages(record, languages),
            describe_sources(record),
            describe_steps(record),
            _describe_limits(record),
            _describe_samples(samples),
        ),
    )


def _describe_whole(record: SnapshotRecord, *, created: str) -> Section:
    apart = ", ".join(record.kept_apart_from) or "no suite was named"
    rows: tuple[tuple[str, Cell], ...] = (
        ("Name", code(record.name)),
        ("Licence of the whole", link_licence(record.licence)),
        ("Languages, as declared", words(", ".join(record.languages))),
        ("Made", words(created)),
        ("Personal data", words(record.personal_data)),
        ("Kept apart from the suites", words(apart)),
        ("A rejected answer beside each", words("yes" if record.preferences else "no")),
        ("Digest of the rows", code(record.digest)),
    )
    return Section("what-it-is", "What it is", (Paragraph(record.description), Pairs(rows)))


def _describe_counts(record: SnapshotRecord, tokens: tuple[TokenLengths, ...]) -> Section:
    blocks: list[Block] = [
        Paragraph(
            "Rows are dealt to splits by group (a document, a service, a family of wordings): the "
            "rows of one group stand in one split only."
        ),
        tabulate_splits("Rows by split", record),
        Details(
            "Files of the splits",
            (
                Table(
                    "Files of the splits and their digests",
                    ("File", "sha256"),
                    tuple(
                        (code(f"{split.name}.{record.written_as}"), code(split.sha256))
                        for split in record.splits
                    ),
                ),
            ),
        ),
        Subheading("Length in tokens"),
    ]
    if not tokens:
        blocks += [
            Paragraph("Not counted here. This writes the card with them, for a base model:"),
            Code(f"civicbench datasets card {record.name} --tokenizer MODEL", language="bash"),
        ]
    else:
        blocks.append(
            Table(
                "Tokens of a row, prompt and answer together, in the model's own chat template",
                ("Tokenizer", "Split", "Rows counted", "Median", "95 in 100 up to", "Longest",
                 "Mean"),
                tuple(
                    (
                        code(found.model),
                        words(found.split),
                        words(f"{found.counted:,} of {found.rows:,}"),
                        words(format_count(found.median)),
                        words(format_count(found.high)),
                        words(format_count(found.longest)),
                        words(f"{found.mean:,.1f}"),
                    )
                    for found in tokens
                ),
            )
        )  # fmt: skip
    return Section("counts", "How much it holds", tuple(blocks))


def _describe_languages(record: SnapshotRecord, languages: tuple[LanguageCounts, ...]) -> Section:
    declared = f"Declared: {', '.join(record.languages)}."
    if not languages:
        return Section("languages", "Languages", (Paragraph(f"{declared} No text was measured."),))
    texts = max(found.texts for found in languages)
    said = (
        f"{declared} Measured with the detector lingua on {count_of(texts, 'row')} drawn from all "
        f"splits, the same on every machine. Texts of fewer than {MINIMUM_LETTERS} letters are not "
        f"judged; a language is counted where the detector is at least {CERTAINTY:.0%} sure."
    )
    table = Table(
        "Languages found, by field",
        ("Field", "Texts", "Languages", "Not sure", "Too short"),
        tuple(
            (
                code(found.field),
                words(format_count(found.texts)),
                words(", ".join(f"{tag} {format_count(n)}" for tag, n in found.told) or "none"),
                words(format_count(found.unsure)),
                words(format_count(found.too_short)),
            )
            for found in languages
        ),
    )
    return Section("languages", "Languages", (Paragraph(said), table))


def _describe_limits(record: SnapshotRecord) -> Section:
    known = Bullets(record.limits) if record.limits else Paragraph("None were stated.")
    return Section("limits", "Known limits", (known,))


def _describe_samples(samples: tuple[Row, ...]) -> Section:
    if not samples:
        return Section("samples", "Some rows", (Paragraph("There is no training row."),))
    return Section(
        "samples",
        "Some rows",
        tuple(
            Table(
                f"Row {row.id}",
                ("Who speaks", "What is said"),
                tuple((words(who), quote(_shorten(said))) for who, said in _turns(row)),
            )
            for row in samples
        ),
    )


def _turns(row: Row) -> list[tuple[str, str]]:
    turns: list[tuple[str, str]] = [(turn.role, turn.content) for turn in row.messages]
    if row.rejected is not None:
        turns.append(("assistant (rejected answer)", row.rejected))
    return turns


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."
