import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from tests.pages.page import Page, spoil, with_every_duty
from tests.registry.factory import make_evidence

from civicbench.cards.html import render_html
from civicbench.core.digests import digest_text

_PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def html() -> str:
    evidence, measurements = make_evidence()
    return render_html(evidence, measurements, state="evaluated", number=3)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page.read(html)


def test_nothing_is_loaded_from_elsewhere(html: str, page: Page) -> None:
    loaded = {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "video",
        "audio",
        "base",
        "form",
    }
    assert loaded.isdisjoint(tag for tag, _ in page.elements)
    for tag, attributes in page.elements:
        assert not {"src", "srcset", "action", "background"} & set(attributes)
        for name in ("href", "xlink:href"):
            address = attributes.get(name)
            if address is not None and not (tag == "a" and address.startswith("https://")):
                assert address.startswith("#")
    assert not re.search(r"@import|@font-face|url\((?!#)", html)
    [policy] = [m["content"] for m in page.named("meta") if "http-equiv" in m]
    assert policy is not None
    assert "default-src 'none'" in policy


def test_nothing_that_only_government_may_use(html: str) -> None:
    for word in ("GDS Transport", "crown", "logotype", "gov.uk"):
        assert word.casefold() not in html.casefold().replace("govuk", "")
    assert "arial" in html


def test_headings_are_one_title_and_never_skip_a_level(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.named("html")[0]["lang"] == "en"


def test_links_within_the_page_and_labels_have_their_targets(page: Page) -> None:
    names = [a["id"] for _, a in page.elements if "id" in a]
    assert len(names) == len(set(names))
    for _, attributes in page.elements:
        for name in ("href", "xlink:href"):
            address = attributes.get(name)
            if address is not None and address.startswith("#"):
                assert address[1:] in names
        for target in (attributes.get("aria-labelledby") or "").split():
            assert target in names


def test_every_table_has_a_caption_and_scoped_headers(page: Page) -> None:
    assert len(page.named("table")) == len(page.named("caption")) > 10
    assert all(header["scope"] in ("col", "row") for header in page.named("th"))
    tags = [tag for tag, _ in page.elements]
    assert all(tags[i + 1] == "caption" for i, tag in enumerate(tags) if tag == "table")


def test_the_curve_has_a_text_alternative_and_a_table_beside_it(page: Page) -> None:
    evidence, _ = make_evidence()
    [svg] = page.named("svg")
    assert svg["role"] == "img"
    last = evidence.training.curve[-1]
    described = page.text(of="desc")
    assert f"{last.loss:.3f} at step {last.step}" in described
    table = page.text(of="details")
    for point in (*evidence.training.curve, *evidence.training.held_out_curve):
        assert f"{point.step} Loss {point.loss:.4f}" in table


def test_hostile_text_adds_no_markup_anywhere() -> None:
    evidence, measurements = make_evidence(gate_passes=False)
    evidence = with_every_duty(evidence)
    clean = render_html(evidence, measurements, state="evaluated", number=3)
    spoilt_evidence, spoilt_measurements = spoil(evidence, measurements)
    spoilt = render_html(spoilt_evidence, spoilt_measurements, state="evaluated", number=3)
    assert Page.read(spoilt).shape() == Page.read(clean).shape()
    assert "{{ 7*7 }}" in Page.read(spoilt).text()
    spoilt.encode("utf-8")
    assert not re.search("[\x00\x1b\u202e\u200b\ud800]", spoilt)
    assert "[U+202E]gnp.exe" in Page.read(spoilt).text()


def test_an_address_that_is_not_of_the_web_is_not_a_link() -> None:
    evidence, measurements = make_evidence()
    licence = evidence.base.licence.model_copy(update={"url": "javascript:alert(1)"})
    base = evidence.base.model_copy(update={"licence": licence})
    html = render_html(
        evidence.model_copy(update={"base": base}), measurements, state="evaluated", number=1
    )
    addresses = [a["href"] for a in Page.read(html).named("a")]
    assert all(address is not None and address.startswith("#") for address in addresses)
    assert "(javascript:alert(1))" in Page.read(html).text()


def test_bytes_are_the_same_in_another_process(html: str) -> None:
    program = (
        "from tests.registry.factory import make_evidence\n"
        "from civicbench.cards.html import render_html\n"
        "from civicbench.core.digests import digest_text\n"
        "evidence, measurements = make_evidence()\n"
        "print(digest_text(render_html(evidence, measurements, state='evaluated', number=3)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=_PROJECT,
        env={"PYTHONPATH": f"{_PROJECT / 'src'}:{_PROJECT}", "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == digest_text(html)
