"""Results of suites, for one model and for two, as they are written and read."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Verdict = Literal["better", "worse", "not distinguishable"]
Better = Literal["higher", "lower", "half"]


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
    """Which way is better; "half" where 0.5 is the ideal."""
    headline: bool
    """Whether it stands in the short table."""
    estimate: Estimate
    """Value with interval."""
    slices: tuple[SliceEstimate, ...] = ()
    """The same by slice."""


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
    template_digest: str
    """Digest of the chat template."""
    metrics: tuple[MetricResult, ...]
    """The metrics."""
    flags: dict[str, int]
    """Counted oddities: generations cut by the token limit, empty answers."""
    packages: dict[str, str]
    """Versions of the packages that shaped the result."""
    seed: int
    """Seed of bootstrap resampling."""


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
    """Second minus first with its paired 95 % interval; where 0.5 is the ideal, how much nearer."""
    p_value: float | None
    """Exact McNemar p-value (two-sided) for right/wrong items; None for other values."""
    gained: int
    """Items that only the second model got right."""
    lost: int
    """Items that only the first model got right."""
    verdict: Verdict
    """What the interval says."""
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
