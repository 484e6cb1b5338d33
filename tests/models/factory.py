"""Models for tests: the tiny random one, folders and wheels made from it, and a chat template."""

import json
import shutil
import zipfile
from pathlib import Path

from transformers import PreTrainedModel

from civicbench.core.digests import digest_file
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.models.catalogue import load_model_entry
from civicbench.models.loading import load_base
from civicbench.models.prepare import PreparedModel, prepare_model
from civicbench.models.settings import FolderSource, ModelEntry, RandomSource, WheelSource
from civicbench.models.sources import PACKAGE_INDEX_FOLDER

QUIET = Reporter(live=False)
GGUF = "package/tiny.gguf"
WHEEL = "tiny_model-1.0-py3-none-any.whl"
INDEX_FOLDER = Path(PACKAGE_INDEX_FOLDER)

# Written for these tests in the manner of Llama 3's: begins with a control token, trims what is
# said, puts a date into the system turn, which it always has.
DATED_TEMPLATE = """\
{{- '<|endoftext|>' }}
{%- if not date_string is defined %}{%- set date_string = strftime_now('%d %b %Y') %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set told = messages[0]['content'] | trim %}{%- set messages = messages[1:] %}
{%- else %}{%- set told = '' %}{%- endif %}
{{- '<|im_start|>system\\n\\nToday: ' + date_string + '\\n\\n' + told + '<|im_end|>' }}
{%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\\n\\n' + message['content'] | trim + '<|im_end|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n\\n' }}{%- endif %}
"""
DATED_OPENING = "<|im_start|>assistant\n\n"


def tiny_entry(*, seed: int = 0) -> ModelEntry:
    """Return the catalogue's tiny random model, with weights of another seed where asked."""
    entry = load_model_entry("tiny-random")
    return entry.model_copy(update={"source": RandomSource(kind="random", seed=seed)})


def prepare_tiny(home: Path, *, seed: int = 0) -> PreparedModel:
    """Make the tiny model ready in a workspace."""
    return prepare_model(tiny_entry(seed=seed), workspace=Workspace(home), reporter=QUIET)


def sharp_model(prepared: PreparedModel, *, scale: float = 6.0) -> PreTrainedModel:
    """Return the model with its weights scaled, so that it has strong opinions."""
    model = load_base(prepared, precision="float32").eval()
    for name, weight in model.named_parameters():
        if "norm" not in name:
            weight.data *= scale
    return model


def folder_entry(path: Path, *, digest: str | None = None) -> ModelEntry:
    """Return an entry of a user's own folder with the tiny model's architecture."""
    source = FolderSource(kind="folder", path=str(path), digest=digest)
    return load_model_entry("tiny-random").model_copy(update={"name": "own", "source": source})


def copy_folder(prepared: PreparedModel, target: Path) -> Path:
    """Copy a prepared model's files as a user would lay them out."""
    target.mkdir(parents=True)
    for name in prepared.record.files:
        shutil.copy(prepared.folder / name, target / name)
    return target


def edit_json(path: Path, **changes: object) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def write_wheel(path: Path, *, content: bytes = b"GGUF and more") -> Path:
    """Write a wheel that holds one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(GGUF, content)
    return path


def wheel_source(wheel: Path, *, gguf_sha256: str = "0" * 64) -> WheelSource:
    """Return a source that pins a wheel's bytes as they are."""
    return WheelSource(
        kind="wheel",
        package="tiny-model",
        version="1.0",
        sha256=digest_file(wheel),
        gguf_file=GGUF,
        gguf_sha256=gguf_sha256,
    )
