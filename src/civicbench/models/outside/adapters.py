"""A LoRA adapter from outside: does it belong to this base, and is it nothing but an adapter?"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from civicbench.core.documents import parse_json_object, read_text
from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import list_mistakes
from civicbench.models.outside.files import OutsideFiles, read_shapes
from civicbench.models.prepare import PreparedModel
from civicbench.models.settings import HubSource
from civicbench.models.trained import ADAPTER_CONFIGURATION_NAME, ADAPTER_WEIGHTS_NAME

Shapes = Mapping[str, tuple[int, ...]]
_PREFIX = "base_model.model."
_PART = re.compile(r"^(?P<module>.+)\.(?P<part>lora_A|lora_B|lora_magnitude_vector)(\.weight)?$")
# An embedding has two dimensions too, and PEFT would put nothing on it.
_LINEAR = re.compile(r"model\.layers\.\d+\.(self_attn|mlp)\.[a-z]+_proj|lm_head")
# What PEFT writes and this release reads; anything else must be unset.
_READ = {
    "base_model_name_or_path", "inference_mode", "lora_alpha", "lora_dropout", "peft_type",
    "peft_version", "r", "revision", "target_modules", "task_type", "use_dora", "use_rslora",
    "init_lora_weights", "bias", "exclude_modules", "layers_to_transform", "layers_pattern",
}  # fmt: skip
# They say how another setting works, which must be unset itself.
_PASSIVE = {"megatron_core", "qalora_group_size"}
_UNSET: tuple[Any, ...] = (None, False, {}, [], "")
_LONGEST_LIST = 5


def check_adapter(files: OutsideFiles, base: PreparedModel) -> dict[str, Any]:
    """Refuse an adapter that does not fit its base; return what its configuration says.

    Names, target modules and every shape are compared with the base's own.

    Raises:
        InvalidInputError: Another base, another kind of adapter, settings that this release does
            not read, weights that do not fit; every reason at once.
        IntegrityError: A weights file that is cut short.
    """
    path = files.path(ADAPTER_CONFIGURATION_NAME)
    configuration = parse_json_object(read_text(path), where=str(path))
    problems = [*_check_configuration(configuration)]
    if files.weights != (ADAPTER_WEIGHTS_NAME,):
        problems.append(
            f"weights: {', '.join(files.weights) or 'none'}, not {ADAPTER_WEIGHTS_NAME}"
        )
    if not problems:
        problems += _check_base_name(configuration, base)
        problems += _check_weights(configuration, read_shapes(files), base_shapes(base))
    if problems:
        raise InvalidInputError(
            f"is no adapter that can be put on {base.entry.name}: {list_mistakes(problems)}",
            where=str(files.folder),
        )
    return configuration


def plain_configuration(configuration: Mapping[str, Any], files: OutsideFiles) -> dict[str, Any]:
    """Return a checked adapter's configuration with nothing left to be read as a pattern.

    Every layer with weights is named in full, so that no pattern of a stranger's is matched here,
    and settings that this release does not read are left out.

    Args:
        configuration: From `check_adapter`.
        files: The adapter's files.
    """
    modules = {
        found["module"].removeprefix(_PREFIX)
        for key in read_shapes(files)
        if (found := _PART.match(key)) is not None
    }
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": configuration["r"],
        "lora_alpha": configuration.get("lora_alpha", 8),
        "lora_dropout": 0.0,
        "bias": "none",
        "use_dora": bool(configuration.get("use_dora")),
        "use_rslora": bool(configuration.get("use_rslora")),
        "init_lora_weights": True,
        "inference_mode": True,
        "fan_in_fan_out": False,
        "target_modules": sorted(modules),
    }


def base_shapes(base: PreparedModel) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of a base, from its safetensors files' headers."""
    names = tuple(name for name in sorted(base.record.files) if name.endswith(".safetensors"))
    return read_shapes(OutsideFiles(base.folder, names, ()))


