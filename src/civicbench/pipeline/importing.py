"""Models that were trained elsewhere: imported as drafts, and evaluated here."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civicbench.core.digests import digest_files, digest_listing
from civicbench.core.environment import code_version, processor_name
from civicbench.core.errors import InvalidInputError
from civicbench.core.files import disk_errors_explained, write_json_whole
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.models.loading import PROVENANCE_NAME
from civicbench.models.outside.adapters import check_adapter, plain_configuration
from civicbench.models.outside.files import OutsideFiles, check_finite, list_outside, read_shapes
from civicbench.models.outside.whole import check_vocabulary, check_whole, other_template
from civicbench.models.prepare import PreparedModel, prepare_model
from civicbench.models.trained import (
    ADAPTER_CONFIGURATION_NAME,
    CONFIGURATION_NAME,
    GENERATION_NAME,
    TrainedKind,
    trained_folder,
)
from civicbench.pipeline.evidence import (
    EVIDENCE_FORMAT_VERSION,
    judge_evidence,
    recipe_fact,
    unjudged,
)
from civicbench.recipes.loading import Recipe, load_recipe
from civicbench.registry.elsewhere import (
    TrainedElsewhere,
    unknown_data,
    unknown_measurements,
    unknown_training,
)
from civicbench.registry.evidence import Evidence, Measurements
from civicbench.registry.grounds import Grounds
from civicbench.registry.preregistration import GateLog
from civicbench.registry.registry import Registry
from civicbench.registry.versions import VersionSummary

if TYPE_CHECKING:
    pass

_SAID = ("base_model_name_or_path", "r", "lora_alpha", "use_dora", "use_rslora", "peft_version",
         "_name_or_path", "transformers_version", "dtype", "torch_dtype")  # fmt: skip


@dataclass(frozen=True)
class Imported:
    """A model that was imported.

    Attributes:
        version: The draft.
        elsewhere: Where it came from, and what was noted.
    """

    version: VersionSummary
    elsewhere: TrainedElsewhere


def import_model(
    folder: Path,
    recipe: Recipe,
    *,
    origin: str,
    workspace: Workspace,
    reporter: Reporter,
) -> Imported:
    """Register a model that was trained elsewhere, as a draft.

    Its gate is written down before anything is scored, and nothing of the folder is loaded: the
    files are copied first, and what is checked is the copy.

    Args:
        folder: A PEFT adapter, or a whole model, in Hugging Face layout.
        recipe: What it is for, the base it stands on, the suites and the gate.
        origin: Who trained it, from what, and where it came from.
        workspace: Where registry and models are.
        reporter: Told what is going on.

    Raises:
        PartAbsentError: The folder, or the base model, is not here.
        InvalidInputError: Pickles, code, links or odd names in the folder; another base.
        IntegrityError: Weights that are cut short.
    """
    if not origin.strip():
        raise InvalidInputError(
            "has to say who trained the model and where it came from", where="--origin"
        )
    outside = list_outside(folder)
    base = prepare_model(recipe.model, workspace=workspace, reporter=reporter)
    with (
        tempfile.TemporaryDirectory() as temporary,
        Registry.open_or_initialise(workspace, reporter=reporter) as registry,
    ):
        copied = _copy(outside, Path(temporary) / "outside")
        kind, configuration = _check(copied, base)
        notes = _notes(copied, base)
        place = Path(temporary) / trained_folder("full" if kind == "full" else "lora")
        _lay_out(copied, configuration, base, kind=kind, folder=place)
        elsewhere = TrainedElsewhere(
            origin=origin.strip(),
            kind=kind,
            said={k: str(configuration[k]) for k in _SAID if configuration.get(k) is not None},
            files=copied.digests(),
            notes=notes,
        )
        digest = digest_listing(digest_files(place))
        GateLog(registry).register(recipe.gate, training=digest, recipe=recipe.settings.name)
        evidence = Evidence(
            format_version=EVIDENCE_FORMAT_VERSION,
            model_name=recipe.registered_name,
            recipe=recipe_fact(recipe, reproduce=_command(recipe, origin=origin)),
            base=base.record,
            dataset=unknown_data(),
            training=unknown_training(
                base.record,
                method="full" if kind == "full" else "lora",
                adapter_digest=digest,
                parameters=_count(copied),
                code_version=code_version(),
            ),
            suites=(),
            comparisons=(),
            gate=unjudged(recipe),
            grounds=Grounds(sectors=recipe.settings.sectors),
            trained_elsewhere=elsewhere,
        )
        evidence = judge_evidence(evidence, recipe, training=digest, registry=registry)
        known = registry.find(evidence.digest)
        version = registry.register(
            evidence,
            measurements=Measurements(
                training=unknown_measurements(), stage_times_s={}, machine=processor_name()
            ),
            files={f"{place.name}/{path.name}": path for path in sorted(place.iterdir())},
        )
    said = "found registered" if known else "imported"
    reporter.say(f"+ {version.reference}: {said} as {version.digest[:12]}, a draft")
    for note in notes:
        reporter.say(f"  {note}")
    return Imported(version, elsewhere)


def load_import_recipe(
    reference: str, *, base: str, name: str | None, overrides: Sequence[str]
) -> Recipe:
    """Return the recipe of an import, on the base that was named.

    Args:
        reference: The recipe.
        base: The base model.
        name: The model's name in the registry; None for the recipe's.
        overrides: `key.path=value` texts.
    """
    named = [] if name is None else [f"registered_name={name}"]
    return load_recipe(reference, overrides=[f"model={base}", *named, *overrides])


def _copy(outside: OutsideFiles, folder: Path) -> OutsideFiles:
    """Copy the files that are taken, so that nobody changes them between check and use."""
    folder.mkdir(parents=True)
    with disk_errors_explained(str(folder)):
        for name in outside.taken:
            shutil.copyfile(outside.path(name), folder / name, follow_symlinks=False)
    return list_outside(folder)


def _check(files: OutsideFiles, base: PreparedModel) -> tuple[TrainedKind, dict[str, Any]]:
    kind: TrainedKind
    if files.has(ADAPTER_CONFIGURATION_NAME):
        kind, configuration = "adapter", check_adapter(files, base)
    elif files.has(CONFIGURATION_NAME):
        kind, configuration = "full", check_whole(files, base)
    else:
        raise InvalidInputError(
            "holds neither an adapter nor a model",
            where=str(files.folder),
            got=", ".join(files.taken) or "no file",
            remedy=f"give a folder with {ADAPTER_CONFIGURATION_NAME}, or with {CONFIGURATION_NAME}",
        )
    check_vocabulary(files, base)
    check_finite(files)
    return kind, configuration


def _notes(files: OutsideFiles, base: PreparedModel) -> tuple[str, ...]:
    notes = []
    if other_template(files, base):
        notes.append(
            "It came with another chat template than its base's, and is evaluated with the base's."
        )
    return tuple(notes)


def _lay_out(
    files: OutsideFiles,
    configuration: dict[str, Any],
    base: PreparedModel,
    *,
    kind: TrainedKind,
    folder: Path,
) -> None:
    """Write what a version keeps: weights, configuration, and what they were checked against."""
    folder.mkdir()
    kept = [*files.weights]
    if kind == "full":
        kept += [
            name
            for name in (CONFIGURATION_NAME, GENERATION_NAME, "model.safetensors.index.json")
            if files.has(name)
        ]
    else:
        plain = {
            **plain_configuration(configuration, files),
            "base_model_name_or_path": base.entry.name,
        }
        write_json_whole(folder / ADAPTER_CONFIGURATION_NAME, plain)
    for name in kept:
        shutil.copyfile(files.path(name), folder / name)
    record = base.record
    provenance = {
        "trained": "elsewhere",
        "base": record.name,
        "base_weights_digest": record.weights_digest,
        "tokenizer_digest": record.tokenizer_digest,
        "template_digest": record.template_digest,
    }
    write_json_whole(folder / PROVENANCE_NAME, provenance)


def _count(files: OutsideFiles) -> int:
    total = 0
    for shape in read_shapes(files).values():
        size = 1
        for length in shape:
            size *= length
        total += size
    return total


def _command(recipe: Recipe, *, origin: str) -> str:
    return (
        f"civicbench registry import FOLDER --base {recipe.model.name} "
        f"--recipe {recipe.settings.name} --origin {origin.strip()!r}"
    )
