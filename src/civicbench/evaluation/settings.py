"""A suite's settings (`evaluation/NAME/suite.yaml`)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from civicbench.core.settings import Settings
from civicbench.evaluation.public.settings import PublicItems, Subset
from civicbench.evaluation.results import Better
from civicbench.evaluation.twins.settings import Twins


class FileItems(Settings):
    """Items that stand in the suite's own folder."""

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+\.jsonl$")]
    """A JSON-lines file: id, prompt, and what the tasks name."""


class DatasetItems(Settings):
    """Items that are a split of a dataset's snapshot: rows kept from training by group."""

    dataset: str
    """The dataset's name."""
    split: Literal["test", "validation"] = "test"
    """The split."""


class CanaryItems(Settings):
    """Items that are the secrets which the recipe's `canaries` plants, and as many it does not."""

    canaries: Literal["run"]
    """Those of the run that is scored."""


class Shots(Settings):
    """Worked examples that stand before every item, as turns of the conversation."""

    count: Annotated[int, Field(gt=0, le=64)]
    """How many."""
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+\.jsonl$")] | None = None
    """For file items: a JSON-lines file with id, prompt and answer."""
    seed: int = 0
    """Chooses which rows; every item gets the same ones, in the same order."""


class Differences(Settings):
    """Where a prompt is meant to differ from what training shows, and why."""

    system_turn: str | None = None
    """Why items have another system turn than the training rows, or none."""
    shots: str | None = None
    """Why worked examples stand before items."""


class Sampling(Settings):
    """Answers that are drawn and not the likeliest ones: each seed is asked once an item."""

    temperature: Annotated[float, Field(gt=0, le=5)]
    """Divides the logits."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Draws only among the likeliest tokens that together reach this share."""
    seeds: Annotated[tuple[int, ...], Field(min_length=2)]
    """The seeds; two or more, so that the spread between them can be shown."""

    @model_validator(mode="after")
    def _seeds_differ(self) -> "Sampling":
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("a seed stands twice")
        return self


class Versions(Settings):
    """Items that are one case in several versions, between which the answer should not change."""

    field: str
    """Items with equal values here are versions of one case."""
    side: str
    """The field that says which version an item is."""
    sides: Annotated[tuple[str, str], Field()]
    """The two versions between which the gap is taken: the second's share less the first's."""

    @model_validator(mode="after")
    def _sides_differ(self) -> "Versions":
        if self.sides[0] == self.sides[1]:
            raise ValueError("the two sides are the same")
        return self


class ChoiceTask(Settings):
    """The model picks among choices: the one it finds most likely is its answer."""

    type: Literal["choice"]
    """The sort of task."""
    name: str
    """The task's name within the suite."""
    title: str
    """Its name for people."""
    where: dict[str, str] = {}
    """Only items whose fields have these values; empty for all."""
    choices: Annotated[tuple[str, ...], Field(min_length=2)] | None = None
    """The same choices for every item; None reads each item's own `choices`."""
    choice_text: str = "{choice}"
    """How a choice is written as an answer."""
    answer: str = "answer"
    """The field with the right choice: its text, or its position from 0."""
    per_byte: bool = False
    """Divide each log-likelihood by the choice's length in bytes, for choices of unequal length."""
    better: Better = "higher"
    """Which way the share of right answers is better; "half" where 0.5 is the ideal."""
    macro_f1: bool = False
    """Also report the unweighted mean of F1 over the choices."""
    bias: Annotated[
        Literal["in clear contexts", "in unclear contexts"] | None,
        Field(exclude_if=lambda bias: bias is None),
    ] = None
    """Also report BBQ's bias score, from the item's `roles`: for each choice "biased", "counter" or
    "unknown". In unclear contexts it is weighed by the share of wrong answers."""
    versions: Annotated[Versions | None, Field(exclude_if=lambda found: found is None)] = None
    """Also report whether versions of one case are answered alike."""
    lead: Annotated[bool, Field(exclude_if=lambda lead: not lead)] = False
    """Also report by how much the right choice leads the best other one, on average: in nats, or
    nats a byte with `per_byte`. It moves before answers change, so it sees smaller changes."""
    exposure: Annotated[bool, Field(exclude_if=lambda exposure: not exposure)] = False
    """Report the exposure of the right choice in bits: by how much its rank among the choices
    beats chance. The right choice is a planted secret, the others are drawn from the same space."""
    headline: bool = True
    """Whether it stands in the short table."""

    @model_validator(mode="after")
    def _lead_has_a_way(self) -> "ChoiceTask":
        if self.lead and self.better == "half":
            raise ValueError("lead: where half is the ideal neither choice is to lead")
        return self


class RatingTask(Settings):
    """The model rates on a scale: its mean rating, by likelihood, is set against people's mean."""

    type: Literal["rating"]
    """The sort of task."""
    name: str
    """The task's name within the suite."""
    title: str
    """Its name for people."""
    where: dict[str, str] = {}
    """Only items whose fields have these values; empty for all."""
    choices: Annotated[dict[str, float], Field(min_length=2)]
    """The ratings as they are written, each with its number."""
    reference: str
    """The field with people's mean rating."""
    headline: bool = True
    """Whether it stands in the short table."""


