"""What a recipe's stages read, made ready and checked before any of the long work."""

from collections.abc import Iterable
from dataclasses import dataclass

from civicbench.core.digests import digest_json
from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.core.progress import Reporter
from civicbench.core.stages import StageOutput
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import read_record
from civicbench.datasets.record import SnapshotRecord
from civicbench.datasets.rows import Row, read_split
from civicbench.evaluation.items import (
    Item,
    questions_of,
)
from civicbench.evaluation.judges.judge import Judge
from civicbench.evaluation.prompt_proof import SystemTurns, named_differences, system_turns_of
from civicbench.evaluation.twins.records import check_twins
from civicbench.models.loading import require_package
from civicbench.models.prepare import PreparedModel, prepare_model
from civicbench.models.rendering import ChatRenderer, RendersExamples, load_renderer
from civicbench.pages.stylesheet import check_assets
from civicbench.pipeline.judging import prepare_judges
from civicbench.pipeline.mixing import TrainingData, conversations_of, read_training_data
from civicbench.pipeline.snapshots import mixed_snapshots, recipe_snapshot
from civicbench.pipeline.suite_items import suite_items
from civicbench.recipes.loading import Recipe
from civicbench.training.examples import TrainingRows, render_examples, render_pairs
from civicbench.training.tokenising import keep_renderings, tokens_stage
from civicbench.training.tracking import check_tracker

_GIGABYTE = 1e9
_NAMED_SHARE = 0.95


@dataclass(frozen=True)
class RunInputs:
    """A recipe's inputs, checked.

    Attributes:
        recipe: The recipe.
        prepared: The base model.
        renderer: Its renderer.
        snapshot: The dataset snapshot's stage.
        snapshot_record: What the snapshot says of itself.
        mixed_snapshots: The stages of the snapshots that are mixed in.
        data: The rows that are trained on, and their name.
        train: Training examples, or pairs where the objective is dpo.
        held_out: The same for the held-out loss: rows of the recipe's own dataset.
        items: Each suite's items.
        system_turns: The system turns of the training rows.
        judges: The judges that the suites name.
    """

    recipe: Recipe
    prepared: PreparedModel
    renderer: ChatRenderer
    snapshot: StageOutput
    snapshot_record: SnapshotRecord
    mixed_snapshots: tuple[StageOutput, ...]
    data: TrainingData
    train: TrainingRows
    held_out: TrainingRows
    items: dict[str, tuple[Item, ...]]
    system_turns: SystemTurns
    judges: dict[str, Judge]


def prepare_inputs(recipe: Recipe, *, workspace: Workspace, reporter: Reporter) -> RunInputs:
    """Make a recipe's model and data ready, and refuse what would fail later.

    Args:
        recipe: The recipe.
        workspace: Where work is kept.
        reporter: Told what is going on.

    Raises:
        CivicbenchError: A part is absent, or data, suites or settings have mistakes.
    """
    check_parts(recipe)
    snapshot = recipe_snapshot(recipe, workspace=workspace, reporter=reporter)
    items = {
        suite.settings.name: tuple(
            suite_items(
                suite,
                snapshot=snapshot.folder,
                canaries=recipe.settings.canaries,
                workspace=workspace,
                reporter=reporter,
            )
        )
        for suite in recipe.suites
    }
    mixed = mixed_snapshots(
        recipe, snapshot=snapshot.folder, workspace=workspace, reporter=reporter
    )
    data = read_training_data(
        recipe, snapshot=snapshot.folder, mixed=[output.folder for output in mixed]
    )
    system_turns = system_turns_of([row.messages for row in data.rows])
    for suite in recipe.suites:
        found = items[suite.settings.name]
        asked = {
            task.name: questions_of(task, found, suite=suite.settings)
            for task in suite.settings.tasks
        }
        check_twins(suite.settings, asked)
        named_differences(suite.settings, found, trained=system_turns)
    judges = prepare_judges(recipe.suites, workspace=workspace, reporter=reporter)
    prepared = prepare_model(recipe.model, workspace=workspace, reporter=reporter)
    renderer = load_renderer(prepared)

    held_out = read_split(snapshot.folder, "validation")
    digest = data.digest
    if data.mixed:  # which of their rows are drawn follows from the seed
        digest = digest_json({"data": data.digest, "seed": recipe.training.seed})
    kept = keep_renderings(
        tokens_stage(prepared, data_digest=digest, workspace=workspace),
        [messages for row in (*data.rows, *held_out) for messages in conversations_of(row)],
        renderer=renderer,
        workspace=workspace,
        reporter=reporter,
    )
    return RunInputs(
        recipe=recipe,
        prepared=prepared,
        renderer=renderer,
        snapshot=snapshot,
        snapshot_record=read_record(snapshot.folder),
        mixed_snapshots=mixed,
        data=data,
        train=render_rows(recipe, data.rows, prepared=prepared, renderer=kept),
        held_out=(
            render_rows(recipe, held_out, prepared=prepared, renderer=kept) if held_out else ()
        ),
        items=items,
        system_turns=system_turns,
        judges=judges,
    )


