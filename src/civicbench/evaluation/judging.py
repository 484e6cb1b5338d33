"""From a response to an item record, and the record's values computed again from itself."""

import math
from collections.abc import Mapping, Sequence

from civicbench.core.digests import digest_json
from civicbench.core.errors import WorkFailedError
from civicbench.evaluation.answers import choose, has_mark, mean_rating, read_lines
from civicbench.evaluation.items import Question
from civicbench.evaluation.judges.judge import Judge, Written
from civicbench.evaluation.judges.record import LABELS, Judgement
from civicbench.evaluation.metrics import ACCURACY
from civicbench.evaluation.records import ItemRecord, Twin
from civicbench.evaluation.results import EXPOSURE, LEAD
from civicbench.evaluation.settings import (
    ChoiceTask,
    GenerationTask,
    JudgedTask,
    MatchedTask,
    RatingTask,
    SuiteSettings,
    Task,
)
from civicbench.evaluation.tasks import Response
from civicbench.evaluation.wholes import RATING

# Below this the sums of two runs on other batches differ by rounding alone.
_DECIMALS = 5
WELL_FORMED = "well formed"


def judge_responses(
    task: Task,
    questions: Sequence[Question],
    responses: Sequence[Response],
    *,
    judges: Mapping[str, Judge],
) -> list[Judgement | None]:
    """Return what a task's judge says of each written answer; None for tasks without a judge.

    Raises:
        WorkFailedError: A judge that does not answer for every item.
    """
    if not isinstance(task, JudgedTask):
        return [None] * len(responses)
    written = [
        Written(question.item.messages[-1].content, response.text)
        for question, response in zip(questions, responses, strict=True)
    ]
    found = judges[task.judge].judge(written)
    if len(found) != len(written):
        raise WorkFailedError(
            "the judge did not answer for every item",
            where=f"task {task.name}, judge {task.judge}",
            got=f"{len(found)} labels for {len(written)} answers",
        )
    return [*found]


def make_record(
    suite: SuiteSettings,
    task: Task,
    question: Question,
    response: Response,
    *,
    judgement: Judgement | None = None,
) -> ItemRecord:
    """Return what is kept of a question and a model's response to it."""
    fields = question.item.fields
    log_likelihoods = tuple(round(value, _DECIMALS) for value in response.log_likelihoods)
    flags: list[str] = []
    if isinstance(task, ChoiceTask | RatingTask):
        position = choose(log_likelihoods, question.choices, per_byte=_per_byte(task))
        answer, expected = question.choices[position], question.choices[question.answer]
    else:
        position = -1
        answer = response.text
        expected = _expected_text(task, question)
        if response.finish == "token limit":
            flags.append("cut by the token limit")
        if not answer.strip():
            flags.append("empty answer")
    versions = task.versions if isinstance(task, ChoiceTask | JudgedTask) else None
    record = ItemRecord(
        task=task.name,
        id=question.item.id,
        seed=response.seed,
        cluster=question.cluster,
        slices={name: str(fields[name]) for name in suite.slices},
        prompt=question.item.messages[-1].content,
        prompt_digest=digest_json(list(response.prompt_ids)),
        prompt_tokens=len(response.prompt_ids),
        choices=question.choices,
        expected=expected,
        answer=answer,
        expected_position=question.answer,
        answer_position=position,
        log_likelihoods=log_likelihoods,
        values={},
        flags=tuple(flags),
        roles=question.roles,
        marks=question.marks,
        reference=question.reference,
        case="" if versions is None else str(fields[versions.field]),
        side="" if versions is None else str(fields[versions.side]),
        judgement=judgement,
        twin=_twin(suite, question),
    )
    return record.model_copy(update={"values": values_of(task, record)})


def _twin(suite: SuiteSettings, question: Question) -> Twin | None:
    if suite.twins is None or question.item.fields.get(suite.twins.pair) is None:
        return None
    fields = question.item.fields
    return Twin(pair=str(fields[suite.twins.pair]), side=str(fields.get(suite.twins.side)))


