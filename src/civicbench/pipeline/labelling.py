"""Blind samples of judged answers for people, and agreement with what they said."""

from collections.abc import Sequence
from pathlib import Path

from civicbench.core.errors import InvalidInputError
from civicbench.core.files import write_text_whole
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.evaluation.judges.preparing import prepare_judge
from civicbench.evaluation.judges.queue import (
    Queue,
    Scored,
    agreements_since,
    draw_queue,
    keep_queue,
)
from civicbench.evaluation.judges.settings import ModelJudging, load_judge_settings
from civicbench.evaluation.records import read_items
from civicbench.evaluation.results import Agreement, JudgeFact
from civicbench.evaluation.scoring import read_result
from civicbench.evaluation.verifying import score_folders


def export_queue(
    folders: Sequence[Path], *, count: int, seed: int, target: Path, workspace: Workspace
) -> Queue:
    """Write a blind sample of judged answers for people to label.

    Args:
        folders: Score folders; empty for all of the workspace.
        count: How many answers.
        seed: Decides which, and their order.
        target: The file: CSV, or JSON where its name ends with .json.
        workspace: Where scores stand, and where what the rows stand for is kept.

    Raises:
        InvalidInputError: The file is there already, or too few answers were judged.
    """
    if target.exists():
        raise InvalidInputError(
            "is there already", where=str(target), remedy="labels may stand in it: name another"
        )
    chosen = list(folders) or score_folders(workspace.scores)
    answers = []
    for folder in chosen:
        result = read_result(folder)
        if not result.judges:
            continue
        model = result.adapter_digest or result.weights_digest
        answers += [
            Scored(folder.name, result.suite, model, record)
            for record in read_items(folder)
            if record.judgement is not None
        ]
    queue, as_csv, as_json = draw_queue(answers, count=count, seed=seed)
    keep_queue(queue, workspace=workspace)
    write_text_whole(target, as_json if target.suffix == ".json" else as_csv)
    return queue


def judge_agreement(
    name: str, *, workspace: Workspace, reporter: Reporter
) -> tuple[JudgeFact, tuple[Agreement, ...]]:
    """Return a judge with its agreement on published labels, and with labels of this workspace.

    Raises:
        CivicbenchError: Its files are absent, or not what was pinned.
    """
    settings = load_judge_settings(name)
    since = agreements_since(settings.digest, workspace=workspace)
    if isinstance(settings.judging, ModelJudging):
        fact = JudgeFact(name=name, title=settings.title, digest=settings.digest, agreements=())
        return fact, since
    return prepare_judge(name, workspace=workspace, reporter=reporter).fact, since
