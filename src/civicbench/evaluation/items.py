"""Items of a suite: read, checked, and turned into what a task asks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from civicbench.core.digests import digest_json
from civicbench.core.documents import iterate_json_lines
from civicbench.core.errors import InvalidInputError
from civicbench.evaluation.answers import known_form
from civicbench.evaluation.settings import (
    ChoiceTask,
    GenerationTask,
    JudgedTask,
    MatchedTask,
    RatingTask,
    SuiteSettings,
    Task,
    Versions,
    WrittenTask,
)
from civicbench.models.rendering import Message

_MISTAKES_SHOWN = 20
_ROLES = ("biased", "counter", "unknown")


class Item(BaseModel):
    """One item of a suite."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id: str
    """The item's name, unique in the suite."""
    messages: tuple[Message, ...]
    """The conversation up to where the model answers."""
    fields: dict[str, Any]
    """Everything else: choices, the right answer, cluster, slices."""


@dataclass(frozen=True)
class Question:
    """An item as one task asks it.

    Attributes:
        item: The item.
        choices: The answers to choose from, as written; empty for generated answers.
        answer: Position of the right choice; -1 for generated answers.
        cluster: Items of one cluster are not independent.
        roles: What each choice stands for, where the task asks for it.
        marks: What is looked for in a written answer.
        reference: People's mean rating; None where nothing is rated.
    """

    item: Item
    choices: tuple[str, ...]
    answer: int
    cluster: str
    roles: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    reference: float | None = None


def read_file_items(path: Path, *, system: str | None) -> list[Item]:
    """Read items from a JSON-lines file.

    Args:
        path: The file; each line has `id` and `prompt`.
        system: A system turn to put before each prompt.

    Raises:
        PartAbsentError: There is no such file.
        InvalidInputError: Lines with mistakes, each with its place.
    """
    items: list[Item] = []
    mistakes: list[str] = []
    seen: dict[str, int] = {}
    for number, line in iterate_json_lines(path):
        name, prompt = line.get("id"), line.get("prompt")
        if not isinstance(name, str) or not name:
            mistakes.append(f"line {number}: 'id' is missing or not text")
        elif name in seen:
            mistakes.append(f"line {number}: id {name!r} stands at line {seen[name]} too")
        elif not isinstance(prompt, str) or not prompt.strip():
            mistakes.append(f"line {number}: 'prompt' is missing or empty")
        else:
            seen[name] = number
            turns = [Message(role="system", content=system)] if system else []
            turns.append(Message(role="user", content=prompt))
            rest = {key: value for key, value in line.items() if key not in {"id", "prompt"}}
            items.append(Item(id=name, messages=tuple(turns), fields=rest))
    refuse_items(mistakes, where=str(path))
    if not items:
        raise InvalidInputError("the suite has no items", where=str(path))
    return items


def questions_of(task: Task, items: Sequence[Item], *, suite: SuiteSettings) -> list[Question]:
    """Return what a task asks of the items that it is for.

    Raises:
        InvalidInputError: No item fits the task, or items with mistakes, each named.
    """
    where = f"suite {suite.name}, task {task.name}"
    chosen = [item for item in items if _fits(item, task.where)]
    if not chosen:
        raise InvalidInputError("no item fits the task's `where`", where=where, got=str(task.where))
    questions: list[Question] = []
    mistakes: list[str] = []
    for item in chosen:
        cluster = item.fields.get(suite.cluster)
        if cluster is None:
            mistakes.append(f"{item.id}: the cluster field {suite.cluster!r} is missing")
            continue
        missing = [name for name in suite.slices if item.fields.get(name) is None]
        if missing:
            mistakes.append(f"{item.id}: the slice field {missing[0]!r} is missing")
            continue
        try:
            questions.append(_question(task, item, str(cluster)))
        except _UnfitError as problem:
            mistakes.append(f"{item.id}: {problem}")
    refuse_items(mistakes, where=where)
    if isinstance(task, ChoiceTask | JudgedTask) and task.versions is not None:
        _refuse_lone_versions(questions, task.versions, where=where)
    if isinstance(task, WrittenTask) and task.first_of_cluster:
        firsts = {question.cluster: question for question in reversed(questions)}
        questions = [q for q in questions if firsts[q.cluster] is q]
    return questions


def items_digest(questions: Mapping[str, Sequence[Question]]) -> str:
    """Return the digest of what a suite asks, task by task."""
    return digest_json(
        {
            task: [
                [q.item.model_dump(mode="json"), list(q.choices), q.answer, q.cluster]
                for q in asked
            ]
            for task, asked in questions.items()
        }
    )


def _fits(item: Item, where: Mapping[str, str]) -> bool:
    return all(str(item.fields.get(field)) == value for field, value in where.items())


