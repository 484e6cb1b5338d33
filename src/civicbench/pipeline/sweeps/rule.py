"""The rule by which a sweep's winner is chosen, written down before the first run starts."""

import re
from collections.abc import Sequence
from typing import Literal

from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import Settings, suggest
from civicbench.evaluation.metrics import all_metric_names
from civicbench.recipes.loading import Recipe

HELD_OUT_LOSS = "held_out_loss"
TRAINING_LOSS = "training_loss"
_FORM = re.compile(r"(?P<best>min|max):(?P<measure>[^:]+)(?::(?P<by>mean|bound))?")


class WinnerRule(Settings):
    """Which settings win."""

    measure: str
    """What decides: "held_out_loss", "training_loss" or SUITE/TASK/METRIC of the tuned model."""
    best: Literal["min", "max"]
    """Whether the lowest or the highest wins."""
    by: Literal["mean", "bound"] = "mean"
    """mean: the mean over seeds; bound: the worse end of its 95 % interval over seeds."""

    @property
    def text(self) -> str:
        """The rule as it is written on the command line."""
        return f"{self.best}:{self.measure}:{self.by}"

    @property
    def words(self) -> str:
        """The rule in words."""
        least = "lowest" if self.best == "min" else "highest"
        what = "mean over seeds" if self.by == "mean" else "worse end of the interval over seeds"
        return f"{least} {self.measure}, by the {what}"


def suite_measures(recipe: Recipe) -> list[str]:
    """Return every SUITE/TASK/METRIC that a recipe measures."""
    return [
        f"{suite.settings.name}/{task.name}/{metric}"
        for suite in recipe.suites
        for task in suite.settings.tasks
        for metric in all_metric_names(task)
    ]


def has_held_out_rows(recipe: Recipe) -> bool:
    """Return whether a recipe's dataset keeps rows for the held-out loss."""
    return recipe.dataset.settings.split.validation > 0


def declare_rule(text: str | None, *, recipe: Recipe, seeds: int, evaluated: bool) -> WinnerRule:
    """Return the rule that a user declares.

    Args:
        text: `min:held_out_loss`, `max:SUITE/TASK/METRIC`, with `:bound` behind it for the worse
            end of the interval; None for the lowest held-out loss.
        recipe: The recipe.
        seeds: How many seeds each setting is run with.
        evaluated: Whether the suites are scored.

    Raises:
        InvalidInputError: Not a rule, or one on what is not measured.
    """
    known = [TRAINING_LOSS]
    if has_held_out_rows(recipe):
        known.insert(0, HELD_OUT_LOSS)
    if evaluated:
        known += suite_measures(recipe)
    if text is None:
        if HELD_OUT_LOSS not in known:
            raise InvalidInputError(
                "the dataset keeps no rows for a held-out loss, so there is no rule to choose by",
                where="--winner-rule",
                remedy="declare one before anything runs: " + _examples(known),
            )
        return WinnerRule(measure=HELD_OUT_LOSS, best="min")
    found = _FORM.fullmatch(text)
    if found is None:
        raise InvalidInputError(
            "is not a rule", where="--winner-rule", got=repr(text),
            remedy="write min or max, the measure, and bound where the worse end of the interval "
            f"decides: {_examples(known)}",
        )  # fmt: skip
    measure = found["measure"]
    if measure not in known:
        near = suggest(measure, known)
        raise InvalidInputError(
            "the rule judges what this sweep does not measure",
            where="--winner-rule",
            got=measure,
            remedy=f"did you mean {near}?" if near else f"known: {', '.join(known)}",
        )
    if measure in {HELD_OUT_LOSS, TRAINING_LOSS} and found["best"] == "max":
        raise InvalidInputError(
            "the highest loss is the worst", where="--winner-rule", got=text,
            remedy=f"write min:{measure}",
        )  # fmt: skip
    if found["by"] == "bound" and seeds < 2:
        raise InvalidInputError(
            "one seed has no interval", where="--winner-rule", got=text,
            remedy="ask for --seeds 2 or more, or leave :bound out",
        )  # fmt: skip
    return WinnerRule.model_validate(
        {"measure": measure, "best": found["best"], "by": found["by"] or "mean"}
    )


def _examples(known: Sequence[str]) -> str:
    shown = [f"{'min' if name.endswith('_loss') else 'max'}:{name}" for name in known[:4]]
    return ", ".join(shown)
