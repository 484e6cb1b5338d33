"""Scoring base and tuned models on every suite of a recipe, on one load of the base."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from civicbench.core.progress import Reporter
from civicbench.core.stages import StageOutput, run_stage
from civicbench.core.workspace import Workspace
from civicbench.evaluation.comparing import compare_results
from civicbench.evaluation.records import read_items
from civicbench.evaluation.results import Comparison
from civicbench.evaluation.scoring import (
    RESPONSES_NAME,
    Subject,
    read_result,
    score,
    score_stage,
    write_scores,
)
from civicbench.evaluation.statistics.families import adjust_family
from civicbench.evaluation.suites import Suite
from civicbench.pipeline.inputs import RunInputs
from civicbench.registry.gates import margins

if TYPE_CHECKING:
    from civicbench.core.ranks import Ranks
    from civicbench.evaluation.scorer.engines import Engine
    from civicbench.evaluation.scorer.host import ModelHost
    from civicbench.evaluation.scorer.language_model import EngineLM
    from civicbench.evaluation.scorer.vllm_host import VllmHost
    from civicbench.evaluation.scorer.work import Batching


@dataclass(frozen=True)
class Contender:
    """An adapter that is scored.

    Attributes:
        label: What people call it.
        digest: Its digest.
        folder: Where it stands.
    """

    label: str
    digest: str
    folder: Path


@dataclass(frozen=True)
class ContenderScores:
    """A contender's scores.

    Attributes:
        contender: The adapter.
        outputs: Its stage for each suite, by the suite's name.
        comparisons: Every metric against the base, judged as one family.
    """

    contender: Contender
    outputs: dict[str, StageOutput]
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class RecipeScores:
    """All scores of a recipe.

    Attributes:
        suites: The suites, in the recipe's order.
        base: The base model's stage for each suite, by the suite's name.
        contenders: The recipe's own adapter first, then those that were asked for beside it.
    """

    suites: tuple[Suite, ...]
    base: dict[str, StageOutput]
    contenders: tuple[ContenderScores, ...]

    @property
    def tuned(self) -> ContenderScores:
        """The recipe's own adapter."""
        return self.contenders[0]

    @property
    def tuned_folders(self) -> dict[str, Path]:
        """The folder of the recipe's own adapter's scores, by the suite's name."""
        return {name: output.folder for name, output in self.tuned.outputs.items()}


def spread_over_devices(inputs: RunInputs) -> bool:
    """Return whether a recipe's model is spread over several GPUs."""
    hardware = inputs.recipe.settings.hardware
    return hardware is not None and hardware.devices > 1


def score_suites(
    inputs: RunInputs,
    contenders: Sequence[Contender],
    *,
    workspace: Workspace,
    reporter: Reporter,
    ranks: "Ranks | None" = None,
) -> RecipeScores:
    """Score the base and every adapter on every suite, and compare each with the base by pairs.

    Args:
        inputs: The recipe's inputs.
        contenders: The adapters, the recipe's own first.
        workspace: Where scores are kept.
        reporter: Told what is going on.
        ranks: The processes that share the work.

    Raises:
        WorkFailedError: An adapter is not on, or changes nothing.
    """
    models = Models(inputs, contenders, workspace=workspace, reporter=reporter, ranks=ranks)
    base = _score_all(inputs, None, models, workspace=workspace, reporter=reporter)
    found = []
    for contender in contenders:
        outputs = _score_all(inputs, contender, models, workspace=workspace, reporter=reporter)
        pairs = [
            compare_results(
                read_result(base[name].folder),
                read_items(base[name].folder),
                read_result(outputs[name].folder),
                read_items(outputs[name].folder),
            )
            for name in outputs
        ]
        together = [comparison for suite in pairs for comparison in suite]
        family = adjust_family(together, margins=margins(inputs.recipe.gate, together))
        found.append(ContenderScores(contender, outputs, family))
    return RecipeScores(tuple(inputs.recipe.suites), base, tuple(found))


def subject_of(inputs: RunInputs, contender: Contender | None) -> Subject:
    """Return what is scored: the base (None) or an adapter on it."""
    return Subject(
        role="base" if contender is None else "tuned",
        base=inputs.prepared.record,
        adapter_digest=None if contender is None else contender.digest,
        precision=inputs.recipe.settings.evaluation_precision,
        quantisation=inputs.recipe.training.quantisation,
        engine=inputs.recipe.settings.evaluation_engine,
        trained_system_turns=inputs.system_turns,
    )


