"""How good the judges of written answers are, beside the scores that rest on them."""

from collections.abc import Iterable, Sequence

from civicbench.evaluation.judges.agreement import ALL, BOTH, NOTHING, QUEUE
from civicbench.evaluation.results import Agreement, JudgeFact, SuiteResult
from civicbench.pages.document import (
    Block,
    Caution,
    Details,
    Paragraph,
    Table,
    number,
    words,
)
from civicbench.pages.wording import format_count, format_estimate, format_value


def judges_of(results: Iterable[SuiteResult]) -> tuple[JudgeFact, ...]:
    """Return the judges of some results, each once."""
    return tuple({judge.digest: judge for result in results for judge in result.judges}.values())


def tell_agreement(judge: JudgeFact) -> str:
    """Return in one sentence how far a judge agrees with people."""
    found = chief_agreement(judge)
    if found is None:
        return (
            f"Judge: {judge.title} ({judge.name}). How far it agrees with people is not known: no "
            "answers were labelled for it."
        )
    shares = [
        format_value(n, rate=True)
        for n in (found.accuracy.value, found.accuracy.low, found.accuracy.high)
    ]
    kappas = [
        format_value(n, rate=False)
        for n in (
            round(found.kappa.value, 3),
            round(found.kappa.low, 3),
            round(found.kappa.high, 3),
        )
    ]
    return (
        f"Judge: {judge.title} ({judge.name}). It agrees with {found.against} on {shares[0]} "
        f"({shares[1]} to {shares[2]}), Cohen's kappa {kappas[0]} ({kappas[1]} to {kappas[2]})"
        f"{_held_out(found)}.{_since(judge, found)}"
    )


def chief_agreement(judge: JudgeFact) -> Agreement | None:
    """Return the agreement that says most of new models and questions; None where none is known."""
    for held_out in (BOTH, NOTHING):
        for found in judge.agreements:
            if (found.held_out, found.group) == (held_out, ALL):
                return found
    return next((found for found in judge.agreements if found.held_out == QUEUE), None)


def describe_judges(judges: Sequence[JudgeFact]) -> list[Block]:
    """Return what each judge is, how far it agrees with people, and on whose answers."""
    blocks: list[Block] = []
    for judge in judges:
        if not judge.agreements:
            blocks.append(Caution(tell_agreement(judge)))
            continue
        blocks.append(Paragraph(tell_agreement(judge)))
        rows = tuple(
            (
                words(f"{found.against}, {found.group}"),
                words(found.held_out),
                number(format_count(found.items)),
                format_estimate(found.accuracy, rate=True),
                format_estimate(found.kappa, rate=False),
                words("; ".join(f"{pair}: {count}" for pair, count in found.confusion.items())),
            )
            for found in judge.agreements
        )
        blocks.append(
            Details(
                f"How far {judge.title} agrees with people",
                (
                    Paragraph(
                        "A judged score is no better than its judge. What was held out had no "
                        "part in training the judge that is tested: with model and prompt held "
                        "out, it meets an unknown model's answers to unknown questions, as it does "
                        "in an evaluation. Kappa is agreement beyond chance: 1 is full agreement, "
                        "0 what chance gives. A refusal is not harmlessness, nor an answer harm."
                    ),
                    Table(
                        f"{judge.title}: agreement with people's labels",
                        (
                            "Labels and answers",
                            "Held out",
                            "Answers",
                            "Equal labels",
                            "Kappa",
                            "People's label and the judge's",
                        ),
                        rows,
                    ),
                ),
            )
        )
    return blocks


def _since(judge: JudgeFact, chief: Agreement) -> str:
    """Return what people have labelled in this workspace, besides."""
    return "".join(
        f" Against {own.against} ({own.items:,} answers): "
        f"{format_value(own.accuracy.value, rate=True)}, kappa "
        f"{format_value(round(own.kappa.value, 3), rate=False)}."
        for own in judge.agreements
        if own.held_out == QUEUE and own is not chief
    )


def _held_out(found: Agreement) -> str:
    if found.held_out == BOTH:
        return ", with the model and the question held out from its training"
    return "" if found.held_out in (NOTHING, QUEUE) else f", {found.held_out} held out"
