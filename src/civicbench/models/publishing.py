"""A model folder in Hugging Face layout for others: tokenizer, template, licence duties."""

import json
import shutil
from pathlib import Path

from civicbench.core.documents import read_text
from civicbench.core.files import write_json_whole, write_text_whole
from civicbench.models.licences import LicenceTerms, find_terms, read_shipped_text
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer
from civicbench.models.settings import Licence
from civicbench.models.trained import GENERATION_NAME

NOTICE_NAME = "NOTICE"
DUTIES_NAME = "LICENCE-DUTIES.txt"
AGREEMENT_NAME = "LICENSE"
_AGREEMENTS = ("LICENSE*", "LICENCE*")
_OTHER_TEXTS = ("USE_POLICY*", "NOTICE*", "Notice*")


def licence_files(folder: Path) -> list[Path]:
    """Return the files with the text of a licence that stand in a base model's folder."""
    found = {path for pattern in _AGREEMENTS for path in folder.glob(pattern) if path.is_file()}
    return sorted(path for path in found if path.name != DUTIES_NAME)


def notice_name(terms: LicenceTerms | None) -> str:
    """Return what the file with a licence's attribution is called."""
    return NOTICE_NAME if terms is None else terms.notice_file


def write_licence(prepared: PreparedModel, *, folder: Path) -> None:
    """Write what a base's licence asks to go with a model: its text, the Notice, the duties.

    Args:
        prepared: The base model.
        folder: Gets the files.
    """
    licence = prepared.entry.licence
    terms = find_terms(licence.identifier)
    others = [path for pattern in _OTHER_TEXTS for path in prepared.folder.glob(pattern)]
    agreements = licence_files(prepared.folder)
    for path in (*agreements, *sorted({other for other in others if other.is_file()})):
        shutil.copyfile(path, folder / path.name)
    text = None if terms is None else read_shipped_text(terms)
    if not agreements and text is not None:
        write_text_whole(folder / AGREEMENT_NAME, text)
    if licence.attribution is not None:
        attribution = licence.attribution.rstrip("\n") + "\n"
        write_text_whole(folder / notice_name(terms), attribution)
    write_text_whole(folder / DUTIES_NAME, describe_duties(licence, base=prepared.entry.title))


def write_surroundings(prepared: PreparedModel, renderer: ChatRenderer, *, folder: Path) -> None:
    """Write what stands beside the weights of a model that is made from a base.

    Tokenizer and chat template as training used them, a generation configuration that stops at
    the end of turn, and what the base's licence asks to go with it.

    Args:
        prepared: The base model.
        renderer: Its renderer.
        folder: Gets the files.
    """
    tokenizer = renderer.tokenizer
    tokenizer.chat_template = renderer.template
    tokenizer.save_pretrained(folder)
    _write_generation(prepared.folder / GENERATION_NAME, renderer, folder=folder)
    write_licence(prepared, folder=folder)


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
        notice = notice_name(find_terms(licence.identifier))
        lines.append(f"To be passed on: the file {notice}")
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