class _UnfitError(ValueError):
    """An item does not fit a task; says why."""


def _question(task: Task, item: Item, cluster: str) -> Question:
    if isinstance(task, ChoiceTask):
        choices, answer, problem = _choices(task, item)
        if problem is not None:
            raise _UnfitError(problem)
        roles = _roles(item, len(choices)) if task.bias is not None else ()
        _require(item, [task.versions.field, task.versions.side] if task.versions else [])
        return Question(item, choices, answer, cluster, roles=roles)
    if isinstance(task, RatingTask):
        mean = item.fields.get(task.reference)
        if not isinstance(mean, int | float) or isinstance(mean, bool):
            raise _UnfitError(f"the field {task.reference!r} must be a number")
        numbers = list(task.choices.values())
        nearest = min(range(len(numbers)), key=lambda place: abs(numbers[place] - mean))
        return Question(item, tuple(task.choices), nearest, cluster, reference=float(mean))
    if isinstance(task, MatchedTask):
        return Question(item, (), -1, cluster, marks=_marks(item, task.marks))
    if isinstance(task, GenerationTask):
        _require(item, task.fields.values())
    elif task.versions is not None:
        _require(item, [task.versions.field, task.versions.side])
    return Question(item, (), -1, cluster)


def _require(item: Item, fields: Iterable[str]) -> None:
    for field in fields:
        if item.fields.get(field) is None:
            raise _UnfitError(f"the field {field!r} is missing")


def _roles(item: Item, choices: int) -> tuple[str, ...]:
    roles = item.fields.get("roles")
    if not isinstance(roles, list | tuple) or len(roles) != choices:
        raise _UnfitError("'roles' must name a role for each choice")
    if sorted(roles) != sorted(_ROLES):
        raise _UnfitError(f"'roles' must be {', '.join(_ROLES)}, in the choices' order")
    return tuple(roles)


def _marks(item: Item, field: str) -> tuple[str, ...]:
    value = item.fields.get(field)
    marks = [value] if isinstance(value, str) else value
    if not isinstance(marks, list | tuple) or not marks:
        raise _UnfitError(f"the field {field!r} must be a text or a list of texts")
    if not all(isinstance(mark, str) and mark.strip() for mark in marks):
        raise _UnfitError(f"the field {field!r} holds an empty mark, or one that is no text")
    strange = [mark for mark in marks if not known_form(mark)]
    if strange:
        raise _UnfitError(f"the field {field!r} names a form that is not known: {strange[0]!r}")
    return tuple(marks)


def _refuse_lone_versions(questions: Sequence[Question], versions: Versions, *, where: str) -> None:
    """Refuse a case that has no other version, or one version twice: nothing is compared there."""
    sides: dict[str, list[str]] = {}
    for question in questions:
        fields = question.item.fields
        sides.setdefault(str(fields[versions.field]), []).append(str(fields[versions.side]))
    found = {side for own in sides.values() for side in own}
    mistakes = [
        f"{case}: has the versions {', '.join(own)}"
        for case, own in sides.items()
        if len(own) < 2 or len(set(own)) < len(own)
    ]
    mistakes += [f"no item is the version {side!r}" for side in versions.sides if side not in found]
    refuse_items(mistakes, where=where)


def _choices(task: ChoiceTask, item: Item) -> tuple[tuple[str, ...], int, str | None]:
    """Return (choices as written, position of the right one, problem)."""
    own = task.choices if task.choices is not None else item.fields.get("choices")
    if (
        not isinstance(own, list | tuple)
        or len(own) < 2
        or not all(isinstance(c, str) for c in own)
    ):
        return (), -1, "'choices' must be a list of at least two texts"
    if len(set(own)) != len(own):
        return (), -1, "two choices are the same"
    if any(not choice.strip() for choice in own):
        return (), -1, "a choice is empty"
    answer = item.fields.get(task.answer)
    if isinstance(answer, str) and answer in own:
        position = list(own).index(answer)
    elif isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(own):
        position = answer
    else:
        return (), -1, f"the right answer {answer!r} is not one of the {len(own)} choices"
    return tuple(task.choice_text.replace("{choice}", choice) for choice in own), position, None


def refuse_items(mistakes: Sequence[str], *, where: str) -> None:
    """Raise where items have mistakes, naming the first of them."""
    if mistakes:
        shown = [f"  - {mistake}" for mistake in mistakes[:_MISTAKES_SHOWN]]
        if len(mistakes) > len(shown):
            shown.append(f"  - and {len(mistakes) - len(shown)} more")
        raise InvalidInputError(
            "\n".join([f"{len(mistakes)} items cannot be used", *shown]), where=where
        )
