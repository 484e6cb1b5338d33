"""Our tasks as lm-eval tasks, and running them with lm-eval's evaluator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from civicbench.core.errors import WorkFailedError
from civicbench.evaluation.answers import choose, has_mark, read_lines
from civicbench.evaluation.items import Question
from civicbench.evaluation.settings import (
    ChoiceTask,
    GenerationTask,
    JudgedTask,
    MatchedTask,
    RatingTask,
    Task,
    WrittenTask,
)
from civicbench.models.rendering import ChatRenderer

if TYPE_CHECKING:
    from lm_eval.api.task import ConfigurableTask

    from civicbench.evaluation.scorer.asked import Finish
    from civicbench.evaluation.scorer.language_model import EngineLM

_METRIC = "civicbench_value"


@dataclass(frozen=True)
class Response:
    """What a model answered to one question.

    Attributes:
        prompt: The prompt as it was given to the model.
        prompt_ids: The token ids that the model was given for it.
        log_likelihoods: Of each choice, in nats; empty for generated answers.
        text: The generated answer; empty for choices.
        finish: Why a generated answer ended; None for choices.
        seed: The seed of a drawn answer; None for choices and the likeliest answer.
    """

    prompt: str
    prompt_ids: tuple[int, ...]
    log_likelihoods: tuple[float, ...]
    text: str
    finish: "Finish | None"
    seed: int | None


@dataclass(frozen=True)
class Sitting:
    """A task's questions put once: drawn answers are asked once a seed.

    Attributes:
        task: The task.
        questions: Its questions.
        seed: The seed of drawn answers; None otherwise.
    """

    task: Task
    questions: Sequence[Question]
    seed: int | None


def sittings_of(task: Task, questions: Sequence[Question]) -> list[Sitting]:
    """Return a task's sittings, one for each seed of drawn answers."""
    if not isinstance(task, WrittenTask) or task.sampling is None:
        return [Sitting(task, questions, None)]
    return [Sitting(task, questions, seed) for seed in task.sampling.seeds]


def choice_value(
    task: ChoiceTask | RatingTask, question: Question, log_likelihoods: Sequence[float]
) -> float:
    """Return 1.0 where the likeliest choice is the right one, else 0.0."""
    per_byte = isinstance(task, ChoiceTask) and task.per_byte
    picked = choose(log_likelihoods, question.choices, per_byte=per_byte)
    return float(picked == question.answer)


def text_value(
    task: GenerationTask | JudgedTask | MatchedTask, question: Question, text: str
) -> float:
    """Return 1.0 where a written answer has its lines, and the right values, else 0.0.

    For marks: where they stand in it as they should. What a judge will say is not known yet:
    there it is 1.0 where anything was written.
    """
    if isinstance(task, JudgedTask):
        return float(bool(text.strip()))
    if isinstance(task, MatchedTask):
        return float(has_mark(text, question.marks) == (task.right == "present"))
    lines = read_lines(text)
    return float(
        tuple(lines) == task.lines
        and all(lines[n] == str(question.item.fields[f]) for n, f in task.fields.items())
    )


def ask(
    sittings: Sequence[Sitting],
    *,
    language_model: "EngineLM",
    renderer: ChatRenderer,
) -> list[list[Response]]:
    """Put every question of a suite's sittings to a model through lm-eval.

    Args:
        sittings: What is asked.
        language_model: The model behind lm-eval's interface.
        renderer: Renders the prompts as training rendered them.

    Returns:
        The responses of each sitting, in the order of its questions.

    Raises:
        WorkFailedError: lm-eval changed a prompt, lost an item, or scored an item differently.
    """
    from lm_eval.evaluator import evaluate

    names = [f"{n}-{sitting.task.name}" for n, sitting in enumerate(sittings)]
    output = evaluate(
        language_model,
        {
            "tasks": {
                name: _build(name, sitting, renderer)
                for name, sitting in zip(names, sittings, strict=True)
            },
            "groups": {},
            "group_map": {},
        },
        bootstrap_iters=0,
        log_samples=True,
        apply_chat_template=False,  # the prompts come rendered
    )
    return [
        _responses(sitting, output["samples"][name], language_model, renderer)
        for name, sitting in zip(names, sittings, strict=True)
    ]