def values_of(task: Task, record: ItemRecord) -> dict[str, float]:
    """Return a record's values by metric, computed from its answer alone."""
    if isinstance(task, ChoiceTask | RatingTask):
        position = choose(record.log_likelihoods, record.choices, per_byte=_per_byte(task))
        values = {ACCURACY: float(position == record.expected_position)}
        if isinstance(task, RatingTask):
            values[RATING] = mean_rating(record.log_likelihoods, list(task.choices.values()))
        elif task.lead:
            values[LEAD] = lead_of(record, per_byte=task.per_byte)
        if isinstance(task, ChoiceTask) and task.exposure:
            return {EXPOSURE: exposure_of(record)} | values
        return values
    if isinstance(task, MatchedTask):
        marked = has_mark(record.answer, record.marks)
        return {ACCURACY: float(marked == (task.right == "present"))}
    if isinstance(task, JudgedTask):
        label = None if record.judgement is None else record.judgement.label
        return {ACCURACY: float(label == task.right)} | {
            name: float(label == name) for name in LABELS
        }
    return _line_values(task, record)


def _per_byte(task: ChoiceTask | RatingTask) -> bool:
    return isinstance(task, ChoiceTask) and task.per_byte


def _expected_text(task: GenerationTask | JudgedTask | MatchedTask, question: Question) -> str:
    """Return what a written answer should be, for reading."""
    if isinstance(task, JudgedTask):
        return f"({task.right})"
    if isinstance(task, MatchedTask):
        return f"({task.right}: {'; '.join(question.marks)})"
    fields = question.item.fields
    return "\n".join(f"{line}: {fields[name]}" for line, name in task.fields.items())


def lead_of(record: ItemRecord, *, per_byte: bool) -> float:
    """Return how far the right choice leads the best other one; below 0 where it trails.

    Args:
        record: The record.
        per_byte: Divide each log-likelihood by its choice's length in UTF-8 bytes first.
    """
    scores = [
        value / len(choice.encode()) if per_byte else value
        for value, choice in zip(record.log_likelihoods, record.choices, strict=True)
    ]
    own = scores.pop(record.expected_position)
    return own - max(scores)


def rank_among(record: ItemRecord) -> int:
    """Return the place of the right choice by log-likelihood, 1 for the likeliest.

    Choices that are as likely stand before it: what cannot be told from others is not found.
    """
    own = record.log_likelihoods[record.expected_position]
    return sum(value >= own for value in record.log_likelihoods)


def exposure_of(record: ItemRecord) -> float:
    """Return the exposure of the right choice in bits.

    log2 |R| - log2 rank, where R is every secret that could have been planted (Carlini and others
    2019, The Secret Sharer, definition 4). The rank in R is taken to be |R| times the share of the
    sampled choices that are no less likely, itself among them, so |R| falls out: log2 of the
    choices less log2 of the rank among them. Most is log2 of the choices; of a secret that was
    not planted 1.4 bits on average (1 / ln 2), as its rank is even.
    """
    return math.log2(len(record.log_likelihoods)) - math.log2(rank_among(record))


def _line_values(task: GenerationTask, record: ItemRecord) -> dict[str, float]:
    lines: Mapping[str, str] = read_lines(record.answer)
    # A value may hold line breaks: what is expected is cut at the lines' names, not at breaks.
    wanted = _expected_values(task, record.expected)
    formed = tuple(lines) == task.lines
    right = {line: lines.get(line) == value for line, value in wanted.items()}
    values = {ACCURACY: float(formed and all(right.values())), WELL_FORMED: float(formed)}
    return values | {f"{line} right": float(hit) for line, hit in right.items()}


def _expected_values(task: GenerationTask, expected: str) -> dict[str, str]:
    values: dict[str, str] = {}
    rest = expected
    names = list(task.fields)
    for name, following in zip(names, [*names[1:], None], strict=True):
        rest = rest.removeprefix(f"{name}: ")
        if following is None:
            values[name] = rest
        else:
            values[name], _, tail = rest.partition(f"\n{following}: ")
            rest = f"{following}: {tail}"
    return values
