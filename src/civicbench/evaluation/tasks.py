"""Our tasks as lm-eval tasks, and running them with lm-eval's evaluator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from civicbench.core.errors import WorkFailedError
from civicbench.evaluation.answers import choose, read_lines
from civicbench.evaluation.items import Question
from civicbench.evaluation.settings import ChoiceTask, Task
from civicbench.models.rendering import ChatRenderer

if TYPE_CHECKING:
    from lm_eval.api.task import ConfigurableTask

    from civicbench.evaluation.scorer import SharedPrefixLM

_METRIC = "civicbench_value"


@dataclass(frozen=True)
class Response:
    """What a model answered to one question.

    Attributes:
        prompt: The prompt as it was given to the model.
        log_likelihoods: Of each choice, in nats; empty for generated answers.
        text: The generated answer; empty for choices.
    """

    prompt: str
    log_likelihoods: tuple[float, ...]
    text: str


def answer_value(task: Task, question: Question, response: Response) -> float:
    """Return 1.0 where a response is right, else 0.0."""
    if isinstance(task, ChoiceTask):
        picked = choose(response.log_likelihoods, question.choices, per_byte=task.per_byte)
        return float(picked == question.answer)
    lines = read_lines(response.text)
    return float(
        tuple(lines) == task.lines
        and all(lines[n] == str(question.item.fields[f]) for n, f in task.fields.items())
    )


def ask(
    tasks: Mapping[str, tuple[Task, Sequence[Question]]],
    *,
    language_model: "SharedPrefixLM",
    renderer: ChatRenderer,
) -> dict[str, list[Response]]:
    """Put every question of a suite's tasks to a model through lm-eval.

    Args:
        tasks: Each task with its questions, by lm-eval task name.
        language_model: The model behind lm-eval's interface.
        renderer: Renders the prompts as training rendered them.

    Returns:
        The responses of each task, in the order of its questions.

    Raises:
        WorkFailedError: lm-eval changed a prompt, lost an item, or scored an item differently.
    """
    from lm_eval.evaluator import evaluate

    built = {name: _build(name, task, asked, renderer) for name, (task, asked) in tasks.items()}
    output = evaluate(
        language_model,
        {"tasks": built, "groups": {}, "group_map": {}},
        bootstrap_iters=0,
        log_samples=True,
        apply_chat_template=False,  # the prompts come rendered
    )
    responses: dict[str, list[Response]] = {}
    for name, (task, asked) in tasks.items():
        samples = {sample["doc"]["index"]: sample for sample in output["samples"][name]}
        if set(samples) != set(range(len(asked))):
            raise WorkFailedError("lm-eval did not return every item once", where=f"task {name}")
        responses[name] = []
        for index, question in enumerate(asked):
            sample = samples[index]
            response = _response(task, sample)
            if response.prompt != renderer.render_prompt(question.item.messages):
                raise WorkFailedError(
                    "the evaluation prompt is not the one that training would have used",
                    where=f"task {name}, item {question.item.id}",
                )
            if sample[_METRIC] != answer_value(task, question, response):
                raise WorkFailedError(
                    "lm-eval's value of an item differs from ours",
                    where=f"task {name}, item {question.item.id}",
                )
            responses[name].append(response)
    return responses


def _build(
    name: str, task: Task, asked: Sequence[Question], renderer: ChatRenderer
) -> "ConfigurableTask":
    from datasets import Dataset
    from lm_eval.api.task import ConfigurableTask

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
        if isinstance(task, ChoiceTask):
            response = Response(doc["prompt"], tuple(float(ll) for ll, _ in results), "")
        else:
            response = Response(doc["prompt"], (), str(results[0]))
        return {_METRIC: answer_value(task, question, response)}

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
    if isinstance(task, ChoiceTask):
        config |= {
            "output_type": "multiple_choice",
            "doc_to_choice": lambda doc: doc["choices"],
            "doc_to_target": lambda doc: doc["answer"],
        }
    else:
        config |= {
            "output_type": "generate_until",
            "doc_to_target": lambda doc: str(doc["index"]),
            "generation_kwargs": {
                "until": [renderer.end_of_turn],
                "max_gen_toks": task.max_new_tokens,
                "do_sample": False,
            },
        }
    return ConfigurableTask(config=config)


def _response(task: Task, sample: Mapping[str, Any]) -> Response:
    prompt = sample["arguments"][0][0]
    if isinstance(task, ChoiceTask):
        return Response(prompt, tuple(float(ll) for ll, _ in sample["filtered_resps"]), "")
    return Response(prompt, (), str(sample["filtered_resps"][0]))
