"""Prompts as the models read them, token by token."""

import re

from civicbench.evaluation.records import PromptExample
from civicbench.pages.characters import LINE_BREAK_MARK, show_piece
from civicbench.pages.document import (
    Block,
    Bullets,
    Details,
    Paragraph,
    Piece,
    Section,
    Tokens,
)
from civicbench.pages.wording import count_of
from civicbench.reports.report import Report

# <|im_start|>, <s>, </s>, <start_of_turn>, [INST]: what tokenizers spell their own tokens like.
_CONTROL = re.compile(r"<[^<>\s]{1,60}>|\[/?[A-Z][A-Z_]{1,30}\]")


def is_control(piece: str) -> bool:
    """Return whether a token is spelt like a control token."""
    return _CONTROL.fullmatch(piece.strip()) is not None


def describe_prompts(report: Report) -> Section:
    """Return one item of each task as each model read it; what several read alike stands once."""
    blocks: list[Block] = []
    for suite in report.suites:
        readers: dict[PromptExample, list[str]] = {}
        for model in report.models:
            if suite.name in model.suites:
                for prompt in model.suites[suite.name].prompts:
                    readers.setdefault(prompt, []).append(model.label)
        for prompt, labels in readers.items():
            tokens = count_of(len(prompt.prompt_pieces), "token")
            name = f"{suite.title}, task {prompt.task}, item {prompt.id}: {tokens}"
            blocks.append(Details(f"{name} ({', '.join(labels)})", _prompt(prompt)))
    if not blocks:
        text = "No prompt was kept with these scores."
        return Section("prompts", "Prompts as tokenised", (Paragraph(text),))
    return Section("prompts", "Prompts as tokenised", (*_legend(), *blocks))


def _legend() -> tuple[Block, ...]:
    signs = (
        ("\N{OPEN BOX}", "a space"),
        (LINE_BREAK_MARK, "a line break"),
        ("\N{RIGHTWARDS ARROW TO BAR}", "a tab"),
        ("\N{REPLACEMENT CHARACTER}", "a part of a character, which several tokens spell together"),
        ("[U+0000]", "a hidden character, by its code point"),
    )
    return (
        Paragraph(
            "One item of each task as the model read it. A prompt that does not look like this in "
            "use is another prompt, and scores may differ. Each box is one token; a double line "
            "and bold letters mark one that is spelt like a control token, such as the start of a "
            "turn:"
        ),
        Tokens((Piece("text", False), Piece("<|start|>", True))),
        Paragraph("Signs in prompts:"),
        Bullets(tuple(f"{sign} is {meaning}" for sign, meaning in signs)),
    )


def _prompt(prompt: PromptExample) -> tuple[Block, ...]:
    blocks: list[Block] = [Tokens(_pieces(prompt.prompt_pieces))]
    if prompt.answer_pieces:
        blocks += [Paragraph("The right choice, as it is scored:")]
        blocks += [Tokens(_pieces(prompt.answer_pieces))]
    return tuple(blocks)


def _pieces(texts: tuple[str, ...]) -> tuple[Piece, ...]:
    pieces = []
    for text in texts:
        shown = show_piece(text)
        # The break stands behind the box, which would else go on in the next line.
        pieces.append(Piece(shown.removesuffix("\n"), is_control(text), shown.endswith("\n")))
    return tuple(pieces)
