"""JSON Schemas of what users write, for their editors: `make schemas`."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from civicbench.core.content import shipped_content_root
from civicbench.core.files import write_text_whole
from civicbench.datasets.settings import DatasetSettings
from civicbench.evaluation.judges.settings import JudgeSettings
from civicbench.evaluation.settings import SuiteSettings
from civicbench.launch.slurm.profile import ClusterProfile
from civicbench.models.licences import LicenceTerms
from civicbench.models.settings import ModelEntry
from civicbench.recipes.settings import RecipeSettings
from civicbench.registry.gates import Gate
from civicbench.training.devices import DeviceEntry
from civicbench.training.distributed.presets import DistributedPreset
from civicbench.training.settings import TrainingMethod
from civicbench.training.tracking import TrackerSettings

_KINDS: dict[str, type[BaseModel]] = {
    "cluster": ClusterProfile,
    "dataset": DatasetSettings,
    "distributed": DistributedPreset,
    "gate": Gate,
    "hardware": DeviceEntry,
    "judge": JudgeSettings,
    "licence": LicenceTerms,
    "model": ModelEntry,
    "recipe": RecipeSettings,
    "suite": SuiteSettings,
    "tracker": TrackerSettings,
    "training": TrainingMethod,
}


def render_schemas() -> dict[str, str]:
    """Return each schema's file name and text."""
    texts = {}
    for name, kind in _KINDS.items():
        schema = kind.model_json_schema()
        if name == "recipe":
            schema = _as_written(schema)
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        texts[f"{name}.json"] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return texts


def _as_written(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the recipe's schema as written: parts may come from `extends` or the method."""
    extends = {"type": "string", "description": "Another recipe, whose settings this one changes."}
    training = schema["$defs"]["RecipeTraining"]
    return {
        **schema,
        "properties": {"extends": extends, **schema["properties"]},
        "required": ["name"],
        "$defs": {**schema["$defs"], "RecipeTraining": {**training, "required": []}},
    }


def write_schemas(folder: Path) -> None:
    """Write every schema into a folder."""
    for name, text in render_schemas().items():
        write_text_whole(folder / name, text)


if __name__ == "__main__":
    write_schemas(shipped_content_root() / "configs" / "schema")
