"""Settings and sizes for plans of memory."""

from typing import Any

from civicbench.models.catalogue import load_model_entry
from civicbench.models.settings import Architecture
from civicbench.training.memory.passes import PassShape
from civicbench.training.methods import load_method
from civicbench.training.settings import TrainingSettings

FULL: dict[str, Any] = {"method": "full", "rank": None, "alpha": None, "target_modules": None}
BFLOAT16: dict[str, Any] = {"precision": "bfloat16"}
SMOL = load_model_entry("smollm2-135m-instruct").architecture
PASS = PassShape(1200, 240)


def make_settings(**changes: Any) -> TrainingSettings:
    """Return the method lora's settings with some of them changed."""
    method = load_method("lora").settings.model_dump(mode="json")
    return TrainingSettings.model_validate({**method, "precision": "float32", **changes})


def architecture(name: str) -> Architecture:
    return load_model_entry(name).architecture
