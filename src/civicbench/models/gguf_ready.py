"""Whether a model folder is what llama.cpp's converter to GGUF reads."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from civicbench.core.documents import parse_json_object, read_text
from civicbench.core.errors import WorkFailedError
from civicbench.core.settings import list_mistakes
from civicbench.models.outside.files import OutsideFiles, read_shapes
from civicbench.models.trained import CONFIGURATION_NAME, GENERATION_NAME

CONVERT_COMMAND = "python convert_hf_to_gguf.py {folder} --outfile MODEL.gguf --outtype f16"
"""llama.cpp's own command, to be run from its checkout."""
_NEEDED = (CONFIGURATION_NAME, GENERATION_NAME, "tokenizer_config.json")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model")
_SUFFIXES = (".weight", ".bias")


def check_gguf_ready(folder: Path) -> int:
    """Refuse a model folder that llama.cpp's converter would not read.

    It needs whole weights under names that GGUF has a place for, the tokenizer's files, and the
    configurations; an adapter beside them would be left out in silence.

    Args:
        folder: The model folder.

    Returns:
        How many tensors there are.

    Raises:
        WorkFailedError: With everything that is missing or cannot be converted.
    """
    problems = [*_files(folder)]
    tensors: dict[str, tuple[int, ...]] = {}
    if not problems:
        configuration = parse_json_object(
            read_text(folder / CONFIGURATION_NAME), where=str(folder / CONFIGURATION_NAME)
        )
        names = tuple(sorted(path.name for path in folder.glob("*.safetensors")))
        tensors = read_shapes(OutsideFiles(folder, names, ()))
        problems += _configuration(configuration)
        problems += _names(tensors, layers=int(configuration["num_hidden_layers"]))
        problems += _vocabulary(folder, rows=int(configuration["vocab_size"]))
    if problems:
        raise WorkFailedError(
            f"the folder is not ready for llama.cpp's converter: {list_mistakes(problems)}",
            where=str(folder),
        )
    return len(tensors)


def _files(folder: Path) -> Iterator[str]:
    names = {path.name for path in folder.iterdir()}
    for name in _NEEDED:
        if name not in names:
            yield f"{name} is missing"
    if not names & {*_TOKENIZERS}:
        yield f"none of {', '.join(_TOKENIZERS)} is there"
    if not any(name.endswith(".safetensors") for name in names):
        yield "there are no safetensors weights"
    for name in sorted(names):
        if name.startswith("adapter_"):
            yield f"{name}: an adapter is left, which the converter would leave out"


def _configuration(configuration: dict[str, Any]) -> Iterator[str]:
    if configuration.get("architectures") != ["LlamaForCausalLM"]:
        yield f"config.json: architectures {configuration.get('architectures')}"
    if configuration.get("quantization_config") is not None:
        yield "config.json: names a quantisation"


def _names(tensors: dict[str, tuple[int, ...]], *, layers: int) -> Iterator[str]:
    from gguf import MODEL_ARCH, get_tensor_name_map

    known = get_tensor_name_map(MODEL_ARCH.LLAMA, layers)
    for name in tensors:
        if known.get_name(name, try_suffixes=_SUFFIXES) is None:
            yield f"{name}: GGUF has no place for this tensor"


def _vocabulary(folder: Path, *, rows: int) -> Iterator[str]:
    path = folder / "tokenizer.json"
    if not path.is_file():
        return
    data = json.loads(read_text(path))
    listed = data["model"]["vocab"]
    highest = max(
        [*listed.values(), *(token["id"] for token in data.get("added_tokens") or [])], default=-1
    )
    if highest >= rows:
        yield f"tokenizer.json: token {highest} has no row in the embedding, which has {rows}"
