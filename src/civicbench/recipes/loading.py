"""Loading a recipe: resolved, validated once, and frozen with all of its parts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from civicbench.core.content import list_content
from civicbench.core.digests import digest_json
from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import check_settings, list_mistakes
from civicbench.datasets.building import Dataset, load_dataset_settings
from civicbench.evaluation.metrics import all_metric_names
from civicbench.evaluation.settings import CanaryItems, DatasetItems
from civicbench.evaluation.suites import Suite, load_suite
from civicbench.evaluation.twins.records import twin_metrics
from civicbench.models.catalogue import load_model_entry
from civicbench.models.settings import ModelEntry
from civicbench.recipes.resolving import (
    RECIPE_KIND,
    recipe_path,
    resolve_mapping,
    unknown_name,
    with_method,
)
from civicbench.recipes.settings import RecipeSettings
from civicbench.registry.gate_files import load_gate
from civicbench.registry.gates import Gate, Rule
from civicbench.registry.rules.changes import DomainGain, OverRefusal, SafetyChange
from civicbench.registry.rules.records import JudgeAgreement
from civicbench.training.distributed.presets import PRESET_KIND, load_preset, preset_misfits
from civicbench.training.methods import load_method
from civicbench.training.settings import AUTO, TrainingSettings
from civicbench.training.tracking import TrackerSettings, load_tracker_settings

_SETTING_MISSING = re.compile(r"training\.(?!use:)\w+: missing$")


@dataclass(frozen=True)
class Recipe:
    """A recipe with every part it names.

    Attributes:
        path: Its file.
        overrides: What was changed on the command line.
        settings: The resolved settings.
        model: The base model's catalogue entry.
        dataset: The dataset.
        mixed: The datasets that are mixed in, in the order of `settings.mixing`.
        training: The training settings.
        suites: The suites.
        gate: The gate.
        trackers: The trackers.
    """

    path: Path
    overrides: tuple[str, ...]
    settings: RecipeSettings
    model: ModelEntry
    dataset: Dataset
    mixed: tuple[Dataset, ...]
    training: TrainingSettings
    suites: tuple[Suite, ...]
    gate: Gate
    trackers: tuple[TrackerSettings, ...]

    @property
    def digest(self) -> str:
        """Digest of the resolved settings."""
        return digest_json(self.settings.model_dump(mode="json"))

    @property
    def registered_name(self) -> str:
        """The model's name in the registry, beginning as the base's licence asks."""
        name = self.settings.registered_name or self.settings.name
        prefix = self.model.licence.name_prefix
        return f"{prefix}-{name}" if prefix and not name.startswith(prefix) else name

    @property
    def resolved_yaml(self) -> str:
        """The resolved settings as YAML."""
        data = self.settings.model_dump(mode="json", exclude_none=True)
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)

    @property
    def command(self) -> str:
        """The command that runs the recipe again."""
        return " ".join(["civicbench run", self.settings.name, *self.overrides])


def load_recipe(reference: str, *, overrides: Sequence[str] = ()) -> Recipe:
    """Load a recipe by name or path.

    Args:
        reference: A name of `recipes/`, or a file.
        overrides: `key.path=value` texts.

    Raises:
        InvalidInputError: Every mistake at once, each with its full path.
        PartAbsentError: There is no such file.
    """
    path = recipe_path(reference)
    resolved = resolve_mapping(path, overrides=overrides)
    mapping = with_method(resolved)
    settings, mistakes = check_settings(RecipeSettings, mapping)
    if mapping is resolved:
        # Without its method every setting is missing: the method alone is the mistake.
        mistakes = tuple(mistake for mistake in mistakes if not _SETTING_MISSING.match(mistake))
    mistakes = (*mistakes, *_unknown_names(mapping))
    if settings is None or mistakes:
        raise InvalidInputError(list_mistakes(mistakes), where=str(path))
    if settings.name != path.stem:
        raise InvalidInputError(
            "name must equal the file's name", where=f"{path}: name", got=settings.name,
            remedy=f"write name: {path.stem}",
        )  # fmt: skip
    recipe = Recipe(
        path=path,
        overrides=tuple(overrides),
        settings=settings,
        model=load_model_entry(settings.model),
        dataset=load_dataset_settings(settings.dataset),
        mixed=tuple(load_dataset_settings(mixed.dataset) for mixed in settings.mixing),
        training=TrainingSettings.model_validate(settings.training.model_dump(exclude={"use"})),
        suites=tuple(load_suite(name) for name in settings.evaluation),
        gate=load_gate(settings.gate),
        trackers=tuple(load_tracker_settings(name) for name in settings.trackers),
    )
    misfits = _misfits(recipe)
    if misfits:
        raise InvalidInputError(list_mistakes(misfits), where=str(path))
    return recipe


def list_recipes() -> dict[str, Path]:
    """Return every recipe's file by name."""
    return dict(sorted(list_content(RECIPE_KIND).items()))


