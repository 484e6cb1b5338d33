"""What is kept about a base model that was made ready."""

from pydantic import BaseModel, ConfigDict, Field

from civicbench.models.settings import Licence, Modality


class ModelRecord(BaseModel):
    """A base model as it stands on this machine; written beside its files as `model.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """Name in the catalogue."""
    title: str
    """Name for people."""
    source: str
    """Where it came from, in one line (package, repository and revision, or folder)."""
    licence: Licence
    """Its licence and duties."""
    parameters: int
    """Number of weights."""
    context_length_tokens: int
    """Longest sequence."""
    # Records of models that read text alone keep the digests they had before it was asked.
    modalities: tuple[Modality, ...] = Field(
        default=("text",), exclude_if=lambda modalities: modalities == ("text",)
    )
    """What the model reads."""
    files: dict[str, str]
    """sha256 of each file by name."""
    weights_digest: str
    """Digest of weights and configuration."""
    tokenizer_digest: str
    """Digest of tokenizer files."""
    template_digest: str
    """Digest of the chat template's text."""
