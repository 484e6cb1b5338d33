"""What every process but the first does: hold the model and compute its share of the batches."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from civicbench.core.errors import WorkFailedError
from civicbench.core.ranks import Ranks
from civicbench.core.workspace import Workspace
from civicbench.evaluation.scorer.asked import Asked, Sampling
from civicbench.evaluation.scorer.host import HostSettings, ModelHost
from civicbench.evaluation.scorer.reading import Reader
from civicbench.evaluation.scorer.tokentree import Request
from civicbench.evaluation.scorer.work import AnswerWork, Batching, ChoiceWork
from civicbench.models.catalogue import load_model_entry
from civicbench.models.prepare import PreparedModel, find_prepared
from civicbench.models.rendering import ChatRenderer, load_renderer


def serve(
    ranks: Ranks, *, workspace: Workspace, others: Mapping[str, Callable[[Any], None]]
) -> None:
    """Do what the first process says until it says stop.

    Args:
        ranks: The processes.
        workspace: Where models stand; the same as the first process's.
        others: What else it may ask for than scoring, by the name that its message has.

    Raises:
        WorkFailedError: The model does not stand there.
    """
    host: ModelHost
    reader: Reader
    renderer: ChatRenderer
    while (message := ranks.listen())["do"] != "stop":
        match message["do"]:
            case "host":
                prepared = _prepared(message["model"], workspace=workspace)
                renderer = load_renderer(prepared)
                host = ModelHost(prepared, _host_settings(message), ranks=ranks)
            case "select":
                reader = host.select(message["adapter"])
            case "choices":
                requests = [Request(tuple(p), tuple(c)) for p, c in message["requests"]]
                choices = ChoiceWork(
                    reader,
                    requests,
                    batching=Batching(**message["batching"]),
                    missing=message["missing"],
                )
                ranks.rounds(choices.pieces, choices.compute, _nothing)
            case "answers":
                answers = AnswerWork(
                    reader,
                    renderer,
                    [_asked(question) for question in message["requests"]],
                    batching=Batching(**message["batching"]),
                    missing=message["missing"],
                )
                ranks.rounds(answers.pieces, answers.compute, _nothing)
            case other:
                others[other](message)


def _prepared(name: str, *, workspace: Workspace) -> PreparedModel:
    prepared = find_prepared(load_model_entry(name), workspace=workspace)
    if prepared is None:
        raise WorkFailedError(
            "the model does not stand in this process's workspace",
            where=f"model {name}",
            got=str(workspace.home),
            remedy="give all processes the same CIVICBENCH_HOME on storage that they share",
        )
    return prepared


def _host_settings(message: dict[str, Any]) -> HostSettings:
    return HostSettings(
        precision=message["precision"],
        quantisation=message["quantisation"],
        spread=message["spread"],
        adapters={digest: Path(path) for digest, path in message["adapters"].items()},
        probe=message["probe"],
    )


def _asked(question: dict[str, Any]) -> Asked:
    sampling = question["sampling"]
    return Asked(
        tuple(question["prompt"]),
        question["limit_tokens"],
        tuple(question["stops"]),
        Sampling(**sampling) if sampling else None,
    )


def _nothing(_: object, __: object) -> None:
    """The first process keeps the results."""
