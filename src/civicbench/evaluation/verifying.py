"""Scores computed again from the stored answers, and compared with what was reported."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from civicbench.core.digests import digest_file
from civicbench.core.documents import read_text
from civicbench.core.errors import IntegrityError, PartAbsentError
from civicbench.core.settings import parse_settings
from civicbench.core.stages import RECORD_NAME, StageRecord
from civicbench.evaluation.judging import values_of
from civicbench.evaluation.metrics import suite_metrics
from civicbench.evaluation.records import ItemRecord, read_items
from civicbench.evaluation.results import SuiteResult
from civicbench.evaluation.scoring import RESULT_NAME, count_flags, prompts_digest, read_result
from civicbench.evaluation.settings import SuiteSettings

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


def score_folders(scores: Path) -> list[Path]:
    """Return the score folders of a workspace, by name."""
    return sorted(path.parent for path in scores.glob(f"*/{RESULT_NAME}"))


def verify_scores(folder: Path) -> VerifiedScores:
    """Compute a score folder's values, metrics and digests again from its item records.

    Args:
        folder: A score folder: `items.jsonl`, `result.json` and `stage.json`.

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
    )


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
