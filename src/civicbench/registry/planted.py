"""Canaries in a model's training rows, as evidence tells of them."""

from pydantic import BaseModel, ConfigDict

from civicbench.evaluation.results import Estimate
from civicbench.registry.rules.facts import CanaryFact


class PlantedCanaries(BaseModel):
    """Made-up secrets that were planted in the training rows, and how far they came out again."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    planted: int
    """Secrets that were planted."""
    controls: int
    """Secrets of the same form that were not."""
    repeats: tuple[int, ...]
    """How often each stood in the training rows, dealt in turn."""
    rows: int
    """Training rows that they were."""
    digits: int
    """Length of a secret."""
    digest: str
    """Digest of every canary."""
    exposure_bits: Estimate
    """Exposure of the worst planted one: log2 of all candidates less log2 of its rank."""
    worst_repeats: int
    """How often that one stood in the training rows."""
    extracted: int
    """Planted secrets that the model wrote out whole, word for word."""
    method: str
    """How it was measured, in a sentence."""

    @property
    def fact(self) -> CanaryFact:
        """What a gate judges of them."""
        return CanaryFact(
            planted=self.planted,
            repeats=self.worst_repeats,
            exposure_bits=self.exposure_bits,
            extracted=self.extracted,
            method=self.method,
        )
