"""Scoring one model on one suite, as a stage."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from civicbench.core.digests import digest_json
from civicbench.core.documents import read_text
from civicbench.core.environment import package_versions, peak_memory_bytes
from civicbench.core.files import write_text_whole
from civicbench.core.stages import Stage
from civicbench.core.workspace import Workspace
from civicbench.evaluation.items import Item, Question, items_digest, questions_of
from civicbench.evaluation.judges.judge import Judge
from civicbench.evaluation.judges.preparing import judge_digests, judge_names
from civicbench.evaluation.metrics import suite_metrics
from civicbench.evaluation.prompt_proof import SystemTurns, named_differences, prove_prompts
from civicbench.evaluation.records import (
    ItemRecord,
    PromptExample,
    ScoreMeasurements,
    write_items,
    write_prompts,
)
from civicbench.evaluation.results import SuiteResult
from civicbench.evaluation.settings import SuiteSettings, Task
from civicbench.evaluation.twins.records import check_twins
from civicbench.models.loading import Precision, Quantisation, device_name
from civicbench.models.record import ModelRecord
from civicbench.models.rendering import ChatRenderer

if TYPE_CHECKING:
    from civicbench.evaluation.scorer.language_model import EngineLM
    from civicbench.evaluation.tasks import Response, Sitting

CODE_VERSION = 4
RESULT_NAME = "result.json"
RESPONSES_NAME = "responses.db"
MEASUREMENTS_NAME = "measurements.json"
BOOTSTRAP_SEED = 20261
# What computes the logits: other versions may round otherwise.
_COMPUTING_PACKAGES = ("lm-eval", "peft", "tokenizers", "torch", "transformers")
EngineName = Literal["civicbench", "vllm"]


@dataclass(frozen=True)
class Subject:
    """The model that is scored.

    Attributes:
        role: "base" or "tuned".
        base: The base model.
        adapter_digest: Digest of the adapter; None for the base.
        precision: Number format of the weights while scoring.
        quantisation: How the frozen base is held, where not as it is.
        engine: What computes its answers.
        trained_system_turns: The system turns of the training rows.
    """

    role: Literal["base", "tuned"]
    base: ModelRecord
    adapter_digest: str | None
    precision: Precision
    quantisation: Quantisation | None
    engine: EngineName
    trained_system_turns: SystemTurns

    @property
    def computing_packages(self) -> dict[str, str]:
        """Versions of the packages that compute its answers."""
        engine = ("vllm",) if self.engine == "vllm" else ()
        return package_versions(_COMPUTING_PACKAGES + engine)

    @property
    def answers_digest(self) -> str:
        """Digest of everything about the model that shapes its answers to token ids."""
        return digest_json(
            {
                "weights": self.base.weights_digest,
                "adapter": self.adapter_digest,
                "precision": self.precision,
                "quantisation": self.quantisation,
                "engine": self.engine,
                "device": device_name(),
                "packages": self.computing_packages,
                "code_version": CODE_VERSION,
            }
        )


def score_stage(
    suite: SuiteSettings, items: Sequence[Item], subject: Subject, *, workspace: Workspace
) -> Stage:
    """Return the stage that scores a model on a suite.

    Its key covers items, template, tokenizer, weights, adapter, number format, device and library
    versions, so that a change of any of them is scored anew and nothing is scored twice.

    Raises:
        InvalidInputError: Items that do not fit the suite's tasks, or prompts that differ from
            training's without the suite saying so.
    """
    asked = {task.name: questions_of(task, items, suite=suite) for task in suite.tasks}
    check_twins(suite, asked)
    differences = named_differences(suite, items, trained=subject.trained_system_turns)
    return Stage(
        kind="score",
        name=f"suite {suite.name}, {subject.role} model",
        folder=workspace.scores,
        settings={
            "suite": suite.model_dump(mode="json"),
            "role": subject.role,
            "precision": subject.precision,
            "quantisation": subject.quantisation,
            "engine": subject.engine,
            "device": device_name(),
            "packages": subject.computing_packages,
            "differences_from_training": list(differences),
        }
        | ({"judges": judges} if (judges := judge_digests(suite)) else {}),
        inputs={
            "items": items_digest(asked),
            "weights": subject.base.weights_digest,
            "tokenizer": subject.base.tokenizer_digest,
            "template": subject.base.template_digest,
            "adapter": subject.adapter_digest or "none",
            "model": subject.answers_digest,
        },
        code_version=CODE_VERSION,
        volatile=frozenset({MEASUREMENTS_NAME}),
    )


@dataclass(frozen=True)
class Scores:
    """What scoring found.

    Attributes:
        result: The suite's result.
        items: Every item's record.
        prompts: One item of each task, token by token.
        measurements: What scoring took.
    """

    result: SuiteResult
    items: tuple[ItemRecord, ...]
    prompts: tuple[PromptExample, ...]
    measurements: ScoreMeasurements


def score(
    suite: SuiteSettings,
    items: Sequence[Item],
    subject: Subject,
    *,
    renderer: ChatRenderer,
    language_model: Callable[[], "EngineLM"],
    judges: Mapping[str, Judge] = MappingProxyType({}),
    processes: int = 1,
) -> Scores:
    """Score a model on a suite.

    Args:
        suite: The suite.
        items: Its items.
        subject: What is scored.
        renderer: The model's renderer.
        language_model: Gives the loaded model; called once the items were found sound.
        judges: The judges that the suite's tasks name.
        processes: How many share the work, for the record.

    Raises:
        InvalidInputError: Items that do not fit, or prompts that differ from training's without
            the suite saying so.
        WorkFailedError: A prompt that is not the one training would have made.
    """
    from civicbench.evaluation.judging import judge_responses, make_record
    from civicbench.evaluation.tasks import ask, sittings_of

    questions = {task.name: questions_of(task, items, suite=suite) for task in suite.tasks}
    check_twins(suite, questions)
    differences = named_differences(suite, items, trained=subject.trained_system_turns)
    started = time.monotonic()
    model = language_model()
    sittings = [
        sitting for task in suite.tasks for sitting in sittings_of(task, questions[task.name])
    ]
    responses = ask(sittings, language_model=model, renderer=renderer)
    proof = prove_prompts(
        [
            (sitting.task.name, sitting.questions, [r.prompt_ids for r in answered])
            for sitting, answered in zip(sittings, responses, strict=True)
        ],
        renderer=renderer,
        differences=differences,
    )
    records = tuple(
        make_record(suite, sitting.task, question, response, judgement=judgement)
        for sitting, answered in zip(sittings, responses, strict=True)
        for question, response, judgement in zip(
            sitting.questions,
            answered,
            judge_responses(sitting.task, sitting.questions, answered, judges=judges),
            strict=True,
        )
    )
    wall_time_s = time.monotonic() - started
    result = SuiteResult(
        suite=suite.name,
        title=suite.title,
        kind=suite.kind,
        model=subject.role,
        items_digest=items_digest(questions),
        prompts_digest=prompts_digest(records),
        weights_digest=subject.base.weights_digest,
        adapter_digest=subject.adapter_digest,
        tokenizer_digest=subject.base.tokenizer_digest,
        template_digest=subject.base.template_digest,
        prompt_proof_digest=proof.digest,
        differences_from_training=proof.differences,
        precision=subject.precision,
        engine=subject.engine,
        device=device_name(),
        metrics=suite_metrics(suite, records, seed=BOOTSTRAP_SEED),
        flags=count_flags(records),
        packages=package_versions() | subject.computing_packages,
        seed=BOOTSTRAP_SEED,
        judges=tuple(judges[name].fact for name in judge_names(suite)),
        twins=suite.twins.measures if suite.twins else (),
    )
    measurements = ScoreMeasurements(
        machine=device_name(in_words=True),
        processes=processes,
        wall_time_s=round(wall_time_s, 3),
        items_per_second=round(len(records) / wall_time_s, 3),
        items_found=model.effort.found,
        prompt_tokens=model.effort.prompt_tokens,
        computed_tokens=model.effort.computed_tokens,
        peak_memory_bytes=peak_memory_bytes(),
    )
    return Scores(result, records, _examples(sittings, responses, renderer), measurements)


def write_scores(folder: Path, scores: Scores) -> None:
    """Write item records, prompts, result and measurements into a folder."""
    write_items(folder, scores.items)
    write_prompts(folder, scores.prompts)
    write_text_whole(folder / RESULT_NAME, scores.result.model_dump_json(indent=2) + "\n")
    text = scores.measurements.model_dump_json(indent=2) + "\n"
    write_text_whole(folder / MEASUREMENTS_NAME, text)


def read_result(folder: Path) -> SuiteResult:
    """Return the result that stands in a score folder."""
    return SuiteResult.model_validate_json(read_text(folder / RESULT_NAME))


def read_score_measurements(folder: Path) -> ScoreMeasurements:
    """Return what was measured when a score folder was made."""
    return ScoreMeasurements.model_validate_json(read_text(folder / MEASUREMENTS_NAME))


def prompts_digest(records: Sequence[ItemRecord]) -> str:
    """Return the digest of all prompts' token ids."""
    return digest_json([record.prompt_digest for record in records])


def count_flags(records: Sequence[ItemRecord]) -> dict[str, int]:
    """Return how many items have each flag."""
    counts: dict[str, int] = {}
    for record in records:
        for flag in record.flags:
            counts[flag] = counts.get(flag, 0) + 1
    return counts


def _examples(
    sittings: Sequence["Sitting"],
    responses: Sequence[Sequence["Response"]],
    renderer: ChatRenderer,
) -> tuple[PromptExample, ...]:
    """Return the first item of each task as the model read it."""
    found: dict[str, PromptExample] = {}
    for sitting, answered in zip(sittings, responses, strict=True):
        task: Task = sitting.task
        question: Question = sitting.questions[0]
        answer = question.choices[question.answer] if question.choices else ""
        found.setdefault(
            task.name,
            PromptExample(
                task=task.name,
                id=question.item.id,
                prompt_pieces=renderer.pieces(answered[0].prompt_ids),
                answer_pieces=renderer.pieces(renderer.encode(renderer.render_plain(answer))),
            ),
        )
    return tuple(found.values())
