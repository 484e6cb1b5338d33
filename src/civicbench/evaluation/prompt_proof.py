"""Proof that evaluation asks with the token ids that training would have made of an item."""

from collections.abc import Sequence
from dataclasses import dataclass

from civicbench.core.digests import digest_json
from civicbench.core.errors import InvalidInputError, WorkFailedError
from civicbench.evaluation.items import Item, Question
from civicbench.evaluation.settings import SuiteSettings
from civicbench.models.rendering import ChatRenderer, Message

SystemTurns = frozenset[str | None]


@dataclass(frozen=True)
class PromptProof:
    """What was proven of a suite's prompts.

    Attributes:
        digest: Digest of every item's id and training prompt as token ids, which were found equal
            to the ids that the model was given.
        differences: What differs from training on purpose, each with the suite's reason.
    """

    digest: str
    differences: tuple[str, ...]


def system_turns_of(conversations: Sequence[Sequence[Message]]) -> SystemTurns:
    """Return the system turns that stand in conversations; None for those without."""
    return frozenset(_system_turn(messages) for messages in conversations)


def named_differences(
    suite: SuiteSettings, items: Sequence[Item], *, trained: SystemTurns
) -> tuple[str, ...]:
    """Return how a suite's prompts differ from training's, where the suite says so.

    Args:
        suite: The suite.
        items: Its items.
        trained: The system turns of the training rows.

    Raises:
        InvalidInputError: A difference that the suite does not name.
    """
    found = []
    strange = [item for item in items if _system_turn(item.messages) not in trained]
    if strange:
        reason = suite.differs_from_training.system_turn
        if reason is None:
            turn = _system_turn(strange[0].messages)
            raise InvalidInputError(
                "items have another system turn than the training rows, and the suite does not "
                "say that it is meant to be so",
                where=f"suite {suite.name}, item {strange[0].id}",
                got="no system turn" if turn is None else repr(turn),
                remedy="give the items the training's system turn, or the reason at "
                "differs_from_training.system_turn in suite.yaml",
            )
        found.append(f"system turn: {reason}")
    if suite.shots is not None:
        found.append(f"{suite.shots.count} worked examples: {suite.differs_from_training.shots}")
    return tuple(found)


def prove_prompts(
    asked: Sequence[tuple[str, Sequence[Question], Sequence[Sequence[int]]]],
    *,
    renderer: ChatRenderer,
    differences: tuple[str, ...],
) -> PromptProof:
    """Prove that the ids a model was given are those that training would have made.

    Each item is rendered as a training row: with an answer after it, as training renders it. Its
    prompt part must equal what the model was given, its completion must end with the end-of-turn
    token, and no second beginning-of-text token may stand in it.

    Args:
        asked: Each task's name, its questions, and the prompt ids that the model was given; a
            task may stand several times.
        renderer: The model's renderer.
        differences: What differs on purpose.

    Raises:
        WorkFailedError: A prompt that differs.
    """
    facts = []
    start = renderer.tokenizer.bos_token_id
    for task, questions, prompts in asked:
        for question, given in zip(questions, prompts, strict=True):
            answer = question.choices[question.answer] if question.choices else "answer"
            row = (*question.item.messages, Message(role="assistant", content=answer))
            example = renderer.render_example(row)
            where = f"task {task}, item {question.item.id}"
            if list(example.prompt_ids) != list(given):
                raise WorkFailedError(
                    "the evaluation prompt is not the one that training would have used",
                    where=where,
                    got=f"{len(given)} tokens, training has {len(example.prompt_ids)}",
                )
            if renderer.end_of_turn_id not in example.completion_ids:
                raise WorkFailedError("training would not end this item's turn", where=where)
            if start is not None and list(given[:2]) == [start, start]:
                raise WorkFailedError("the prompt begins twice: a doubled BOS token", where=where)
            facts.append([task, question.item.id, digest_json(list(example.prompt_ids))])
    return PromptProof(digest_json(facts), differences)


def _system_turn(messages: Sequence[Message]) -> str | None:
    return messages[0].content if messages and messages[0].role == "system" else None