class WrittenTask(Settings):
    """What all tasks share in which the model writes an answer."""

    name: str
    """The task's name within the suite."""
    title: str
    """Its name for people."""
    where: dict[str, str] = {}
    """Only items whose fields have these values; empty for all."""
    first_of_cluster: bool = False
    """Ask only the first item of each cluster: writing takes time, and the others add little."""
    max_new_tokens: Annotated[int, Field(gt=0)]
    """Longest answer; one that is cut there is counted."""
    stops: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Texts that end an answer, besides the end of the turn; they are not part of it."""
    sampling: Sampling | None = None
    """Draw answers by these seeds; None writes the likeliest token each time."""
    # Suites of before this was asked keep the keys of their scores.
    better: Annotated[Better, Field(exclude_if=lambda better: better == "higher")] = "higher"
    """Which way the share of right answers is better; "lower" for secrets that were planted."""
    headline: bool = True
    """Whether it stands in the short table."""


class JudgedTask(WrittenTask):
    """The model writes an answer, and a judge says whether the request is met or turned down."""

    type: Literal["judged"]
    """The sort of task."""
    judge: str
    """The judge's name (`configs/judges/`)."""
    right: Literal["refusal", "compliance"]
    """The label that counts as right."""
    versions: Versions | None = None
    """Also report whether versions of one case get the same label."""


class MatchedTask(WrittenTask):
    """The model writes an answer, in which marks of the item must stand, or must not."""

    type: Literal["matched"]
    """The sort of task."""
    marks: str
    """The field with the marks: a text or a list. An answer has a mark where the text stands in it,
    letter case and white space aside, or where it has the form that "form: NAME" names."""
    right: Literal["present", "absent"]
    """Whether an answer is right with any of the marks, or with none."""


class GenerationTask(WrittenTask):
    """The model writes an answer, which is read as `Name: value` lines."""

    type: Literal["fields"]
    """The sort of task."""
    fields: Annotated[dict[str, str], Field(min_length=1)]
    """Lines that must be right: the line's name in the answer, and the item's field to equal."""
    lines: Annotated[tuple[str, ...], Field(min_length=1)]
    """The names of the lines that a well-formed answer has, in order."""

    @model_validator(mode="after")
    def _right_lines_are_lines(self) -> "GenerationTask":
        strange = sorted(set(self.fields) - set(self.lines))
        if strange:
            raise ValueError(f"fields names lines that lines does not: {', '.join(strange)}")
        return self


Task = Annotated[
    ChoiceTask | RatingTask | GenerationTask | JudgedTask | MatchedTask,
    Field(discriminator="type"),
]


class SuiteSettings(Settings):
    """A suite: items and the tasks that score them."""

    name: str
    """The name that recipes use; equals the folder's name."""
    title: str
    """The name that people use."""
    kind: Literal["domain", "safety", "general"]
    """What it is for."""
    measures: str
    """What it measures."""
    does_not_measure: str
    """What it does not, for whoever reads the scores."""
    licence: str
    """SPDX identifier of the items."""
    items: FileItems | DatasetItems | PublicItems | CanaryItems
    """Where the items are."""
    subset: Annotated[Subset | None, Field(exclude_if=lambda subset: subset is None)] = None
    """Ask only some of the items, drawn by a seed; None for all."""
    system: str | None = None
    """A system turn before each prompt of file items; None for none."""
    shots: Shots | None = None
    """Worked examples before each item: from the dataset's train split, or from a file."""
    differs_from_training: Differences = Differences()
    """Where prompts are meant to differ from training's; a difference that is not named is an
    error."""
    cluster: str
    """The field whose equal values mark items that are not independent."""
    slices: tuple[str, ...] = ()
    """Fields by whose values results are also shown."""
    tasks: Annotated[tuple[Task, ...], Field(min_length=1)]
    """The tasks."""
    # Suites without twins keep the keys of their scores.
    twins: Annotated[Twins | None, Field(exclude_if=lambda twins: twins is None)] = None
    """Items that come in twos, and what is measured on pairs of them; None for none."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> "SuiteSettings":
        names = [task.name for task in self.tasks]
        double = sorted({name for name in names if names.count(name) > 1})
        if double:
            raise ValueError(f"two tasks have one name: {', '.join(double)}")
        return self

    @model_validator(mode="after")
    def _twins_fit(self) -> "SuiteSettings":
        if self.twins is None:
            return self
        choices = {task.name for task in self.tasks if isinstance(task, ChoiceTask)}
        names = {task.name for task in self.tasks}
        for measure in self.twins.measures:
            if measure.name in names:
                raise ValueError(f"twins: {measure.name} is a task's name")
            strange = sorted(set(measure.tasks) - choices)
            if strange:
                raise ValueError(f"twins: {measure.name} names no choice task: {strange[0]}")
        return self

    @model_validator(mode="after")
    def _shots_fit(self) -> "SuiteSettings":
        if self.shots is None:
            return self
        if isinstance(self.items, CanaryItems):
            raise ValueError("shots have no place before canaries")
        if isinstance(self.items, DatasetItems) == (self.shots.file is not None):
            raise ValueError(
                "shots.file names the worked examples of items in files; dataset items take theirs "
                "from the train split"
            )
        if self.differs_from_training.shots is None:
            raise ValueError("shots must be named: say why at differs_from_training.shots")
        return self
