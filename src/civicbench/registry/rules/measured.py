"""A rule on one metric: the tuned model's own result, or its difference from the base."""

from typing import Literal

from pydantic import Field, model_validator

from civicbench.evaluation.results import Estimate
from civicbench.registry.rules.outcomes import NamedRule

Judged = Literal["estimate", "interval low", "interval high"]


class Rule(NamedRule):
    """One condition on one metric, absolute or against the base."""

    # Gates that were written before there were other kinds keep their digests.
    kind: Literal["measured"] = Field(default="measured", exclude_if=lambda _: True)
    """The kind of rule: `measured`, which need not be written."""
    suite: str
    """The suite whose metric is judged."""
    task: str
    """The task within the suite."""
    metric: str = "accuracy"
    """The metric within the task."""
    of: Literal["tuned", "difference"]
    """What is judged: the tuned model's own value, or its difference from the base."""
    judged_by: Judged
    """Which number must meet the threshold: the estimate or an end of its 95 % interval."""
    at_least: float | None = None
    """The number must not be below this."""
    at_most: float | None = None
    """The number must not be above this."""

    @model_validator(mode="after")
    def _one_threshold(self) -> "Rule":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give exactly one of at_least and at_most")
        return self

    @property
    def threshold(self) -> float:
        """The number that is asked for, whichever way."""
        threshold = self.at_least if self.at_least is not None else self.at_most
        assert threshold is not None  # noqa: S101 (the validator saw to it)
        return threshold

    @property
    def margin(self) -> float:
        """The loss that the rule tolerates, declared before measuring; 0 where it declares none."""
        if self.of != "difference":
            return 0.0
        if self.judged_by == "interval low" and self.at_least is not None:
            return max(-self.at_least, 0.0)
        if self.judged_by == "interval high" and self.at_most is not None:
            return max(self.at_most, 0.0)
        return 0.0

    def note(self, *, noise: float | None) -> str:
        """Say why the rule cannot be judged; empty where it can.

        Args:
            noise: How far repeats of the same evaluation lie apart; None where not measured.
        """
        if self.of != "difference":
            return ""
        return tighter_than_noise(abs(self.threshold), noise=noise)

    def holds(self, measured: Estimate) -> bool:
        """Return whether a measured value meets the rule."""
        number = {
            "estimate": measured.value,
            "interval low": measured.low,
            "interval high": measured.high,
        }[self.judged_by]
        # Exactly one of the two is set: the rule's validator saw to it.
        above = self.at_least is None or number >= self.at_least
        below = self.at_most is None or number <= self.at_most
        return above and below


def tighter_than_noise(threshold: float, *, noise: float | None) -> str:
    """Say that a limit on a difference is tighter than the noise; empty where it is not.

    Args:
        threshold: The limit's size.
        noise: How far repeats of the same evaluation lie apart; None where not measured.
    """
    if not noise or threshold >= noise:
        return ""
    return (
        f"The rule asks for {threshold:.4g}, but repeats of the same evaluation differ by up to "
        f"{noise:.4g}: it is tighter than the noise and cannot be met."
    )
