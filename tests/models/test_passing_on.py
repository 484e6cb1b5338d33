"""What a base's licence asks to go with a model stands beside the weights."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.models.factory import copy_folder

from civicbench.models.catalogue import load_model_entry
from civicbench.models.licences import load_terms, read_shipped_text
from civicbench.models.prepare import PreparedModel
from civicbench.models.publishing import licence_files, write_licence

AGREEMENT = "LLAMA COMMUNITY LICENSE AGREEMENT\n"


def licensed(tiny: PreparedModel, folder: Path, *, like: str) -> PreparedModel:
    """The tiny model in a folder of its own, under another model's licence."""
    entry = tiny.entry.model_copy(update={"licence": load_model_entry(like).licence})
    return replace(tiny, entry=entry, folder=copy_folder(tiny, folder))


@pytest.mark.parametrize("version", ["3.1-8b", "3.2-1b", "3.3-70b"])
def test_a_llama_goes_with_agreement_notice_and_policy(
    tiny: PreparedModel, tmp_path: Path, version: str
) -> None:
    base = licensed(tiny, tmp_path / "base", like=f"llama-{version}-instruct")
    (base.folder / "LICENSE.txt").write_text(AGREEMENT)
    (base.folder / "USE_POLICY.md").write_text("No espionage.\n")
    out = tmp_path / "out"
    out.mkdir()
    write_licence(base, folder=out)
    assert (out / "LICENSE.txt").read_text() == AGREEMENT
    assert (out / "USE_POLICY.md").is_file()
    terms = load_terms(f"llama-{version.split('-')[0]}-community")
    assert (out / "Notice").read_text() == f"{terms.attribution}\n"
    duties = (out / "LICENCE-DUTIES.txt").read_text()
    assert "Built with Llama" in duties
    assert "has to begin with: Llama" in duties
    # What was written is no licence text of the next base.
    assert [path.name for path in licence_files(out)] == ["LICENSE.txt"]


def test_apaches_text_goes_along_although_the_base_came_without(
    tiny: PreparedModel, tmp_path: Path
) -> None:
    base = licensed(tiny, tmp_path / "base", like="smollm2-135m-instruct")
    out = tmp_path / "out"
    out.mkdir()
    write_licence(base, folder=out)
    text = (out / "LICENSE").read_text(encoding="utf-8")
    assert text == read_shipped_text(load_terms("apache-2.0"))
    assert "Apache License" in text
    assert not (out / "Notice").exists()


def test_metas_text_is_not_made_up(tiny: PreparedModel, tmp_path: Path) -> None:
    base = licensed(tiny, tmp_path / "base", like="llama-3.2-1b-instruct")
    out = tmp_path / "out"
    out.mkdir()
    write_licence(base, folder=out)
    assert licence_files(out) == []
