"""A model folder in Hugging Face layout for others: tokenizer, template, licence duties."""

import json
import shutil
from pathlib import Path

from civicbench.core.documents import read_text
from civicbench.core.files import write_json_whole, write_text_whole
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer
from civicbench.models.settings import Licence
from civicbench.models.trained import GENERATION_NAME

NOTICE_NAME = "NOTICE"
DUTIES_NAME = "LICENCE-DUTIES.txt"
_LICENCE_TEXTS = ("LICENSE*", "LICENCE*", "USE_POLICY*", "NOTICE*")


def write_surroundings(prepared: PreparedModel, renderer: ChatRenderer, *, folder: Path) -> None:
    """Write what stands beside the weights of a model that is made from a base.

    Tokenizer and chat template as training used them, a generation configuration that stops at
    the end of turn, the base's own licence texts where it came with some, a NOTICE where the
    licence asks for one, and the licence's duties in a list.

    Args:
        prepared: The base model.
        renderer: Its renderer.
        folder: Gets the files.
    """
    tokenizer = renderer.tokenizer
    tokenizer.chat_template = renderer.template
    tokenizer.save_pretrained(folder)
    _write_generation(prepared.folder / GENERATION_NAME, renderer, folder=folder)
    for pattern in _LICENCE_TEXTS:
        for path in sorted(prepared.folder.glob(pattern)):
            if path.is_file():
                shutil.copyfile(path, folder / path.name)
    licence = prepared.entry.licence
    if licence.attribution is not None:
        write_text_whole(folder / NOTICE_NAME, licence.attribution.rstrip("\n") + "\n")
    write_text_whole(folder / DUTIES_NAME, describe_duties(licence, base=prepared.entry.title))


def describe_duties(licence: Licence, *, base: str) -> str:
    """Return what a base's licence asks of whoever passes this model on, as plain text.

    Args:
        licence: The base's licence.
        base: The base's name for people.
    """
    lines = [f"This model is made from {base}.", f"Licence: {licence.name} ({licence.identifier})"]
    lines.append(f"Its text: {licence.url}")
    if licence.use_policy_url is not None:
        lines.append(f"Use policy: {licence.use_policy_url}")
    if licence.name_prefix is not None:
        lines.append(f"A derivative's name has to begin with: {licence.name_prefix}")
    if licence.display is not None:
        lines.append(f"To be shown prominently: {licence.display}")
    if licence.attribution is not None:
        lines.append(f"To be passed on: the file {NOTICE_NAME}")
    lines.append("")
    lines.append("What it asks of whoever passes this model on:")
    lines += [f"- {duty}" for duty in licence.duties] or ["- no duty is recorded"]
    return "\n".join(lines) + "\n"


def _write_generation(source: Path, renderer: ChatRenderer, *, folder: Path) -> None:
    """Write the base's generation configuration with our end of turn among those that stop."""
    settings = json.loads(read_text(source)) if source.is_file() else {}
    named = settings.get("eos_token_id")
    stops = named if isinstance(named, list) else [] if named is None else [named]
    settings["eos_token_id"] = sorted({*stops, renderer.end_of_turn_id})
    settings["pad_token_id"] = int(renderer.tokenizer.pad_token_id)
    write_json_whole(folder / GENERATION_NAME, settings)
