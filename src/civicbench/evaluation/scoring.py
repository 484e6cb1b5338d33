"""Scoring one model on one suite, as a stage."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from civicbench.core.digests import digest_json
from civicbench.core.documents import read_text
from civicbench.core.environment import package_versions, processor_name
from civicbench.core.files import write_json_whole, write_text_whole
from civicbench.core.stages import Stage
from civicbench.core.workspace import Workspace
from civicbench.evaluation.answers import choose, read_lines
from civicbench.evaluation.items import Item, Question, items_digest, questions_of
from civicbench.evaluation.metrics import ACCURACY, suite_metrics
from civicbench.evaluation.records import ItemRecord, write_items
from civicbench.evaluation.results import SuiteResult
from civicbench.evaluation.settings import ChoiceTask, SuiteSettings, Task
from civicbench.models.loading import Precision
from civicbench.models.record import ModelRecord
from civicbench.models.rendering import ChatRenderer

if TYPE_CHECKING:
    from civicbench.evaluation.scorer import SharedPrefixLM
    from civicbench.evaluation.tasks import Response

CODE_VERSION = 1
RESULT_NAME = "result.json"
MEASUREMENTS_NAME = "measurements.json"
BOOTSTRAP_SEED = 20261
# Below this the sums of two runs on other batches differ by rounding alone.
_DECIMALS = 5


@dataclass(frozen=True)
class Subject:
    """The model that is scored.

    Attributes:
        role: "base" or "tuned".
        base: The base model.
        adapter_digest: Digest of the adapter; None for the base.
        precision: Number format of the weights while scoring.
    """

    role: Literal["base", "tuned"]
    base: ModelRecord
    adapter_digest: str | None
    precision: Precision


def score_stage(
    suite: SuiteSettings, items: Sequence[Item], subject: Subject, *, workspace: Workspace
) -> Stage:
    """Return the stage that scores a model on a suite.

    Its key covers items, prompts' template, tokenizer, weights, adapter and precision, so that
    a change of any of them is scored anew and nothing is scored twice.

    Raises:
        InvalidInputError: Items that do not fit the suite's tasks.
    """
    asked = {task.name: questions_of(task, items, suite=suite) for task in suite.tasks}
    return Stage(
        kind="score",
        name=f"suite {suite.name}, {subject.role} model",
        folder=workspace.scores,
        settings={
            "suite": suite.model_dump(mode="json"),
            "role": subject.role,
            "precision": subject.precision,
        },
        inputs={
            "items": items_digest(asked),
            "weights": subject.base.weights_digest,
            "tokenizer": subject.base.tokenizer_digest,
            "template": subject.base.template_digest,
            "adapter": subject.adapter_digest or "none",
        },
        code_version=CODE_VERSION,
        volatile=frozenset({MEASUREMENTS_NAME}),
    )


def score(
    suite: SuiteSettings,
    items: Sequence[Item],
    subject: Subject,
    *,
    folder: Path,
    renderer: ChatRenderer,
    language_model: Callable[[], "SharedPrefixLM"],
) -> None:
    """Score a model on a suite and write item records, result and measurements.

    Args:
        suite: The suite.
        items: Its items.
        subject: What is scored.
        folder: Where the files go.
        renderer: The model's renderer.
        language_model: Gives the loaded model; called once the items were found sound.
    """
    from civicbench.evaluation.tasks import ask

    questions = {task.name: (task, questions_of(task, items, suite=suite)) for task in suite.tasks}
    started = time.monotonic()
    model = language_model()
    responses = ask(questions, language_model=model, renderer=renderer)
    records = [
        _record(suite, task, question, response, renderer, cut=response.prompt in model.cut_prompts)
        for task, asked in questions.values()
        for question, response in zip(asked, responses[task.name], strict=True)
    ]
    wall_time_s = time.monotonic() - started
    flags: dict[str, int] = {}
    for record in records:
        for flag in record.flags:
            flags[flag] = flags.get(flag, 0) + 1
    result = SuiteResult(
        suite=suite.name,
        title=suite.title,
        kind=suite.kind,
        model=subject.role,
        items_digest=items_digest({name: asked for name, (_, asked) in questions.items()}),
        prompts_digest=digest_json([record.prompt_digest for record in records]),
        weights_digest=subject.base.weights_digest,
        adapter_digest=subject.adapter_digest,
        template_digest=subject.base.template_digest,
        metrics=suite_metrics(suite, records, seed=BOOTSTRAP_SEED),
        flags=flags,
        packages=package_versions(),
        seed=BOOTSTRAP_SEED,
    )
    write_items(folder, records)
    write_text_whole(folder / RESULT_NAME, result.model_dump_json(indent=2) + "\n")
    write_json_whole(
        folder / MEASUREMENTS_NAME,
        {
            "machine": processor_name(),
            "wall_time_s": round(wall_time_s, 3),
            "items_per_second": round(len(records) / wall_time_s, 3),
        },
    )


def read_result(folder: Path) -> SuiteResult:
    """Return the result that stands in a score folder."""
    return SuiteResult.model_validate_json(read_text(folder / RESULT_NAME))


def _record(
    suite: SuiteSettings,
    task: Task,
    question: Question,
    response: "Response",
    renderer: ChatRenderer,
    *,
    cut: bool,
) -> ItemRecord:
    fields = question.item.fields
    flags: list[str] = []
    if isinstance(task, ChoiceTask):
        position = choose(response.log_likelihoods, question.choices, per_byte=task.per_byte)
        answer, expected = question.choices[position], question.choices[question.answer]
        values = {ACCURACY: float(position == question.answer)}
    else:
        position = -1
        answer = response.text
        lines = read_lines(answer)
        expected = "\n".join(f"{line}: {fields[name]}" for line, name in task.fields.items())
        formed = tuple(lines) == task.lines
        right = {line: lines.get(line) == str(fields[f]) for line, f in task.fields.items()}
        values = {ACCURACY: float(formed and all(right.values())), "well formed": float(formed)}
        values |= {f"{line} right": float(hit) for line, hit in right.items()}
        if cut:
            flags.append("cut by the token limit")
        if not answer.strip():
            flags.append("empty answer")
    return ItemRecord(
        task=task.name,
        id=question.item.id,
        cluster=question.cluster,
        slices={name: str(fields[name]) for name in suite.slices},
        prompt=question.item.messages[-1].content,
        prompt_digest=digest_json(renderer.encode(response.prompt)),
        expected=expected,
        answer=answer,
        expected_position=question.answer,
        answer_position=position,
        log_likelihoods=tuple(round(value, _DECIMALS) for value in response.log_likelihoods),
        values=values,
        flags=tuple(flags),
    )
