"""Exporting a trained model as a folder that any program with transformers loads."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from civicbench.core.digests import digest_files
from civicbench.core.environment import code_version, package_versions
from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.core.files import (
    disk_errors_explained,
    disk_full_behind,
    remove_folder,
    rename_folder_whole,
    write_json_whole,
)
from civicbench.core.progress import Reporter
from civicbench.core.stages import find_finished
from civicbench.core.workspace import Workspace
from civicbench.datasets.rows import SplitName, read_split
from civicbench.datasets.snapshots import find_snapshot_by_digest
from civicbench.models.catalogue import load_model_entry
from civicbench.models.gguf_ready import check_gguf_ready
from civicbench.models.loading import PROVENANCE_NAME, Precision
from civicbench.models.merging import Parity, write_merged
from civicbench.models.prepare import PreparedModel, prepare_model
from civicbench.models.publishing import write_surroundings
from civicbench.models.rendering import ChatRenderer, load_renderer
from civicbench.models.trained import stored_precision, trained_folder
from civicbench.pipeline.inputs import prepare_inputs
from civicbench.recipes.loading import list_recipes, load_recipe
from civicbench.registry.database import registry_exists
from civicbench.registry.references import MINIMUM_PREFIX_CHARACTERS
from civicbench.registry.registry import Registry
from civicbench.training.examples import Example, conversations_in, render_examples
from civicbench.training.record import TrainingRecord
from civicbench.training.running import read_training_record, training_stage
from civicbench.training.saving import ADAPTER_FOLDER

_PARITY_ROWS = 32
_PREFERENCE: tuple[SplitName, ...] = ("validation", "test", "train")


@dataclass(frozen=True)
class Export:
    """An exported model.

    Attributes:
        folder: Where it stands.
        precision: Number format of its weights.
        parity: How near it is to what was trained.
        split: The split whose rows the parity gate used.
        gguf_tensors: Tensors that GGUF has a place for; None where that was not asked.
    """

    folder: Path
    precision: Precision
    parity: Parity
    split: SplitName
    gguf_tensors: int | None = None


@dataclass(frozen=True)
class _Source:
    """A trained model that can be exported: what it is called, what it is, and rows to hold it to.

    Attributes:
        name: Its name.
        version: Digest of the registered version; None for a recipe's run.
        prepared: The base.
        trained: Where what training made stands.
        record: The training run.
        rows: Examples by split; those that were held out are preferred.
    """

    name: str
    version: str | None
    prepared: PreparedModel
    trained: Path
    record: TrainingRecord
    rows: dict[SplitName, Sequence[Example]]


def export_model(
    reference: str,
    *,
    overrides: Sequence[str],
    folder: Path,
    precision: Precision | None,
    for_gguf: bool = False,
    workspace: Workspace,
    reporter: Reporter,
) -> Export:
    """Write a registered version or a recipe's trained model as a folder of its own.

    Args:
        reference: A version's reference, or a recipe that has been trained; a name that is both
            stands for the version.
        overrides: `key.path=value` texts for a recipe.
        folder: Where it goes; must not stand yet.
        precision: Number format of the weights; None for the base's own.
        for_gguf: Hold the folder to what llama.cpp's converter reads.
        workspace: Where registry, runs and models are.
        reporter: Told what is going on.

    Raises:
        InvalidInputError: The folder stands already, or nothing has that name.
        PartAbsentError: The recipe has not been trained, or the version's data is not here.
        WorkFailedError: The parity gate failed; nothing is left behind.
    """
    if folder.exists():
        raise InvalidInputError(
            "stands already, and nothing is written over", where=str(folder),
            remedy="remove it, or name another folder",
        )  # fmt: skip
    with _opened(reference, overrides, workspace=workspace, reporter=reporter) as source:
        precision = precision or stored_precision(source.prepared.folder)
        split = next(name for name in _PREFERENCE if source.rows[name])
        if split == "train":
            reporter.say("  no rows were held out: the parity gate takes training rows")
        partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
        with disk_errors_explained(str(folder)):
            remove_folder(partial)
            partial.mkdir(parents=True)
            try:
                parity = _write(source, partial, split=split, precision=precision)
                tensors = check_gguf_ready(partial) if for_gguf else None
                rename_folder_whole(partial, folder)
            except Exception as error:
                full = disk_full_behind(error, folder=partial)
                if full is not None:
                    raise full from error
                raise
            finally:
                remove_folder(partial)
    prefix = source.prepared.entry.licence.name_prefix
    if prefix is not None and not folder.name.startswith(prefix):
        reporter.say(
            f"  the licence asks that the model's name begins with {prefix} where it is passed on: "
            f"it is called {source.name}, and the folder {folder.name}"
        )
    return Export(folder, precision, parity, split, tensors)


def _write(source: _Source, folder: Path, *, split: SplitName, precision: Precision) -> Parity:
    rows = [example.rendered for example in source.rows[split][:_PARITY_ROWS]]
    parity = write_merged(
        source.prepared, source.trained, folder=folder, precision=precision, rows=rows
    )
    write_surroundings(source.prepared, load_renderer(source.prepared), folder=folder)
    record, base = source.record, source.prepared.record
    provenance: dict[str, Any] = {
        "model": source.name,
        "version": source.version,
        "base": base.name,
        "base_source": base.source,
        "base_weights_digest": base.weights_digest,
        "licence": base.licence.identifier,
        "method": record.method,
        "settings": record.settings,
        "trained_digest": record.adapter_digest,
        "snapshot_digest": record.snapshot_digest,
        "template_digest": record.template_digest,
        "precision": precision,
        "parity": {**asdict(parity), "split": split},
        "scored_with_base_held_in": record.settings.get("quantisation"),
        "files": digest_files(folder),
        "packages": package_versions(),
        "code_version": code_version(),
    }
    write_json_whole(folder / PROVENANCE_NAME, provenance)
    return parity


@contextmanager
def _opened(
    reference: str, overrides: Sequence[str], *, workspace: Workspace, reporter: Reporter
) -> Iterator[_Source]:
    if _is_version(reference, workspace=workspace):
        if overrides:
            raise InvalidInputError(
                "a registered version cannot be changed", where=reference,
                got=" ".join(overrides), remedy="leave the key=value out, or name a recipe's file",
            )  # fmt: skip
        with (
            Registry.open(workspace) as registry,
            tempfile.TemporaryDirectory() as temporary,
        ):
            laid_out = registry.lay_out(reference, folder=Path(temporary) / "version")
            yield _of_version(registry, reference, laid_out, workspace=workspace, reporter=reporter)
    elif reference in list_recipes() or Path(reference).suffix in {".yaml", ".yml"}:
        yield _of_recipe(reference, overrides, workspace=workspace, reporter=reporter)
    else:
        raise InvalidInputError(
            f"neither a registered version nor a recipe is called {reference!r}",
            remedy="see `civicbench registry list` and `civicbench recipes list`",
        )


def _is_version(reference: str, *, workspace: Workspace) -> bool:
    if not registry_exists(workspace.registry_url):
        return False
    with Registry.open(workspace) as registry:
        versions = registry.list_versions()
    model = reference.partition(":")[0]
    return any(
        version.model == model
        or (len(reference) >= MINIMUM_PREFIX_CHARACTERS and version.digest.startswith(reference))
        for version in versions
    )


def _of_version(
    registry: Registry, reference: str, laid_out: Path, *, workspace: Workspace, reporter: Reporter
) -> _Source:
    evidence = registry.load_evidence(reference)
    prepared = prepare_model(
        load_model_entry(evidence.base.name), workspace=workspace, reporter=reporter
    )
    snapshot = find_snapshot_by_digest(evidence.dataset.digest, workspace=workspace)
    if snapshot is None:
        raise PartAbsentError(
            "the parity gate needs rows of the version's data, which does not stand here",
            where=f"dataset {evidence.dataset.name}",
            got=f"no snapshot {evidence.dataset.digest[:12]}",
            remedy=f"build it: {evidence.recipe.reproduce}",
        )
    renderer = load_renderer(prepared)
    rows = {
        split: _examples(snapshot, split, prepared=prepared, renderer=renderer)
        for split in _PREFERENCE
    }
    return _Source(
        name=evidence.model_name,
        version=evidence.digest,
        prepared=prepared,
        trained=laid_out / trained_folder(evidence.training.method),
        record=evidence.training,
        rows=rows,
    )


def _examples(
    snapshot: Path, split: SplitName, *, prepared: PreparedModel, renderer: ChatRenderer
) -> Sequence[Example]:
    rows = read_split(snapshot, split)[:_PARITY_ROWS]
    limit = prepared.record.context_length_tokens
    return (
        render_examples(
            [(row.id, row.messages) for row in rows],
            renderer=renderer,
            max_length_tokens=limit,
            context_length_tokens=limit,
        )
        if rows
        else ()
    )


def _of_recipe(
    reference: str, overrides: Sequence[str], *, workspace: Workspace, reporter: Reporter
) -> _Source:
    recipe = load_recipe(reference, overrides=overrides)
    inputs = prepare_inputs(recipe, workspace=workspace, reporter=reporter)
    stage = training_stage(
        recipe.training,
        inputs.prepared,
        snapshot_digest=inputs.data.digest,
        workspace=workspace,
    )
    done = find_finished(stage)
    if done is None:
        words = " ".join([reference, *overrides])
        raise PartAbsentError(
            "the recipe has not been trained here", where=f"recipe {recipe.settings.name}",
            remedy=f"civicbench train {words}",
        )  # fmt: skip
    return _Source(
        name=recipe.registered_name,
        version=None,
        prepared=inputs.prepared,
        trained=done.folder / ADAPTER_FOLDER,
        record=read_training_record(done.folder),
        rows={
            "validation": conversations_in(inputs.held_out),
            "test": (),
            "train": conversations_in(inputs.train),
        },
    )