def known_names(base: PreparedModel) -> set[str]:
    """Return what a base is called: in the catalogue, by its title, and on the hub."""
    names = {base.entry.name, base.entry.title}
    if isinstance(base.entry.source, HubSource):
        names.add(base.entry.source.repository)
    return {_plain(name) for name in names}


def _plain(name: str) -> str:
    """Return a model's name without owner, folders, case and separators."""
    last = name.rstrip("/").replace("\\", "/").split("/")[-1]
    return re.sub(r"[\s_-]+", "-", last.strip().lower())


def _check_base_name(configuration: Mapping[str, Any], base: PreparedModel) -> Iterator[str]:
    named = configuration.get("base_model_name_or_path")
    if named in (None, ""):
        return
    if not isinstance(named, str) or _plain(named) not in known_names(base):
        yield (
            f"base_model_name_or_path: it was trained on {named!r}, this base is "
            f"{base.entry.name}; where that is the same model under another name, correct it there"
        )


def _check_configuration(configuration: Mapping[str, Any]) -> Iterator[str]:
    wanted = {
        "peft_type": ("LORA",),
        "task_type": ("CAUSAL_LM", None),
        "bias": ("none", None),
        "init_lora_weights": (True, False, "gaussian", None),
    }
    for key, allowed in wanted.items():
        if configuration.get(key) not in allowed:
            yield f"{key}: {_shown(configuration.get(key))}; read are {_shown(list(allowed))}"
    rank = configuration.get("r")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        yield f"r: {_shown(rank)} is no rank"
    for key, value in configuration.items():
        if key not in _READ | _PASSIVE and value not in _UNSET:
            yield f"{key}: {_shown(value)}; this release does not read it"


def _check_weights(configuration: Mapping[str, Any], shapes: Shapes, base: Shapes) -> list[str]:
    rank, dora = int(configuration["r"]), bool(configuration.get("use_dora"))
    parts: dict[str, dict[str, tuple[int, ...]]] = {}
    problems = []
    for key, shape in shapes.items():
        found = _PART.match(key)
        if found is None or not key.startswith(_PREFIX):
            problems.append(f"{key}: is no weight of a LoRA adapter")
            continue
        parts.setdefault(found["module"].removeprefix(_PREFIX), {})[found["part"]] = shape
    if not parts:
        problems.append("there are no adapter weights")
    for module, own in sorted(parts.items()):
        weight = base.get(f"{module}.weight")
        if weight is None or not _LINEAR.fullmatch(module):
            problems.append(f"{module}: the base has no such linear layer")
            continue
        outputs, inputs = weight
        expected: dict[str, tuple[int, ...]] = {"lora_A": (rank, inputs), "lora_B": (outputs, rank)}
        if dora:
            expected["lora_magnitude_vector"] = (outputs,)
        if own != expected:
            problems.append(f"{module}: shapes {_shown(own)}, this base needs {_shown(expected)}")
    problems += _check_targets(configuration.get("target_modules"), parts)
    more = len(problems) - _LONGEST_LIST
    return [*problems[:_LONGEST_LIST], *([f"and {more} more of the kind"] if more > 0 else [])]


def _check_targets(targets: Any, parts: Mapping[str, object]) -> Iterator[str]:
    """Yield targets without weights, and weights without a target."""
    if isinstance(targets, str):
        # "all-linear", or a pattern: PEFT reads it against the base, and the weights name each one.
        return
    if not isinstance(targets, list) or not all(isinstance(name, str) for name in targets):
        yield f"target_modules: {_shown(targets)} is no list of names"
        return
    for name in targets:
        if not any(module == name or module.endswith(f".{name}") for module in parts):
            yield f"target_modules: {name} has no weights"
    for module in sorted(parts):
        if not any(module == name or module.endswith(f".{name}") for name in targets):
            yield f"{module}: has weights and is not among target_modules"


def _shown(value: Any) -> str:
    text = json.dumps(value, default=list)
    return text if len(text) <= 160 else text[:160] + "..."