def _unknown_names(mapping: dict[str, Any]) -> list[str]:
    training = mapping.get("training")
    use = training.get("use") if isinstance(training, dict) else None
    suites, trackers = mapping.get("evaluation"), mapping.get("trackers")
    mixing = mapping.get("mixing")
    sharing = training.get("distributed") if isinstance(training, dict) else None
    named = [
        (PRESET_KIND, None if sharing == AUTO else sharing, "training.distributed"),
        ("configs/models/{name}.yaml", mapping.get("model"), "model"),
        ("datasets/{name}/dataset.yaml", mapping.get("dataset"), "dataset"),
        ("training/{name}.yaml", use, "training.use"),
        ("configs/gates/{name}.yaml", mapping.get("gate"), "gate"),
    ]
    for key, kind, names in (
        ("evaluation", "evaluation/{name}/suite.yaml", suites),
        ("trackers", "configs/trackers/{name}.yaml", trackers),
    ):
        if isinstance(names, list):
            named += [(kind, name, f"{key}.{place}") for place, name in enumerate(names)]
    if isinstance(mixing, list):
        named += [
            ("datasets/{name}/dataset.yaml", mixed.get("dataset"), f"mixing.{place}.dataset")
            for place, mixed in enumerate(mixing)
            if isinstance(mixed, dict)
        ]
    found = [unknown_name(kind, name, key=key) for kind, name, key in named]
    return [mistake for mistake in found if mistake is not None]


def _misfits(recipe: Recipe) -> list[str]:
    """Return where parts that are each sound do not fit together."""
    found = []
    metrics = {
        (suite.settings.name, task.name, metric)
        for suite in recipe.suites
        for task in suite.settings.tasks
        for metric in all_metric_names(task)
    } | {
        (suite.settings.name, measure.name, metric)
        for suite in recipe.suites
        if suite.settings.twins
        for measure in suite.settings.twins.measures
        for metric, _ in twin_metrics(measure)
    }
    for rule in recipe.gate.rules:
        whose = f"gate: rule {rule.name!r} of gate {recipe.gate.name} judges"
        if isinstance(rule, Rule | OverRefusal):
            if (rule.suite, rule.task, rule.metric) not in metrics:
                found.append(
                    f"{whose} {rule.suite} / {rule.task} / {rule.metric}, "
                    "which no suite of this recipe measures"
                )
        elif isinstance(rule, DomainGain | SafetyChange | JudgeAgreement):
            asked = {suite.settings.name for suite in recipe.suites}
            found += [
                f"{whose} suite {name}, which this recipe does not run"
                for name in rule.suites
                if name not in asked
            ]
    for suite in recipe.suites:
        items = suite.settings.items
        if isinstance(items, DatasetItems) and items.dataset != recipe.settings.dataset:
            found.append(
                f"evaluation: suite {suite.settings.name} asks rows of dataset {items.dataset}, "
                f"and this recipe trains on {recipe.settings.dataset}"
            )
    found += _data_misfits(recipe)
    found += [
        f"training.distributed: {misfit}"
        for misfit in preset_misfits(load_preset(recipe.training.distributed), recipe.training)
    ]
    found += _canary_misfits(recipe)
    method = load_method(recipe.settings.training.use).settings.method
    if recipe.training.method != method:
        found.append(
            f"training.method: {recipe.training.method} contradicts training.use: "
            f"{recipe.settings.training.use}, which is {method}; name another method in use"
        )
    if recipe.training.max_length_tokens > recipe.model.architecture.context_length_tokens:
        found.append(
            f"training.max_length_tokens: {recipe.training.max_length_tokens} is longer than the "
            f"{recipe.model.architecture.context_length_tokens} tokens that "
            f"{recipe.model.name} reads"
        )
    return found


def _canary_misfits(recipe: Recipe) -> list[str]:
    """Return where canaries are planted and not looked for, or the other way round."""
    looked = [s.settings.name for s in recipe.suites if isinstance(s.settings.items, CanaryItems)]
    if recipe.settings.canaries is None:
        return [
            f"evaluation: suite {name} looks for canaries, and this recipe plants none: give it "
            "`canaries`, or leave the suite out"
            for name in looked
        ]
    found = []
    if not looked:
        found.append(
            "canaries: they are planted and no suite of this recipe looks for them: add the suite "
            "`canaries` to evaluation"
        )
    if recipe.training.objective != "sft":
        found.append("canaries: they have no rejected answer, which dpo needs: use an sft method")
    return found


def _data_misfits(recipe: Recipe) -> list[str]:
    """Return where datasets do not fit the objective, or may not be mixed in."""
    named = [("dataset", recipe.dataset)]
    named += [(f"mixing.{place}.dataset", mixed) for place, mixed in enumerate(recipe.mixed)]
    found = []
    for key, dataset in named:
        name = dataset.settings.name
        has_rejected = dataset.settings.format.rejected is not None
        if recipe.training.objective == "dpo" and not has_rejected:
            found.append(
                f"{key}: dpo needs a rejected answer beside each chosen one, and {name} has none: "
                "give its format a `rejected`, or use a method whose objective is sft"
            )
        if recipe.training.objective == "sft" and has_rejected:
            found.append(
                f"{key}: {name} holds preferences, and sft would pass over every rejected answer: "
                "use a method whose objective is dpo, or a dataset whose format has no `rejected`"
            )
    for key, dataset in named[1:]:
        if dataset.suites is None:
            found.append(
                f"{key}: {dataset.settings.name} has no step decontaminate, so its rows would not "
                "be kept apart from this recipe's suites: add the step to its dataset.yaml"
            )
    return found
