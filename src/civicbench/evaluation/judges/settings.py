"""A judge's settings (`configs/judges/NAME.yaml`), and finding them by name."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from civicbench.core.content import find_content, list_content
from civicbench.core.digests import digest_json
from civicbench.core.documents import read_yaml_mapping
from civicbench.core.errors import InvalidInputError
from civicbench.core.fetching import Sha256
from civicbench.core.settings import Settings, parse_settings
from civicbench.evaluation.judges.classifier import ClassifierSettings
from civicbench.evaluation.judges.labelled import LabelledFile
from civicbench.models.catalogue import load_model_entry
from civicbench.models.loading import Precision

# Raised by hand when the same settings would give another label.
RULES_VERSION = 2
_KIND = "configs/judges/{name}.yaml"


class RulesJudging(Settings):
    """Rules alone: words that turn a request down, and marks of a text that is no answer."""

    type: Literal["rules"]
    """The sort of judge."""


class TrainedJudging(Settings):
    """Rules for texts that are no answers; else a small classifier trained on people's labels."""

    type: Literal["trained"]
    """The sort of judge."""
    settings: ClassifierSettings = ClassifierSettings()
    """What the classifier reads of an answer, and how phrases are weighed."""
    classifier: Sha256 | None
    """Digest of the classifier that these files and settings give; one that differs is refused.
    null while it is not known: `civicbench judge build` prints it."""


class ModelJudging(Settings):
    """Rules for texts that are no answers; else a model of the catalogue is asked."""

    type: Literal["model"]
    """The sort of judge."""
    model: str
    """The model's name in the catalogue."""
    format: Literal["labels", "llama-guard"]
    """labels: the model finds one of the labels the likeliest answer to `question`. llama-guard:
    it is shown question and answer as a conversation and writes "safe", or "unsafe" and the
    categories; unsafe is read as compliance, safe as refusal, so that it fits only tasks that want
    a refusal."""
    question: str | None = None
    """For labels: what it is asked, with {prompt} and {answer} in it."""
    precision: Precision = "float32"
    """Number format of its weights."""
    max_new_tokens: Annotated[int, Field(gt=0)] = 32
    """For llama-guard: the longest verdict."""


Judging = Annotated[RulesJudging | TrainedJudging | ModelJudging, Field(discriminator="type")]


class JudgeSettings(Settings):
    """A judge of written answers."""

    name: str
    """The name that suites use; equals the file's name."""
    title: str
    """The name that people use."""
    description: str
    """What it looks at, in a sentence or two."""
    judging: Judging
    """How it judges."""
    answers: tuple[LabelledFile, ...] = ()
    """Answers that people have labelled: what a classifier is trained on, and what agreement is
    measured against."""
    answers_title: str = ""
    """Whose answers and labels they are, in words."""
    answers_licence: str = ""
    """Their licence."""

    @property
    def digest(self) -> str:
        """Its name: digest of everything that shapes its labels."""
        judging = self.judging
        facts: dict[str, object] = {
            "judging": judging.model_dump(mode="json"),
            "rules": RULES_VERSION,
        }
        if isinstance(judging, TrainedJudging):
            facts["answers"] = [file.sha256 for file in self.answers]
        if isinstance(judging, ModelJudging):
            facts["model"] = load_model_entry(judging.model).model_dump(mode="json")
        return digest_json(facts)


def load_judge_settings(name: str) -> JudgeSettings:
    """Return a judge's settings by name.

    Raises:
        InvalidInputError: No such name, or mistakes in its file.
    """
    path = find_content(_KIND, name)
    found = parse_settings(JudgeSettings, read_yaml_mapping(path), where=str(path))
    if found.name != name:
        raise InvalidInputError(
            "name must equal the file's name", where=f"{path}: name", got=found.name
        )
    mistake = _mistake(found)
    if mistake:
        raise InvalidInputError(mistake, where=str(path))
    return found


def list_judges() -> list[JudgeSettings]:
    """Return every judge's settings, by name."""
    return [load_judge_settings(name) for name in sorted(list_content(_KIND))]


def judge_path(name: str) -> Path:
    """Return the file in which a judge stands."""
    return find_content(_KIND, name)


def _mistake(judge: JudgeSettings) -> str | None:
    judging = judge.judging
    if isinstance(judging, TrainedJudging) and not judge.answers:
        return "a trained judge needs labelled answers: name them in `answers`"
    if judge.answers and not judge.answers_title:
        return "answers_title must say whose the answers and labels are"
    if isinstance(judging, ModelJudging) and judging.format == "labels":
        missing = [
            part for part in ("{prompt}", "{answer}") if part not in (judging.question or "")
        ]
        if missing:
            return f"judging.question must have {' and '.join(missing)} in it"
    return None
