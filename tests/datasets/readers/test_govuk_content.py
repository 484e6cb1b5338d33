import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.datasets.readers.reading import read_one

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.govspeak import govspeak_to_text
from civicbench.datasets.readers.html_text import html_to_text

CONTENT = {"reader": "govuk-content"}


def page(**details: object) -> str:
    return json.dumps(
        {
            "title": "A page",
            "description": None,
            "base_path": "/a-page",
            "document_type": "guide",
            "locale": "en",
            "public_updated_at": "2016-01-02T00:00:00Z",
            "withdrawn_notice": {},
            "links": {"organisations": [{"title": "HMRC"}, {"title": "DWP"}]},
            "details": details,
        }
    )


def test_a_body_and_each_part_are_records(tmp_path: Path) -> None:
    content = page(
        body="<p>Hello</p>", parts=[{"title": "One", "slug": "one", "body": "<h2>In</h2><p>x</p>"}]
    )
    records, malformed = read_one(CONTENT, content, tmp_path)
    assert malformed == []
    assert records[0].fields == {
        "title": "A page",
        "description": None,
        "base_path": "/a-page",
        "document_type": "guide",
        "locale": "en",
        "updated": "2016-01-02T00:00:00Z",
        "withdrawn": False,
        "organisations": "HMRC; DWP",
        "part": None,
        "part_slug": None,
        "text": "Hello",
    }
    assert records[1].fields["part"] == "One"
    assert records[1].fields["text"] == "## In\n\nx"
    assert records[1].place == "file.txt#/details/parts/0/body"


def test_of_a_list_of_bodies_the_html_is_taken_else_the_govspeak(tmp_path: Path) -> None:
    govspeak = {"content_type": "text/govspeak", "content": "##Title\n\n* a [link](/x)"}
    markup = {"content_type": "text/html", "content": "<p>from HTML</p>"}
    records, _ = read_one(CONTENT, page(body=[govspeak, markup]), tmp_path)
    assert records[0].fields["text"] == "from HTML"
    records, _ = read_one({**CONTENT, "links": "markdown"}, page(body=[govspeak]), tmp_path)
    assert records[0].fields["text"] == "## Title\n\n- a [link](/x)"


def test_a_page_without_text_is_listed(tmp_path: Path) -> None:
    for details in (
        {},
        {"body": None, "parts": []},
        {"body": "<p> </p>"},
        {"parts": [{"body": 3}]},
    ):
        records, malformed = read_one(CONTENT, page(**details), tmp_path)
        assert records == []
        assert len(malformed) == 1
        assert "/details" in malformed[0].place


@pytest.mark.parametrize("content", ["[]", "{}", '{"title": "x"}', "<html></html>", ""])
def test_what_is_no_content_item_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(InvalidInputError):
        read_one(CONTENT, content, tmp_path)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>One<br/>two &amp; three&nbsp;four</p><p>next", "One\ntwo & three four\n\nnext"),
        ("<h2 id=x>A</h2>\n<h3>B</h3><p>c</p>", "## A\n\n### B\n\nc"),
        ("<ul>\n<li>a</li>\n<li><p>b</p></li>\n</ul><p>after</p>", "- a\n- b\n\nafter"),
        ("<ol><li>a<ul><li>x</li></ul></li><li>b</li></ol>", "1. a\n  - x\n2. b"),
        (
            "<table><thead><tr><th>A</th><th>B</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr>"
            "</tbody></table>",
            "A | B\n1 | 2",
        ),
        ("<script>alert('x')</script><style>p{}</style><p>kept</p>", "kept"),
        ("<p>a <b>bold</b>, <i>word</i>.</p>", "a bold, word."),
        ('<div class="call-to-action"><p>Do <a href="/x">this</a></p></div>', "Do this"),
        ("<p>unclosed <b>bold <p>again</i></p></div>", "unclosed bold\n\nagain"),
        ("<p>a < b && c > d</p>", "a < b && c > d"),
        ("<h2></h2><ul><li></li></ul><p>x</p>", "x"),
        ("<!-- comment --><p>مرحبا</p><![CDATA[x]]>", "مرحبا"),
    ],
)
def test_html_becomes_clean_text(markup: str, text: str) -> None:
    assert html_to_text(markup) == text


def test_links_can_keep_their_addresses() -> None:
    markup = '<p>See <a href="/a?b=1&amp;c=2">the page </a>and <a name="x">this</a>.</p>'
    assert html_to_text(markup, links="markdown") == "See [the page ](/a?b=1&c=2)and this."
    assert html_to_text(markup) == "See the page and this."


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("$CTA\nRegister [online](/register)\n$CTA", "Register online"),
        ("%Warning text%\n\n^Note^\n\n@Important@", "Warning text\n\nNote\n\nImportant"),
        ("s1. First\ns2. Second", "1. First\n2. Second"),
        ("* a\n* b", "- a\n- b"),
        ("##Heading\n\n**Bold** words", "## Heading\n\nBold words"),
        ("Text\n\n[InlineAttachment:file.pdf]\n\n![alt](x.png)", "Text\n\nalt"),
        (
            "{::highlight-answer}\nThe VAT rate is *20%*\n{:/highlight-answer}",
            "The VAT rate is *20%*",
        ),
        ("A | B\n--- | ---\n1 | 2", "A | B\n1 | 2"),
        ("An HTML API\n\n*[API]: Application Programming Interface", "An HTML API"),
        ("<p>html</p>\n\nplain 5 < 6", "html\n\nplain 5 < 6"),
    ],
)
def test_govspeak_becomes_clean_text(source: str, text: str) -> None:
    assert govspeak_to_text(source) == text


@given(st.text("<>/abp hi\"'=&;!-[]()\n$#*{}|^%@", max_size=200))
def test_no_markup_however_broken_is_too_much(markup: str) -> None:
    html_to_text(markup)
    govspeak_to_text(markup)


@pytest.mark.timeout(20)  # seconds; about one where time is linear, minutes where it is not
def test_hostile_markup_is_read_in_linear_time() -> None:
    for piece in ("<", "<a ", '<a "', "<!--", "<![", "<ul><li>x", "<script>", "&#", "<li> <p>"):
        html_to_text(piece * 50_000)
    for piece in ("[", "![", "[a](", "$!", "|--", "{::a", "**a", "__", "<a", " ", "[Image:"):
        govspeak_to_text(piece * 50_000 + "x")
