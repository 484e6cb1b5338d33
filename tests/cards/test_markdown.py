import re

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from tests.pages.page import HOSTILE, spoil, with_every_duty
from tests.registry.factory import make_evidence

from civicbench.cards.markdown import render_markdown

_OURS = re.compile(
    r"<br>|</?code>|<details>\n<summary>[^<>]*</summary>\n?|</details>\n?", re.DOTALL
)


def _split(card: str) -> tuple[str, str]:
    assert card.startswith("---\n")
    head, body = card.removeprefix("---\n").split("\n---\n", maxsplit=1)
    return head, body


def _tokens(body: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(body)


def _render(*, spoilt: bool) -> str:
    evidence, measurements = make_evidence(gate_passes=False)
    evidence = with_every_duty(evidence)
    if spoilt:
        evidence, measurements = spoil(evidence, measurements)
    return render_markdown(evidence, measurements, state="evaluated", number=3)


def test_hostile_text_changes_no_heading_list_table_or_fence() -> None:
    clean = _tokens(_split(_render(spoilt=False))[1])
    spoilt = _tokens(_split(_render(spoilt=True))[1])
    assert [(t.type, t.tag) for t in spoilt] == [(t.type, t.tag) for t in clean]


def test_hostile_text_makes_no_markup_image_or_script_link() -> None:
    for token in _tokens(_split(_render(spoilt=True))[1]):
        for part in (token, *(token.children or ())):
            if part.type in ("html_block", "html_inline"):
                assert _OURS.fullmatch(part.content), part.content
            assert part.type not in ("image", "em_open")
            if part.type == "link_open":
                assert str(part.attrs["href"]).startswith("https://")


def test_what_a_model_said_reads_as_it_was_said() -> None:
    said = "Call <b>0800</b> | it's *free* \\| `now`\nor [write](x)"
    evidence, measurements = make_evidence(prompt=said)
    card = render_markdown(evidence, measurements, state="evaluated", number=1)
    html = MarkdownIt("commonmark").enable("table").render(_split(card)[1])
    shown = said.replace("<", "&lt;").replace(">", "&gt;").replace("\n", "<br>")
    assert f"<td><code>{shown}</code></td>" in html


def test_front_matter_is_what_hugging_face_reads() -> None:
    evidence, _ = make_evidence()
    head = yaml.safe_load(_split(_render(spoilt=False))[0])
    assert head["license"] == "apache-2.0"
    assert head["base_model"] == evidence.base.name
    assert head["language"] == ["en"]
    [index] = head["model-index"]
    assert index["name"] == evidence.model_name
    for result, comparison in zip(index["results"], evidence.comparisons, strict=True):
        assert result["task"]["type"]
        assert result["dataset"]["type"] == comparison.suite
        assert result["metrics"][0]["type"] == comparison.metric
        assert result["metrics"][0]["value"] == comparison.tuned.value


def test_hugging_faces_own_reader_takes_the_card() -> None:
    from huggingface_hub import ModelCard, ModelCardData

    evidence, _ = make_evidence()
    data = ModelCard(_render(spoilt=False)).data
    assert isinstance(data, ModelCardData)
    assert data.model_name == evidence.model_name
    assert len(data.eval_results or ()) == len(evidence.comparisons)


def test_hostile_text_stays_inside_its_front_matter_value() -> None:
    clean = yaml.safe_load(_split(_render(spoilt=False))[0])
    spoilt = yaml.safe_load(_split(_render(spoilt=True))[0])
    assert spoilt.keys() - clean.keys() == {"license_name", "license_link"}
    assert spoilt["license"] == "other"
    assert HOSTILE[:40] in spoilt["base_model"]


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("LicenseRef-Llama-3.2-Community", {"license": "llama3.2"}),
        (
            "OGL-UK-3.0",
            {"license": "other", "license_name": "A name", "license_link": "https://l.invalid/"},
        ),
    ],
)
def test_licences_are_named_as_hugging_face_names_them(
    identifier: str, expected: dict[str, str]
) -> None:
    evidence, measurements = make_evidence()
    licence = evidence.base.licence.model_copy(
        update={"identifier": identifier, "name": "A name", "url": "https://l.invalid/"}
    )
    base = evidence.base.model_copy(update={"licence": licence})
    card = render_markdown(
        evidence.model_copy(update={"base": base}), measurements, state="evaluated", number=1
    )
    head = yaml.safe_load(_split(card)[0])
    assert {k: v for k, v in head.items() if k.startswith("license")} == expected