def _responses(
    sitting: Sitting,
    samples: Sequence[Mapping[str, Any]],
    language_model: "EngineLM",
    renderer: ChatRenderer,
) -> list[Response]:
    task = sitting.task
    by_index = {sample["doc"]["index"]: sample for sample in samples}
    if set(by_index) != set(range(len(sitting.questions))):
        raise WorkFailedError("lm-eval did not return every item once", where=f"task {task.name}")
    responses = []
    for index, question in enumerate(sitting.questions):
        sample = by_index[index]
        prompt = sample["arguments"][0][0]
        where = f"task {task.name}, item {question.item.id}"
        if prompt != renderer.render_prompt(question.item.messages):
            raise WorkFailedError("lm-eval changed the prompt of an item", where=where)
        values: tuple[float, ...] = ()
        text = ""
        finish = None
        if isinstance(task, ChoiceTask | RatingTask):
            values = tuple(float(ll) for ll, _ in sample["filtered_resps"])
            value = choice_value(task, question, values)
        else:
            text = str(sample["filtered_resps"][0])
            finish = language_model.finishes[prompt, sitting.seed]
            value = text_value(task, question, text)
        if sample[_METRIC] != value:
            raise WorkFailedError("lm-eval's value of an item differs from ours", where=where)
        ids = language_model.prompt_ids[prompt]
        responses.append(Response(prompt, ids, values, text, finish, sitting.seed))
    return responses


def _build(name: str, sitting: Sitting, renderer: ChatRenderer) -> "ConfigurableTask":
    from datasets import Dataset
    from lm_eval.api.task import ConfigurableTask

    task, asked = sitting.task, sitting.questions
    documents = Dataset.from_list(
        [
            {
                "index": index,
                "prompt": renderer.render_prompt(question.item.messages),
                "choices": list(question.choices),
                "answer": question.answer,
            }
            for index, question in enumerate(asked)
        ]
    )

    def value(doc: Mapping[str, Any], results: Sequence[Any]) -> dict[str, float]:
        question = asked[doc["index"]]
        if isinstance(task, ChoiceTask | RatingTask):
            return {_METRIC: choice_value(task, question, [float(ll) for ll, _ in results])}
        return {_METRIC: text_value(task, question, str(results[0]))}

    config: dict[str, Any] = {
        "task": name,
        "custom_dataset": lambda: {"test": documents},
        "test_split": "test",
        "fewshot_split": "test",
        "num_fewshot": 0,
        "doc_to_text": lambda doc: doc["prompt"],
        "target_delimiter": "",
        "process_results": value,
        "metric_list": [{"metric": _METRIC, "aggregation": "mean", "higher_is_better": True}],
    }
    if isinstance(task, ChoiceTask | RatingTask):
        config |= {
            "output_type": "multiple_choice",
            "doc_to_choice": lambda doc: doc["choices"],
            "doc_to_target": lambda doc: doc["answer"],
        }
    else:
        config |= {
            "output_type": "generate_until",
            "doc_to_target": lambda doc: str(doc["index"]),
            "generation_kwargs": _generation(task, sitting.seed, renderer),
        }
    return ConfigurableTask(config=config)


def _generation(task: WrittenTask, seed: int | None, renderer: ChatRenderer) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "until": [renderer.end_of_turn, *task.stops],
        "max_gen_toks": task.max_new_tokens,
        "do_sample": seed is not None,
    }
    if task.sampling is not None:
        settings |= {
            "temperature": task.sampling.temperature,
            "top_p": task.sampling.top_p,
            "seed": seed,
        }
    return settings
