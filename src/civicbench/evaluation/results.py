"""Results of suites, for one model and for two, as they are written and read."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from civicbench.evaluation.twins.settings import TwinMeasure

Verdict = Literal["better", "worse", "no worse by more than the margin", "not distinguishable"]
Better = Literal["higher", "lower", "half", "zero"]
IDEALS: dict[Better, float] = {"half": 0.5, "zero": 0.0}
"""The ideal of measures that neither more nor less of is better."""
EXPOSURE = "exposure"
"""The metric of planted secrets, in bits and not a share."""
LEAD = "lead"
"""The metric of how far the right choice leads, in nats and not a share."""
NO_SHARES = frozenset({EXPOSURE, LEAD})
Place = tuple[str, str, str]
"""Suite, task and metric."""


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Estimate(_Fact):
    """A value with its 95 % interval."""

    value: float
    """The estimate."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    items: int
    """Items it stands on."""
    method: str
    """How the interval was made, for example "Wilson"."""
    bound: float | None = None
    """Where none or all of the items are right: the exact one-sided 95 % bound, else None."""
    bound_together: float | None = None
    """The same if the items of a cluster stand or fall together; None where none share one."""


class SliceEstimate(_Fact):
    """A metric on the items that share one value of a field."""

    field: str
    """The field, for example "area"."""
    value: str
    """Its value."""
    estimate: Estimate
    """The metric there."""


class MetricResult(_Fact):
    """One metric of one task for one model."""

    task: str
    """The task's name within the suite."""
    title: str
    """The task's name for people."""
    metric: str
    """The metric's name, for example "accuracy"."""
    better: Better
    """Which way is better; "half" and "zero" where 0.5 and 0 are the ideal."""
    headline: bool
    """Whether it stands in the short table."""
    estimate: Estimate
    """Value with interval."""
    slices: tuple[SliceEstimate, ...] = ()
    """The same by slice."""


class Agreement(_Fact):
    """How far a judge's labels agree with those of people."""

    against: str
    """Whose labels, of which answers."""
    held_out: str
    """What the judge had not been trained on: "model and prompt", "model", "prompt", "nothing"."""
    group: str
    """Which of the answers: "all", or those of one model or one labeller."""
    items: int
    """How many answers."""
    accuracy: Estimate
    """Share of equal labels."""
    kappa: Estimate
    """Cohen's kappa: agreement beyond chance."""
    confusion: dict[str, int]
    """How many answers of each pair of labels: "refusal called compliance" is the people's label
    first."""


class JudgeFact(_Fact):
    """A judge of written answers, and how good it is."""

    name: str
    """Its name."""
    title: str
    """Its name for people."""
    digest: str
    """Digest of its settings and of everything that it was made of."""
    agreements: tuple[Agreement, ...]
    """How far it agrees with people; empty where that was not measured."""


class SuiteResult(_Fact):
    """What one model scored on one suite: `result.json` beside `items.jsonl`."""

    suite: str
    """The suite's name."""
    title: str
    """Its name for people."""
    kind: Literal["domain", "safety", "general"]
    """What it is for."""
    model: str
    """"base" or "tuned"."""
    items_digest: str
    """Digest of the items as asked."""
    prompts_digest: str
    """Digest of the prompts' token ids."""
    weights_digest: str
    """Digest of the base model."""
    adapter_digest: str | None
    """Digest of the adapter; None for the base."""
    tokenizer_digest: str
    """Digest of the tokenizer."""
    template_digest: str
    """Digest of the chat template."""
    prompt_proof_digest: str
    """Digest of every item's prompt as training would have made it, equal to what was asked."""
    differences_from_training: tuple[str, ...]
    """What differs from training on purpose, each with the suite's reason."""
    precision: str
    """Number format of the weights while scoring."""
    engine: str
    """What computed the answers: "civicbench", the own scorer, or "vllm"."""
    device: str
    """"cpu", or the GPU's name."""
    metrics: tuple[MetricResult, ...]
    """The metrics."""
    flags: dict[str, int]
    """Counted oddities: generations cut by the token limit, empty answers."""
    packages: dict[str, str]
    """Versions of the packages that shaped the result."""
    seed: int
    """Seed of bootstrap resampling."""
    judges: tuple[JudgeFact, ...] = Field(default=(), exclude_if=lambda judges: not judges)
    """The judges of written answers; not written where there was none."""
    # Results of suites without twins keep their bytes.
    twins: tuple[TwinMeasure, ...] = Field(default=(), exclude_if=lambda twins: not twins)
    """What is measured on pairs of items; not written where nothing is."""


class Flip(_Fact):
    """An item that one model got right and the other wrong."""

    item: str
    """The item's id."""
    prompt: str
    """The last user turn."""
    expected: str
    """The right answer."""
    base: str
    """The base model's answer."""
    tuned: str
    """The tuned model's answer."""
    gained: bool
    """True where the tuned model is the right one."""


class Comparison(_Fact):
    """One metric of two models on the same items, by pairs."""

    suite: str
    """The suite."""
    task: str
    """The task."""
    title: str
    """The task's name for people."""
    kind: Literal["domain", "safety", "general"]
    """What the suite is for."""
    metric: str
    """The metric."""
    better: Better
    """Which way is better."""
    headline: bool
    """Whether it stands in the short table."""
    base: Estimate
    """The first model."""
    tuned: Estimate
    """The second model."""
    difference: Estimate
    """Second minus first with its paired 95 % interval; where there is an ideal, how
    much nearer."""
    p_value: float | None
    """Exact McNemar p-value (two-sided) for right/wrong items; None for other values, and where
    several answers were drawn for an item."""
    p_cluster: float | None = None
    """P-value (two-sided) by swapping the models within whole clusters."""
    p_holm: float | None = None
    """The same, adjusted for all headline measures of the decision; None for other measures."""
    margin: float | None = None
    """The loss that was declared tolerable before measuring; None where none was."""
    minimum_detectable: float | None = None
    """The smallest true difference that would be found four times in five at this size."""
    gained: int
    """Items that only the second model got right."""
    lost: int
    """Items that only the first model got right."""
    identical_items: int = 0
    """Items with the same answer and the same log-likelihoods from both models."""
    verdict: Verdict
    """What interval, p-value and margin say together."""
    slices: tuple["SliceComparison", ...] = ()
    """Both models by slice."""
    flips: tuple[Flip, ...] = ()
    """Some of the items that changed, losses first."""


class SliceComparison(_Fact):
    """Both models on the items that share one value of a field."""

    field: str
    """The field."""
    value: str
    """Its value."""
    base: Estimate
    """The first model."""
    tuned: Estimate
    """The second model."""
    difference: Estimate
    """Second minus first, as for the whole."""
