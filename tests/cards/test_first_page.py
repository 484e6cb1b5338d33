"""The first page of a card: in a decision's order, with what stands around the version."""

import re
from pathlib import Path

import pytest
from tests.registry.decided import decide, enrol, key_of
from tests.registry.factory import make_evidence, make_files

from civicbench.cards.card import CardPaths, write_registered_card
from civicbench.cards.composition import compose_card
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.registry.chain import current_actor
from civicbench.registry.grounds import Grounds
from civicbench.registry.registry import Registry
from civicbench.registry.rules.facts import LiveFact


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> tuple[CardPaths, CardPaths, str]:
    """Cards of a version before and after the decision, and the log's head then."""
    folder = tmp_path_factory.mktemp("card")
    with Registry.open_or_initialise(
        Workspace(folder / "home"), reporter=Reporter(live=False)
    ) as registry:
        keys = enrol(registry, account=current_actor())
        evidence, measurements = make_evidence(0)
        files = make_files(folder / "files", seed=0)
        version = registry.register(evidence, measurements=measurements, files=files)
        before = write_registered_card(registry, version.digest, folder=folder / "before")
        decide(registry, version.digest, keys=keys)
        after = write_registered_card(registry, version.digest, folder=folder / "after")
        return before, after, registry.head().digest


def test_the_parts_stand_in_the_order_of_a_decision() -> None:
    evidence, measurements = make_evidence(0)
    document = compose_card(evidence, measurements, state="evaluated", number=1)
    names = [section.name for section in document.sections]
    begins = next(n for n, section in enumerate(document.sections) if section.part)
    assert names[:begins] == [
        "decision", "uses", "gate", "safety", "worst", "data-in-short", "base-model", "again",
    ]  # fmt: skip
    assert len(set(names)) == len(names)


def test_a_card_says_who_decided_and_prints_the_head_of_the_log(
    cards: tuple[CardPaths, CardPaths, str],
) -> None:
    before, after, head = cards
    text = before.markdown.read_text("utf-8")
    assert "Nobody has decided on this version yet." in text
    assert "does not apply" in text
    for path in (after.markdown, after.html):
        said = path.read_text("utf-8")
        assert head in said
        assert key_of("rhian").public.fingerprint in said
        assert "Nobody has decided" not in said
        assert "1 of 1 that the gate asks for" in said


def test_the_gate_stands_beside_the_live_version() -> None:
    evidence, measurements = make_evidence(0)
    text = str(compose_card(evidence, measurements, state="evaluated", number=1))
    assert "was not kept when this one was evaluated" in text
    first = evidence.comparisons[0]
    shifted = first.base.model_copy(
        update={"value": 0.4321, "low": 0.4, "high": 0.5, "bound": None}
    )
    live = LiveFact(
        version="a" * 64, reference="enquiry-triage:7",
        comparisons=(first.model_copy(update={"base": shifted}),),
    )  # fmt: skip
    evidence = evidence.model_copy(update={"grounds": Grounds(live=live)})
    text = str(compose_card(evidence, measurements, state="evaluated", number=1))
    assert "enquiry-triage:7" in text
    assert "43.2%" in text


def test_the_weakest_places_are_the_worst_three_and_losses_in_safety_come_first() -> None:
    evidence, measurements = make_evidence(0)
    document = compose_card(evidence, measurements, state="evaluated", number=1)
    worst = next(section for section in document.sections if section.name == "worst")
    table = worst.blocks[0]
    assert len(table.rows) == 3  # type: ignore[union-attr]
    values = [float(row[3][0].text.rstrip("%")) for row in table.rows]  # type: ignore[union-attr]
    every = sorted(
        part.tuned.value * 100
        for one in evidence.comparisons
        if one.headline
        for part in one.slices
    )
    assert values == [round(value, 1) for value in every[:3]]
    items: list[str] = re.findall(r"text='([a-z-]+-\d{3})'", str(worst))
    safety = {
        flip.item
        for one in evidence.comparisons
        if one.kind == "safety"
        for flip in one.flips
        if not flip.gained
    }
    assert len(items) == 3
    assert items[0] in safety


def test_a_page_is_whole_without_a_registry_around_it(tmp_path: Path) -> None:
    evidence, measurements = make_evidence(0)
    document = compose_card(evidence, measurements, state="evaluated", number=1)
    assert "signatures" not in {section.name for section in document.sections}
