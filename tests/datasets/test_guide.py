"""The guide for curation names every reader, step and kind of source."""

from typing import get_args

from tests.documents import ROOT, Page, first_codes

from civicbench.datasets.readers.settings import ReaderSettings
from civicbench.datasets.steps.settings import AnyStep

GUIDE = Page(ROOT / "docs/curation.md")


def test_every_step_is_explained() -> None:
    names = {kind.model_fields["step"].default for kind in get_args(AnyStep)}
    assert set(first_codes(GUIDE.section("Steps"))) == names


def test_every_reader_is_explained() -> None:
    union, _ = get_args(ReaderSettings)
    names = {kind.model_fields["reader"].default for kind in get_args(union)}
    assert set(first_codes(GUIDE.section("Readers"))) == names
