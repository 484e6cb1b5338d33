"""The answer to a question about a day, as text and as a page."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from civicbench.cards.answer import answer_text, compose_answer
from civicbench.core.files import write_text_whole
from civicbench.core.workspace import Workspace
from civicbench.registry.decisions.answers import LiveAnswer
from civicbench.registry.registry import Registry


@dataclass(frozen=True)
class Answered:
    """An answer, and its rendering as text."""

    fact: LiveAnswer
    text: str


def answer_live_on(day: date, *, model: str | None, workspace: Workspace) -> Answered:
    """Return which versions were live on a day, who approved them, and on what evidence.

    Args:
        day: The day, in UTC.
        model: Only this model; None for all.
        workspace: Where the registry is.
    """
    with Registry.open(workspace) as registry:
        fact = registry.proposals.live_on(day, model=model)
    return Answered(fact, answer_text(fact))


def write_answer(answer: Answered, path: Path) -> None:
    """Write an answer as one self-contained HTML page."""
    from civicbench.pages.html import render_page

    write_text_whole(path, render_page(compose_answer(answer.fact)))
