"""Scores computed again from the stored answers, and compared with what was reported."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, ValidationError

from civicbench.core.digests import digest_file
from civicbench.core.documents import read_text
from civicbench.core.errors import IntegrityError, PartAbsentError
from civicbench.core.settings import parse_settings
from civicbench.core.stages import RECORD_NAME, StageRecord
from civicbench.evaluation.judges.judge import Judge, Written
from civicbench.evaluation.judging import values_of
from civicbench.evaluation.metrics import suite_metrics
from civicbench.evaluation.records import ItemRecord, read_items
from civicbench.evaluation.results import SuiteResult
from civicbench.evaluation.scoring import RESULT_NAME, count_flags, prompts_digest, read_result
from civicbench.evaluation.settings import JudgedTask, SuiteSettings

_SHOWN = 10


class VerifiedScores(BaseModel):
    """A score folder that was found true to its items."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    folder: str
    """Where it stands."""
    suite: str
    """The suite."""
    model: str
    """"base" or "tuned"."""
    items: int
    """Item records whose values were computed again."""
    metrics: int
    """Metrics that were computed again."""
    labels_judged_again: int = 0
    """Labels that the judge gave again, and that were found equal."""
    labels_not_judged_again: int = 0
    """Labels whose judge is a model or does not stand ready here: they were taken as they stand."""


def score_folders(scores: Path) -> list[Path]:
    """Return the score folders of a workspace, by name."""
    return sorted(path.parent for path in scores.glob(f"*/{RESULT_NAME}"))


def verify_scores(
    folder: Path, *, judges: Mapping[str, Judge] = MappingProxyType({})
) -> VerifiedScores:
    """Compute a score folder's labels, values, metrics and digests again from its item records.

    Args:
        folder: A score folder: `items.jsonl`, `result.json` and `stage.json`.
        judges: Judges that stand ready, by digest; labels of others are taken as they stand.

    Raises:
        PartAbsentError: It is not a score folder.
        IntegrityError: A file that was changed, or a number that does not follow from the items.
    """
    stage_path = folder / RECORD_NAME
    if not stage_path.is_file():
        raise PartAbsentError("is not a score folder: it has no stage.json", where=str(folder))
    try:
        stage = StageRecord.model_validate_json(read_text(stage_path))
        items = read_items(folder)
        result = read_result(folder)
    except ValidationError as error:
        raise IntegrityError(
            "a record cannot be read", where=str(folder), got=str(error.errors()[0])
        ) from None
    suite = parse_settings(SuiteSettings, stage.settings["suite"], where=str(stage_path))
    mistakes = [
        f"{name} is not the file that was written"
        for name, digest in sorted(stage.outputs.items())
        if not (folder / name).is_file() or digest_file(folder / name) != digest
    ]
    judged = [item for item in items if item.judgement is not None]
    again = [item for item in judged if item.judgement and item.judgement.judge in judges]
    mistakes += _judge_mistakes(suite, items, result, stage)
    mistakes += _label_mistakes(again, judges)
    mistakes += _item_mistakes(suite, items)
    mistakes += _result_mistakes(suite, items, result)
    if mistakes:
        shown = [f"  - {mistake}" for mistake in mistakes[:_SHOWN]]
        if len(mistakes) > len(shown):
            shown.append(f"  - and {len(mistakes) - len(shown)} more")
        raise IntegrityError(
            "\n".join(["the reported scores do not follow from the stored answers", *shown]),
            where=str(folder),
            remedy="restore the folder, or remove it and evaluate again",
        )
    return VerifiedScores(
        folder=str(folder),
        suite=result.suite,
        model=result.model,
        items=len(items),
        metrics=len(result.metrics),
        labels_judged_again=len(again),
        labels_not_judged_again=len(judged) - len(again),
    )


def _judge_mistakes(
    suite: SuiteSettings, items: list[ItemRecord], result: SuiteResult, stage: StageRecord
) -> list[str]:
    """Return where labels, result and stage do not name the same judges."""
    digests: Mapping[str, str] = stage.settings.get("judges", {})
    found = []
    if {judge.name: judge.digest for judge in result.judges} != dict(digests):
        found.append("the result does not name the judges that it was scored with")
    named = {t.name: digests.get(t.judge) for t in suite.tasks if isinstance(t, JudgedTask)}
    for item in items:
        own = None if item.judgement is None else item.judgement.judge
        if own != named.get(item.task):
            found.append(f"task {item.task}, item {item.id}: was not labelled by the task's judge")
    return found


def _label_mistakes(items: list[ItemRecord], judges: Mapping[str, Judge]) -> list[str]:
    found = []
    for digest, judge in judges.items():
        own = [(i, i.judgement) for i in items if i.judgement and i.judgement.judge == digest]
        labels = judge.judge([Written(item.prompt, item.answer) for item, _ in own])
        found += [
            f"task {item.task}, item {item.id}: labelled {kept.label} ({kept.reason}), the judge "
            f"says {again.label} ({again.reason})"
            for (item, kept), again in zip(own, labels, strict=True)
            if again != kept
        ]
    return found


def _item_mistakes(suite: SuiteSettings, items: list[ItemRecord]) -> list[str]:
    tasks = {task.name: task for task in suite.tasks}
    found = []
    for item in items:
        where = f"task {item.task}, item {item.id}"
        if item.task not in tasks:
            found.append(f"{where}: the suite has no such task")
        elif values_of(tasks[item.task], item) != item.values:
            found.append(f"{where}: its values do not follow from its answer")
        elif item.choices and item.answer != item.choices[item.answer_position]:
            found.append(f"{where}: its answer is not the choice it picked")
    return found


def _result_mistakes(
    suite: SuiteSettings, items: list[ItemRecord], result: SuiteResult
) -> list[str]:
    found: list[str] = []
    if any(item.task not in {task.name for task in suite.tasks} for item in items):
        return found
    again = suite_metrics(suite, items, seed=result.seed)
    for one, other in zip(again, result.metrics, strict=False):
        if one != other:
            found.append(
                f"task {other.task}, {other.metric}: reported {other.estimate.value:.6g} "
                f"[{other.estimate.low:.6g}, {other.estimate.high:.6g}], the items give "
                f"{one.estimate.value:.6g} [{one.estimate.low:.6g}, {one.estimate.high:.6g}]"
            )
    if len(again) != len(result.metrics):
        found.append(f"{len(result.metrics)} metrics are reported, the suite has {len(again)}")
    if prompts_digest(items) != result.prompts_digest:
        found.append("the prompts' digest does not follow from the items")
    if count_flags(items) != result.flags:
        found.append("the counted flags do not follow from the items")
    return found
