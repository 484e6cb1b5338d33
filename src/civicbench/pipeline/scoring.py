"""Scoring base and tuned model on every suite of a recipe, on one load of the base."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from civicbench.core.progress import Reporter
from civicbench.core.stages import StageOutput, run_stage
from civicbench.core.workspace import Workspace
from civicbench.evaluation.adapter_proof import probe_logits, prove_adapter
from civicbench.evaluation.comparing import compare_results
from civicbench.evaluation.records import read_items
from civicbench.evaluation.results import Comparison
from civicbench.evaluation.scoring import Subject, read_result, score, score_stage
from civicbench.evaluation.suites import Suite
from civicbench.models.loading import load_adapter, load_base
from civicbench.pipeline.inputs import RunInputs

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from civicbench.evaluation.scorer import SharedPrefixLM


@dataclass(frozen=True)
class SuiteScores:
    """Both models' scores on one suite.

    Attributes:
        suite: The suite.
        base: The base model's stage.
        tuned: The tuned model's stage.
        comparisons: The two by pairs.
    """

    suite: Suite
    base: StageOutput
    tuned: StageOutput
    comparisons: tuple[Comparison, ...]


class _Models:
    """The base model and, later, the adapter on it: loaded when first asked for."""

    def __init__(self, inputs: RunInputs, adapter: Path, *, reporter: Reporter) -> None:
        self._inputs = inputs
        self._adapter = adapter
        self._reporter = reporter
        self._base: tuple[PreTrainedModel, torch.Tensor] | None = None
        self._tuned: SharedPrefixLM | None = None

    def base(self) -> "SharedPrefixLM":
        """Return the base model; not to be asked for once the tuned one was given."""
        model, _ = self._load_base()
        return self._as_language_model(model)

    def tuned(self) -> "SharedPrefixLM":
        """Return the base with its adapter on, proven."""
        if self._tuned is None:
            base, base_logits = self._load_base()
            model = load_adapter(
                base,
                self._adapter,
                base_weights_digest=self._inputs.prepared.record.weights_digest,
            )
            prove_adapter(model, prompt_ids=self._probe(), base_logits=base_logits)
            self._tuned = self._as_language_model(model)
        return self._tuned

    def _load_base(self) -> "tuple[PreTrainedModel, torch.Tensor]":
        """Return the base model and its logits after a probe, from before any adapter."""
        if self._base is None:
            recipe = self._inputs.recipe
            model = load_base(
                self._inputs.prepared,
                precision=recipe.settings.evaluation_precision,
                quantise_4bit=recipe.training.method == "qlora",
                spread=spread_over_devices(self._inputs),
            ).eval()
            self._base = (model, probe_logits(model, self._probe()))
        return self._base

    def _probe(self) -> list[int]:
        return list(self._inputs.train[0].rendered.prompt_ids)

    def _as_language_model(self, model: "PreTrainedModel") -> "SharedPrefixLM":
        from civicbench.evaluation.scorer import SharedPrefixLM

        return SharedPrefixLM(
            model,
            renderer=self._inputs.renderer,
            context_length_tokens=self._inputs.prepared.record.context_length_tokens,
            reporter=self._reporter,
        )


def spread_over_devices(inputs: RunInputs) -> bool:
    """Return whether a recipe's model is spread over several GPUs."""
    hardware = inputs.recipe.settings.hardware
    return hardware is not None and hardware.devices > 1


def score_suites(
    inputs: RunInputs,
    *,
    adapter: Path,
    adapter_digest: str,
    workspace: Workspace,
    reporter: Reporter,
) -> list[SuiteScores]:
    """Score both models on every suite, and compare them by pairs.

    All suites are scored with the base before the adapter is put on.

    Args:
        inputs: The recipe's inputs.
        adapter: The adapter's folder.
        adapter_digest: Its digest.
        workspace: Where scores are kept.
        reporter: Told what is going on.

    Raises:
        WorkFailedError: The adapter is not on, or changes nothing.
    """
    models = _Models(inputs, adapter, reporter=reporter)
    base = _subject(inputs, None)
    tuned = _subject(inputs, adapter_digest)
    outputs: dict[tuple[str, str], StageOutput] = {}
    for subject, give in ((base, models.base), (tuned, models.tuned)):
        for suite in inputs.recipe.suites:
            items = inputs.items[suite.settings.name]
            outputs[suite.settings.name, subject.role] = run_stage(
                score_stage(suite.settings, items, subject, workspace=workspace),
                partial(_score_into, suite=suite, inputs=inputs, subject=subject, give=give),
                workspace=workspace,
                reporter=reporter,
            )
    scores = []
    for suite in inputs.recipe.suites:
        first = outputs[suite.settings.name, "base"]
        second = outputs[suite.settings.name, "tuned"]
        comparisons = compare_results(
            read_result(first.folder),
            read_items(first.folder),
            read_result(second.folder),
            read_items(second.folder),
        )
        scores.append(SuiteScores(suite, first, second, comparisons))
    return scores


def _score_into(
    folder: Path,
    *,
    suite: Suite,
    inputs: RunInputs,
    subject: Subject,
    give: "Callable[[], SharedPrefixLM]",
) -> None:
    score(
        suite.settings,
        inputs.items[suite.settings.name],
        subject,
        folder=folder,
        renderer=inputs.renderer,
        language_model=give,
    )


def _subject(inputs: RunInputs, adapter_digest: str | None) -> Subject:
    return Subject(
        role="base" if adapter_digest is None else "tuned",
        base=inputs.prepared.record,
        adapter_digest=adapter_digest,
        precision=inputs.recipe.settings.evaluation_precision,
    )
