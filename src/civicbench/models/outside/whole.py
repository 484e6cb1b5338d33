"""A whole model from outside: the same architecture and vocabulary as its base, other weights."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from civicbench.core.documents import parse_json_object, read_text
from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import list_mistakes
from civicbench.models.outside.adapters import base_shapes
from civicbench.models.outside.files import OutsideFiles, read_shapes
from civicbench.models.prepare import PreparedModel
from civicbench.models.trained import CONFIGURATION_NAME

_INDEX = "model.safetensors.index.json"
_HEAD, _EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"
# What decides how a Llama computes, whatever its weights are.
_COMPUTES = ("model_type", "hidden_size", "intermediate_size", "num_hidden_layers",
             "num_attention_heads", "num_key_value_heads", "vocab_size", "hidden_act",
             "rms_norm_eps", "attention_bias", "mlp_bias")  # fmt: skip
_LONGEST_LIST = 5


def check_whole(files: OutsideFiles, base: PreparedModel) -> dict[str, Any]:
    """Refuse a model that is no fine-tune of its base; return what its configuration says.

    Raises:
        InvalidInputError: Another architecture, code of its own, tensors or shapes that are not
            the base's; every reason at once.
        IntegrityError: A weights file that is cut short.
    """
    path = files.path(CONFIGURATION_NAME)
    configuration = parse_json_object(read_text(path), where=str(path))
    own = parse_json_object(read_text(base.folder / CONFIGURATION_NAME), where=str(base.folder))
    problems = [*_check_configuration(configuration, own), *_check_index(files)]
    if not problems:
        problems += _check_shapes(read_shapes(files), base_shapes(base))
    if problems:
        raise InvalidInputError(
            f"is no fine-tune of {base.entry.name}: {list_mistakes(problems)}",
            where=str(files.folder),
        )
    return configuration


def check_vocabulary(files: OutsideFiles, base: PreparedModel) -> None:
    """Refuse a model whose tokenizer gives pieces other numbers than its base's does.

    It is scored with the base's tokenizer: with another one every score would be of noise.

    Raises:
        InvalidInputError: With the first token that differs.
    """
    if not files.has("tokenizer.json") or not (base.folder / "tokenizer.json").is_file():
        return
    theirs, ours = (_vocabulary(path) for path in (files.path("tokenizer.json"),
                                                   base.folder / "tokenizer.json"))  # fmt: skip
    odd = next(
        (piece for piece in {**ours, **theirs} if ours.get(piece) != theirs.get(piece)), None
    )
    if odd is not None:
        raise InvalidInputError(
            f"has another vocabulary than {base.entry.name}, with whose tokenizer it is scored",
            where=str(files.path("tokenizer.json")),
            got=f"{odd!r} is {theirs.get(odd)} there and {ours.get(odd)} in the base",
        )


def other_template(files: OutsideFiles, base: PreparedModel) -> bool:
    """Return whether the model came with another chat template than its base's."""
    theirs = _template(files)
    if theirs is None:
        return False
    ours = base.entry.template or _template(
        OutsideFiles(base.folder, tuple(sorted(base.record.files)), ())
    )
    return ours is not None and theirs.strip() != ours.strip()


def _template(files: OutsideFiles) -> str | None:
    if files.has("chat_template.jinja"):
        return read_text(files.path("chat_template.jinja"))
    if files.has("tokenizer_config.json"):
        path = files.path("tokenizer_config.json")
        found = parse_json_object(read_text(path), where=str(path)).get("chat_template")
        return found if isinstance(found, str) else None
    return None


def _vocabulary(path: Path) -> dict[str, int]:
    data = parse_json_object(read_text(path), where=str(path))
    model = data.get("model")
    listed = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(listed, dict):
        raise InvalidInputError("names no vocabulary", where=str(path))
    added = data.get("added_tokens") or []
    return {**listed, **{token["content"]: token["id"] for token in added}}


def _check_configuration(theirs: dict[str, Any], ours: dict[str, Any]) -> Iterator[str]:
    if "auto_map" in theirs:
        yield "config.json: asks for code from the repository (auto_map), which is never run here"
    if theirs.get("quantization_config") is not None:
        yield "config.json: quantised weights are not imported"
    if theirs.get("architectures") not in (None, ["LlamaForCausalLM"]):
        yield f"config.json: architectures {json.dumps(theirs.get('architectures'))}"
    for key in _COMPUTES:
        if theirs.get(key, ours.get(key)) != ours.get(key):
            yield f"config.json: {key} is {theirs.get(key)}, the base's is {ours.get(key)}"


def _check_index(files: OutsideFiles) -> Iterator[str]:
    if not files.weights:
        yield "there are no safetensors weights"
    if not files.has(_INDEX):
        if len(files.weights) > 1:
            yield f"several weight files and no {_INDEX}"
        return
    path = files.path(_INDEX)
    listed = parse_json_object(read_text(path), where=str(path)).get("weight_map")
    if not isinstance(listed, dict):
        yield f"{_INDEX}: has no weight_map"
        return
    odd = sorted({*map(str, listed.values())} ^ {*files.weights})
    if odd:
        yield f"{_INDEX} and the weight files do not name each other: {', '.join(odd[:5])}"


def _check_shapes(
    theirs: dict[str, tuple[int, ...]], ours: dict[str, tuple[int, ...]]
) -> Iterator[str]:
    # A tied head is written or left out, as the program that saved it likes.
    if _HEAD not in ours and theirs.get(_HEAD) == ours.get(_EMBEDDING):
        theirs = {name: shape for name, shape in theirs.items() if name != _HEAD}
    names = [name for name in sorted({*theirs, *ours}) if theirs.get(name) != ours.get(name)]
    for name in names[:_LONGEST_LIST]:
        yield f"{name}: {_shown(theirs.get(name))}, the base's is {_shown(ours.get(name))}"
    if len(names) > _LONGEST_LIST:
        yield f"and {len(names) - _LONGEST_LIST} more of the kind"


def _shown(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else "x".join(map(str, shape))