def render_rows(
    recipe: Recipe, rows: Iterable[Row], *, prepared: PreparedModel, renderer: RendersExamples
) -> TrainingRows:
    """Return rows as the recipe's objective reads them: examples, or pairs for dpo.

    Raises:
        InvalidInputError: Rows that cannot be trained on as they are.
    """
    longest = recipe.training.max_length_tokens
    context = prepared.record.context_length_tokens
    if recipe.training.objective == "sft":
        return render_examples(
            [(row.id, row.messages) for row in rows],
            renderer=renderer,
            max_length_tokens=longest,
            context_length_tokens=context,
        )
    pairs = []
    for row in rows:
        if row.rejected is None:
            raise InvalidInputError(
                "dpo needs a rejected answer", where=f"row {row.id}", remedy="build it again"
            )
        pairs.append((row.id, row.messages, row.rejected))
    return render_pairs(
        pairs, renderer=renderer, max_length_tokens=longest, context_length_tokens=context
    )


def check_parts(recipe: Recipe) -> None:
    """Refuse before work starts where a package, device or built file is absent.

    Raises:
        PartAbsentError: With what to do about it.
        InvalidInputError: The engine that scores does not fit the rest of the recipe.
    """
    check_assets()
    for tracker in recipe.trackers:
        check_tracker(tracker)
    if recipe.training.quantisation is not None:
        require_package("bitsandbytes", extra="qlora")
    if recipe.settings.evaluation_engine == "vllm":
        _check_vllm(recipe)
    wanted = recipe.settings.hardware
    if wanted is not None:
        import torch

        here = [
            torch.cuda.get_device_properties(place).total_memory / _GIGABYTE
            for place in range(torch.cuda.device_count())
        ]
        # Makers count a little less than they name: an "80 GB" card shows 79 to 85.
        fitting = [memory for memory in here if memory >= wanted.memory_gb * _NAMED_SHARE]
        if len(fitting) < wanted.devices:
            raise PartAbsentError(
                f"the recipe needs GPUs with {wanted.memory_gb:g} GB each: {wanted.devices}",
                where=f"recipe {recipe.settings.name}: hardware",
                got=", ".join(f"{memory:.0f} GB" for memory in here) or "no GPU here",
                remedy="run it where they are, or see `civicbench plan` for what it would need",
            )


def check_processes(recipe: Recipe, *, processes: int) -> None:
    """Refuse several processes where one engine holds the GPUs.

    Raises:
        InvalidInputError: vLLM is to be shared by several processes.
    """
    if recipe.settings.evaluation_engine == "vllm" and processes > 1:
        raise InvalidInputError(
            "vLLM shares its work out itself and cannot be held by several processes",
            where=_engine_key(recipe),
            got=f"{processes} processes",
            remedy="start one process without torchrun, or set it to civicbench",
        )


def _check_vllm(recipe: Recipe) -> None:
    import torch

    where = _engine_key(recipe)
    if recipe.training.quantisation is not None:
        raise InvalidInputError(
            "vLLM does not hold the quantised base that this method trains on",
            where=where,
            got=f"training.quantisation: {recipe.training.quantisation}",
            remedy="set it to civicbench",
        )
    if recipe.training.method == "full":
        raise InvalidInputError(
            "vLLM holds one base with adapters, and full training makes a model of its own",
            where=where,
            got="training.method: full",
            remedy="set it to civicbench",
        )
    if recipe.settings.evaluation_precision == "float32":
        raise InvalidInputError(
            "vLLM puts adapters on in 16 bits only",
            where=where,
            got="evaluation_precision: float32",
            remedy="set evaluation_precision to bfloat16, or evaluation_engine to civicbench",
        )
    require_package("vllm", extra="vllm")
    if not torch.cuda.is_available():
        raise PartAbsentError(
            "vLLM computes on a GPU",
            where=where,
            got="no GPU here",
            remedy="run it where one is, or set it to civicbench",
        )


def _engine_key(recipe: Recipe) -> str:
    return f"recipe {recipe.settings.name}: evaluation_engine"
