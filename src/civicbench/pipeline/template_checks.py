"""Checks of a chat template: that it writes what was said, and the same every day."""

import re
from collections.abc import Sequence

from civicbench.core.errors import InvalidInputError
from civicbench.models.rendering import ChatRenderer, Message
from civicbench.pipeline.finding import Finding, count_rows
from civicbench.pipeline.reading_rows import RowText

_GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")
_BLANKS = " a "
_OWN = "give a `template` in the catalogue entry"


def check_refusals(texts: Sequence[RowText]) -> Finding:
    """Look whether the template takes every row."""
    refused = [row for row in texts if row.refused is not None]
    if refused:
        return Finding(
            what="template takes the rows",
            found=f"it refuses {count_rows([r.name for r in refused])}: {refused[0].refused}",
            state="bad",
            remedy=f"change the dataset's turns, or {_OWN}",
        )
    return Finding(what="template takes the rows", found=f"{len(texts):,} of them", state="good")


def check_date(texts: Sequence[RowText], *, renderer: ChatRenderer) -> Finding:
    """Look whether the template writes the day's date into the first row that it takes."""
    for row in texts:
        if row.refused is None and renderer.reads_the_clock(row.messages):
            return Finding(
                what="date",
                found="the template writes the day's date: prompts differ from day to day",
                state="bad",
                remedy=f"{_OWN} that has a fixed date or none",
            )
        if row.refused is None:
            break
    return Finding(what="date", found="the template writes the same every day", state="good")


def check_generation_markers(renderer: ChatRenderer, *, proven_rows: int) -> Finding:
    """Say what tells answers from prompts: markers in the template, or the proof on the rows."""
    has = _GENERATION.search(renderer.template) is not None
    proof = f"the mask is proven on {proven_rows:,} rows"
    return Finding(
        what="generation markers",
        found=f"the template has them; {proof}" if has else f"none; {proof}",
        state="good" if proven_rows else "bad",
        remedy="" if proven_rows else "see the other checks: no row could be proven",
    )


def check_words(texts: Sequence[RowText], *, renderer: ChatRenderer) -> Finding:
    """Look whether the template writes what every turn says, to the last blank."""
    changed = []
    for row in texts:
        plain = [renderer.render_plain(message.content) for message in row.messages]
        if row.refused is None and any(said not in row.whole for said in plain):
            changed.append(row.name)
    if changed:
        return Finding(
            what="what is said",
            found=f"the template cuts or changes turns of {count_rows(changed)}",
            state="bad",
            remedy=f"take blanks at the ends out of the rows, or {_OWN}",
        )
    if _cuts_blanks(renderer):
        return Finding(
            what="what is said",
            found="whole; the template cuts blanks at the ends of turns, and no row has any",
            state="note",
        )
    return Finding(what="what is said", found="the template writes every turn whole", state="good")


def check_order(texts: Sequence[RowText], *, renderer: ChatRenderer) -> Finding:
    """Look whether the turns stand in the order in which they were said."""
    moved = [row.name for row in texts if row.refused is None and not _in_order(row, renderer)]
    return Finding(
        what="order of turns",
        found=f"the template changes it in {count_rows(moved)}" if moved else "as they are said",
        state="bad" if moved else "good",
        remedy=_OWN if moved else "",
    )


def check_after_turn(texts: Sequence[RowText], *, end_of_turn: str) -> Finding:
    """Look whether anything but blanks follows the answer's end of turn."""
    more = [
        row
        for row in texts
        if row.refused is None
        and row.ends_turn(end_of_turn)
        and row.after_turn(end_of_turn).strip()
    ]
    if more:
        return Finding(
            what="answers end with the end of turn",
            found=f"the template writes {more[0].after_turn(end_of_turn)!r} after it in "
            f"{count_rows([row.name for row in more])}; it is not trained",
            state="note",
            remedy="if that is what ends a turn, name it as end_of_turn in the catalogue entry",
        )
    return Finding(
        what="answers end with the end of turn", found="nothing follows it", state="good"
    )


def _cuts_blanks(renderer: ChatRenderer) -> bool:
    probe = [Message(role="user", content=_BLANKS), Message(role="assistant", content=_BLANKS)]
    try:
        return renderer.render_conversation(probe).count(_BLANKS) < len(probe)
    except InvalidInputError:
        return False


def _in_order(row: RowText, renderer: ChatRenderer) -> bool:
    """Return whether the turns that the text has stand in it one after another."""
    place = 0
    for message in row.messages:
        said = renderer.render_plain(message.content.strip())
        found = row.whole.find(said, place)
        if found >= 0:
            place = found + len(said)
        elif said in row.whole:
            return False
    return True
