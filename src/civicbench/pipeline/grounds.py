"""What a recipe's gate judges besides the results."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

from civicbench.core.digests import short
from civicbench.core.stages import Stage, StageOutput
from civicbench.core.workspace import Workspace
from civicbench.evaluation.comparing import compare_results
from civicbench.evaluation.records import ITEMS_NAME, parse_items, read_items
from civicbench.evaluation.results import Comparison, Place, SuiteResult
from civicbench.evaluation.scoring import read_result, score_stage
from civicbench.evaluation.settings import FileItems
from civicbench.evaluation.statistics.families import adjust_family
from civicbench.models.licences import find_terms, shipped_text
from civicbench.models.prepare import PreparedModel
from civicbench.models.publishing import licence_files
from civicbench.pipeline.canaries import find_planted
from civicbench.pipeline.inputs import RunInputs
from civicbench.pipeline.scoring import RecipeScores, subject_of
from civicbench.registry.gates import Gate, margins
from civicbench.registry.grounds import Grounds, NoiseFact
from civicbench.registry.registry import Registry
from civicbench.registry.rules.facts import JudgeFact, LiveFact, SourceOfItems, StageKey
from civicbench.registry.waivers import WaiverLog
from civicbench.training.running import training_stage

# What a judge had not been trained on, the farthest from its training first.
_LEAST_KNOWN = ("model and prompt", "model", "prompt", "nothing")


def gather_grounds(
    inputs: RunInputs,
    trained: StageOutput | None,
    scores: RecipeScores,
    *,
    noise: Mapping[Place, float],
    registry: Registry,
    workspace: Workspace,
) -> Grounds:
    """Return what the gate of a recipe judges besides its results.

    Args:
        inputs: The recipe's inputs.
        trained: The training stage's output; None for weights from elsewhere.
        scores: All scores.
        noise: How far repeats lie apart, where it was measured.
        registry: The open registry: waivers, and the version that is live.
        workspace: Where stages stand.
    """
    recipe = inputs.recipe
    # What weights from elsewhere were trained on is not known here.
    planted = None if trained is None else find_planted(recipe, scores.tuned_folders)
    return Grounds(
        sectors=recipe.settings.sectors,
        items=tuple(
            SourceOfItems(
                suite=suite.settings.name, own_items=isinstance(suite.settings.items, FileItems)
            )
            for suite in recipe.suites
        ),
        noise=tuple(
            NoiseFact(suite=suite, task=task, metric=metric, noise=value)
            for (suite, task, metric), value in sorted(noise.items())
        ),
        live=compare_with_live(
            recipe.registered_name,
            scores.tuned_folders,
            base_weights_digest=inputs.prepared.record.weights_digest,
            gate=recipe.gate,
            registry=registry,
        ),
        canaries=None if planted is None else planted.fact,
        judges=tuple(
            fact
            for suite, folder in scores.tuned_folders.items()
            for fact in judge_facts(suite, read_result(folder))
        ),
        licence_texts=licence_texts(inputs.prepared),
        card_gaps=tuple(_card_gaps(inputs)),
        waivers=WaiverLog(registry.log).in_force(recipe.registered_name, on=today()),
        stage_keys=tuple(_stage_keys(inputs, trained, scores, workspace=workspace)),
    )


def today() -> date:
    """Return the day by which waivers are judged (UTC)."""
    return datetime.now(UTC).date()


def judge_facts(suite: str, result: SuiteResult) -> Iterator[JudgeFact]:
    """Yield how well each judge of a suite agrees with people, on answers least known to it.

    Args:
        suite: The suite's name.
        result: What a model scored on it. A judge whose agreement was not measured yields nothing,
            so that a rule on it cannot tell.
    """
    for judge in result.judges:
        of_all = [
            one for one in judge.agreements if one.group == "all" and one.held_out in _LEAST_KNOWN
        ]
        if not of_all:
            continue
        strictest = min(of_all, key=lambda one: _LEAST_KNOWN.index(one.held_out))
        yield JudgeFact(
            judge=f"{judge.name} {short(judge.digest)}",
            suite=suite,
            kappa=strictest.kappa,
            accuracy=strictest.accuracy,
            labels=strictest.items,
        )


def licence_texts(prepared: PreparedModel) -> tuple[str, ...]:
    """Return the names of the licence texts that go with a model made from a base."""
    found = [path.name for path in licence_files(prepared.folder)]
    terms = find_terms(prepared.record.licence.identifier)
    if terms is not None and (path := shipped_text(terms)) is not None:
        found.append(path.name)
    return tuple(dict.fromkeys(found))


def compare_with_live(
    model: str,
    outputs: Mapping[str, Path],
    *,
    base_weights_digest: str,
    gate: Gate,
    registry: Registry,
) -> LiveFact | None:
    """Compare a model's scores with those of the version that is live, by pairs.

    Args:
        model: The model's name in the registry.
        outputs: The folder with the model's scores, by suite.
        base_weights_digest: Of the base; the live version may stand on another one.
        gate: The gate, for its margins.
        registry: The open registry.

    Returns:
        The comparison, judged as one family; None where no version is live.
    """
    live = registry.live_version(model)
    if live is None:
        return None
    files = registry.artefact_paths(live.digest)
    evidence = registry.load_evidence(live.digest)
    before = {suite.name: suite.tuned for suite in evidence.suites}
    pairs: list[Comparison] = []
    missing = []
    for name, folder in outputs.items():
        result = read_result(folder)
        items = files.get(f"scores/{name}/tuned/{ITEMS_NAME}")
        if name not in before or items is None or before[name].items_digest != result.items_digest:
            missing.append(name)
            continue
        pairs += compare_results(before[name], parse_items(items), result, read_items(folder))
    missing += [name for name in before if name not in outputs]
    family = adjust_family(pairs, margins=margins(gate, pairs))
    return LiveFact(
        version=live.digest,
        reference=live.reference,
        # Single items stand with the comparison against the base.
        comparisons=tuple(c.model_copy(update={"slices": (), "flips": ()}) for c in family),
        not_compared=tuple(sorted(missing)),
    )


def _stage_keys(
    inputs: RunInputs, trained: StageOutput | None, scores: RecipeScores, *, workspace: Workspace
) -> Iterator[StageKey]:
    recipe = inputs.recipe
    if trained is not None:
        stage = training_stage(
            recipe.training,
            inputs.prepared,
            snapshot_digest=inputs.data.digest,
            workspace=workspace,
        )
        yield _key(stage, trained)
    for contender, outputs in ((None, scores.base), (scores.tuned.contender, scores.tuned.outputs)):
        for suite in recipe.suites:
            name = suite.settings.name
            scored = score_stage(
                suite.settings,
                inputs.items[name],
                subject_of(inputs, contender),
                workspace=workspace,
            )
            yield _key(scored, outputs[name])


def _key(stage: Stage, output: StageOutput) -> StageKey:
    return StageKey(stage=stage.name, kept=output.record.key, computed=stage.key)


def _card_gaps(inputs: RunInputs) -> Iterator[str]:
    recipe = inputs.recipe.settings
    texts = {
        "recipe: purpose": recipe.purpose,
        "recipe: intended_uses": "".join(recipe.intended_uses),
        "recipe: forbidden_uses": "".join(recipe.forbidden_uses),
        "recipe: human_review": recipe.human_review,
    }
    for data in (inputs.snapshot_record, *(mixed.fact.dataset for mixed in inputs.data.mixed)):
        texts |= {
            f"dataset {data.name}: description": data.description,
            f"dataset {data.name}: personal_data": data.personal_data,
            f"dataset {data.name}: limits": "".join(data.limits),
        }
        texts |= {
            f"dataset {data.name}: attribution of {source.name}": source.attribution
            for source in data.sources
        }
    for suite in inputs.recipe.suites:
        texts |= {
            f"suite {suite.settings.name}: measures": suite.settings.measures,
            f"suite {suite.settings.name}: does_not_measure": suite.settings.does_not_measure,
        }
    for name, text in texts.items():
        if not text.strip():
            yield name