class Models:
    """The base with its adapters as lm-eval sees them, loaded when first asked for.

    Args:
        inputs: The recipe's inputs.
        contenders: The adapters.
        workspace: Where answers are kept.
        reporter: Told what is going on.
        ranks: The processes that share the work.
    """

    def __init__(
        self,
        inputs: RunInputs,
        contenders: Sequence[Contender],
        *,
        workspace: Workspace,
        reporter: Reporter,
        ranks: "Ranks | None",
    ) -> None:
        self._inputs = inputs
        self._contenders = contenders
        self._workspace = workspace
        self._reporter = reporter
        self._ranks = ranks
        self._host: ModelHost | None = None
        self._vllm: VllmHost | None = None

    @property
    def processes(self) -> int:
        """How many share the work."""
        return 1 if self._ranks is None else self._ranks.size

    def give(
        self, contender: Contender | None, *, batching: "Batching | None" = None
    ) -> "EngineLM":
        """Return the base (None) or an adapter on it.

        Args:
            contender: The adapter.
            batching: How requests are put together, to measure what that does: such answers are
                neither looked up nor kept. None for the usual way.
        """
        from civicbench.evaluation.scorer.language_model import EngineLM
        from civicbench.evaluation.scorer.responses import ResponseStore

        responses = None
        if batching is None:
            responses = ResponseStore(
                self._workspace.scores / RESPONSES_NAME,
                model=subject_of(self._inputs, contender).answers_digest,
            )
        return EngineLM(
            self._engine(None if contender is None else contender.digest),
            renderer=self._inputs.renderer,
            context_length_tokens=self._inputs.prepared.record.context_length_tokens,
            reporter=self._reporter,
            responses=responses,
            ranks=self._ranks,
            batching=batching,
        )

    def _engine(self, adapter: str | None) -> "Engine":
        if self._inputs.recipe.settings.evaluation_engine == "vllm":
            return self._vllm_loaded().select(adapter)
        from civicbench.evaluation.scorer.engines import LocalEngine

        return LocalEngine(self._loaded().select(adapter), self._inputs.renderer)

    def _vllm_loaded(self) -> "VllmHost":
        if self._vllm is None:
            from civicbench.evaluation.scorer.vllm_host import VllmHost, VllmSettings

            settings = self._inputs.recipe.settings
            self._vllm = VllmHost(
                self._inputs.prepared,
                VllmSettings(
                    precision=settings.evaluation_precision,
                    devices=1 if settings.hardware is None else settings.hardware.devices,
                    adapters={c.digest: c.folder for c in self._contenders},
                    probe=self._inputs.train[0].prompt_ids,
                ),
                renderer=self._inputs.renderer,
            )
        return self._vllm

    def _loaded(self) -> "ModelHost":
        if self._host is None:
            from civicbench.evaluation.scorer.host import HostSettings, ModelHost

            recipe = self._inputs.recipe
            self._host = ModelHost(
                self._inputs.prepared,
                HostSettings(
                    precision=recipe.settings.evaluation_precision,
                    quantisation=recipe.training.quantisation,
                    spread=spread_over_devices(self._inputs),
                    adapters={c.digest: c.folder for c in self._contenders},
                    probe=self._inputs.train[0].prompt_ids,
                ),
                ranks=self._ranks,
            )
        return self._host


def _score_all(
    inputs: RunInputs,
    contender: Contender | None,
    models: Models,
    *,
    workspace: Workspace,
    reporter: Reporter,
) -> dict[str, StageOutput]:
    subject = subject_of(inputs, contender)
    outputs = {}
    for suite in inputs.recipe.suites:
        items = inputs.items[suite.settings.name]
        outputs[suite.settings.name] = run_stage(
            score_stage(suite.settings, items, subject, workspace=workspace),
            partial(
                _score_into,
                suite=suite,
                inputs=inputs,
                subject=subject,
                give=partial(models.give, contender),
                processes=models.processes,
            ),
            workspace=workspace,
            reporter=reporter,
        )
    return outputs


def _score_into(
    folder: Path,
    *,
    suite: Suite,
    inputs: RunInputs,
    subject: Subject,
    give: "Callable[[], EngineLM]",
    processes: int,
) -> None:
    scores = score(
        suite.settings,
        inputs.items[suite.settings.name],
        subject,
        renderer=inputs.renderer,
        language_model=give,
        judges=inputs.judges,
        processes=processes,
    )
    write_scores(folder, scores)
