"""The answer to "which version was live on that day", as a page and as text."""

from civicbench.pages.document import (
    Block,
    Bullets,
    Caution,
    Document,
    Inset,
    Pairs,
    Paragraph,
    Section,
    Subheading,
    Table,
    code,
    words,
)
from civicbench.registry.decisions.answers import LiveAnswer, LiveVersion
from civicbench.registry.decisions.facts import DecisionFact

_DAY, _MOMENT = "%d %B %Y", "%d %B %Y, %H:%M UTC"


def compose_answer(answer: LiveAnswer) -> Document:
    """Return the answer as a page."""
    sections = [
        Section("answer", "The answer", (Paragraph(_sentence(answer)), *_absent(answer))),
        *(
            Section(f"version-{number}", one.live.reference or "", tuple(_describe(one)))
            for number, one in enumerate(answer.versions, start=1)
        ),
        Section(
            "proof",
            "How this can be checked",
            (
                Paragraph(
                    "Every decision and release is signed by the person named, over the digest of "
                    "the evidence shown. All stand in one log in which each entry holds the digest "
                    "of the one before; its end is given here. `civicbench registry verify` reads "
                    "the whole log and every file again, and names what was changed."
                ),
                Pairs(
                    (
                        ("Asked on", words(f"{answer.asked_at:{_MOMENT}}")),
                        ("Entries in the log", words(f"{answer.head.sequence:,}")),
                        ("End of the log", code(answer.head.digest)),
                    )
                ),
            ),
        ),
    ]
    return Document(
        title=f"What was live on {_plain(f'{answer.day:{_DAY}}')}",
        caption="Civicbench registry",
        display=None,
        sections=tuple(sections),
    )


def answer_text(answer: LiveAnswer) -> str:
    """Return the answer as plain text."""
    lines = [_sentence(answer)]
    lines += [block.text for block in _absent(answer) if isinstance(block, Inset)]
    for one in answer.versions:
        until = f"{one.live.until:{_MOMENT}}" if one.live.until else "today"
        lines += [
            "",
            f"{one.live.reference}: live from {_plain(f'{one.live.since:{_MOMENT}}')} to "
            f"{_plain(until)}",
            f"  evidence     {one.live.version}",
            f"  made from    {one.base}, by the recipe {one.recipe}",
            f"  released by  {one.live.by}: {one.live.reason}",
            f"  submitted by {one.submitted_by}; gate {one.gate}, {one.reviewers} to approve",
        ]
        for decision in one.decisions:
            lines.append(
                f"  {_plain(f'{decision.at:{_DAY}}')}: {decision.full_name} ({decision.role}) "
                f"decided: {decision.outcome}. {decision.reason}"
            )
            lines += [f"    condition: {text}" for text in _conditions(decision)]
        lines.append(f"  today it is  {one.state_now}")
    lines += ["", f"Log: {answer.head.sequence} entries, ending with {answer.head.digest}"]
    return "\n".join(lines)


def _plain(text: str) -> str:
    return text.removeprefix("0")


def _sentence(answer: LiveAnswer) -> str:
    day = _plain(f"{answer.day:{_DAY}}")
    if not answer.versions:
        return f"No version was live on {day}."
    named = [str(one.live.reference) for one in answer.versions]
    verb = "version was" if len(named) == 1 else "versions were"
    return f"On {day} {len(named)} {verb} live: {', '.join(named)}."


def _absent(answer: LiveAnswer) -> list[Block]:
    if not answer.without or not answer.versions:
        return []
    return [Inset(f"Without a live version that day: {', '.join(answer.without)}.")]


def _describe(one: LiveVersion) -> list[Block]:
    until = _plain(f"{one.live.until:{_MOMENT}}") if one.live.until else "still live"
    made = ", ".join(f"{m.did} by {m.person or 'an unknown person'}" for m in one.makers)
    blocks: list[Block] = []
    if one.state_now == "withdrawn":
        blocks.append(Caution("This version was withdrawn later."))
    blocks += [
        Pairs(
            (
                ("Live from", words(_plain(f"{one.live.since:{_MOMENT}}"))),
                ("Live until", words(until)),
                ("Released by", words(f"{one.live.by}: {one.live.reason}")),
                ("Made from", words(f"{one.base}, by the recipe {one.recipe}")),
                ("Made by", words(made)),
                ("Submitted by", words(one.submitted_by)),
                ("Gate", words(f"{one.gate}; {one.reviewers} to approve")),
                ("Digest of the evidence", code(str(one.live.version))),
                ("State today", words(one.state_now)),
            )
        ),
        Subheading("Who approved it"),
        Table(
            f"Decisions on {one.live.reference}",
            ("Who", "Role", "When", "Decision", "Why", "Ends", "Signed with the key"),
            tuple(
                (
                    words(decision.full_name),
                    words(decision.role.replace("-", " ")),
                    words(_plain(f"{decision.at:{_MOMENT}}")),
                    words(decision.outcome),
                    words(decision.reason),
                    words(
                        _plain(f"{decision.expires_at:{_DAY}}") if decision.expires_at else "never"
                    ),
                    code(decision.key),
                )
                for decision in one.decisions
            ),
        ),
    ]
    conditions = tuple(text for decision in one.decisions for text in _conditions(decision))
    if conditions:
        blocks += [Subheading("On these conditions"), Bullets(conditions)]
    signed = one.decisions[-1].binding
    blocks += [
        Subheading("On what evidence"),
        Table(
            f"What the decisions on {one.live.reference} were signed over",
            ("What", "Digest"),
            (
                (words("Base model's weights"), code(signed.base_weights)),
                (words("Trained weights"), code(signed.weights)),
                (words("Training data"), code(signed.data)),
                *((words(f"Suite {name}"), code(d)) for name, d in signed.suites.items()),
                *((words(f"Judge of {name}"), code(d)) for name, d in signed.judges.items()),
                (words("Gate"), code(signed.gate)),
            ),
        ),
    ]
    return blocks


def _conditions(decision: DecisionFact) -> list[str]:
    return [
        f"{one.text} (for: {one.scope})"
        + (f", until {_plain(f'{one.expires_at:{_DAY}}')}" if one.expires_at else "")
        for one in decision.conditions
    ]
