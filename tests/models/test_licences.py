"""What the licences ask, and that the catalogue says the same."""

import re

import pytest

from civicbench.core.errors import InvalidInputError
from civicbench.models.catalogue import list_model_entries
from civicbench.models.licences import find_terms, list_terms, load_terms, shipped_text

LLAMAS = ("llama-3.1-community", "llama-3.2-community", "llama-3.3-community", "llama-4-community")


def test_every_base_models_licence_is_described_and_says_the_same() -> None:
    for entry in list_model_entries():
        terms = find_terms(entry.licence.identifier)
        assert terms is not None, entry.name
        for field in ("name_prefix", "attribution", "display", "use_policy_url"):
            assert getattr(entry.licence, field) == getattr(terms, field), f"{entry.name}: {field}"


@pytest.mark.parametrize("name", LLAMAS)
def test_each_llama_licence_has_its_own_text(name: str) -> None:
    version = name.split("-")[1]
    terms = load_terms(name)
    assert terms.attribution == (
        f"Llama {version} is licensed under the Llama {version} Community License, "
        "Copyright © Meta Platforms, Inc. All Rights Reserved."
    )
    assert (terms.name_prefix, terms.display, terms.notice_file) == (
        "Llama", "Built with Llama", "Notice",
    )  # fmt: skip
    assert re.search(rf"llama{version.replace('.', '_')}/use-policy", str(terms.use_policy_url))
    # 3.1 came before the clause on the EU.
    assert terms.multimodal_bars_eu == (version != "3.1")


def test_the_bars_on_arms_differ_by_version() -> None:
    assert "biological" not in load_terms("llama-3.1-community").clause("military").bars
    assert "biological" in load_terms("llama-3.2-community").clause("military").bars


@pytest.mark.parametrize("name", LLAMAS)
def test_what_public_bodies_run_into_needs_a_waiver(name: str) -> None:
    touched = {
        sector
        for clause in load_terms(name).clauses
        if clause.needs == "waiver"
        for sector in clause.sectors
    }
    assert touched >= {"defence", "national-security", "critical-infrastructure", "nuclear"}
    assert touched.isdisjoint({"consultation", "translation", "advice", "planning"})


def test_names_are_unique_and_an_unknown_clause_is_met_with_the_nearest() -> None:
    identifiers = [terms.identifier for terms in list_terms()]
    assert len(set(identifiers)) == len(identifiers)
    with pytest.raises(InvalidInputError, match="military"):
        load_terms("llama-3.2-community").clause("militry")


def test_the_text_of_apaches_licence_is_shipped_and_metas_is_not() -> None:
    """Apache's may be passed on by anybody; Meta's comes with the model's own files."""
    assert shipped_text(load_terms("apache-2.0")) is not None
    assert all(shipped_text(load_terms(name)) is None for name in LLAMAS)
