"""No file, however broken, ends a reader in anything but records, `Malformed` or a clear error."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.datasets.readers.reading import reader_of

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.record import Malformed, Record

WHOLE = {
    "csv": b'a,b\n1,"two ""x"" y"\n3,4\n',
    "jsonl": b'{"a": 1, "b": ["x", {"c": null}]}\n{"a": 2.5}\n',
    "json": b'[{"a": 1, "b": ["x", {"c": null}]}, {"a": "\\u00e9"}]',
    "yaml": b"- &x {a: 1, b: [c, 2.5]}\n- <<: *x\n  d: 'it''s'\n- |\n  text\n",
    "text": b"<BEGIN>\none\n<BEGIN>\ntwo\n",
    "play-messages": b"# c\na.b=it''s {0} \\\n more\nc=d\\n\n",
    "json-locale": b'{"a": {"b": "x", "c": ["y"]}}',
    "rails-locale": b"en:\n  a: &x {b: c}\n  d: *x\n",
    "apple-strings": b'/* c */ "a" = "b\\n\\U00e9"; // d\nkey = "x";\n',
    "parldata": b'<!DOCTYPE publicwhip [<!ENTITY e "&#233;">]><publicwhip latest="yes">'
    b'<major-heading>H</major-heading><ques id="q"><p>Q&e;</p></ques>'
    b'<reply id="x/2009-10-26a.1"><table><tr><td>1</td></tr></table></reply></publicwhip>',
    "akoma-ntoso": b'<akomaNtoso xmlns="x"><doc><mainBody><section><heading>H</heading><paragraph>'
    b"<num>1</num><content><p>t</p></content></paragraph></section></mainBody></doc></akomaNtoso>",
    "govuk-content": b'{"title": "t", "details": {"body": "<p>b <a href=\'x\'>c</a></p>", '
    b'"parts": [{"title": "p", "body": "## x"}]}}',
    "qmsum": b'{"topic_list": [{"topic": "t", "relevant_text_span": [["0", "0"]]}], '
    b'"general_query_list": [{"query": "q", "answer": "a"}], "specific_query_list": [], '
    b'"meeting_transcripts": [{"speaker": "s", "content": "c"}]}',
    "themefinder": b'{"response_id": 1, "response": "x"}',
    "parquet": b"PAR1\x15\x04\x15\x10PAR1",
}
NEEDED = {
    "parldata": {"records": "answers"},
    "qmsum": {"records": "topics"},
    "text": {"begins_with": "<BEGIN>"},
    "json-locale": {"languages": ["en"]},
    "rails-locale": {"languages": ["en"]},
    "play-messages": {"languages": ["en"]},
    "apple-strings": {"languages": ["en"]},
}
# What formats are made of, put in at any place.
PIECES = [b"\0", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b'"', b"'", b"<", b">", b"&", b"&x;", b"{"]
PIECES += [b"}", b"[", b"]", b"\\", b"\\u", b"\\ud800", b"=", b":", b",", b"\n", b"\r", b"-", b"*x"]
PIECES += [b"<!--", b"]]>", b"1e999", b"NaN", b"9" * 30, b"!!set", b"%", b"#", b"/*", b"|", b"\t"]


@pytest.mark.parametrize("name", sorted(WHOLE))
@hypothesis_settings(max_examples=150)
@given(data=st.data())
def test_broken_files_give_records_malformed_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    content = data.draw(st.binary(max_size=40), "bytes of no format")
    if data.draw(st.booleans(), "begin with a whole file"):
        content = WHOLE[name]
        for _ in range(data.draw(st.integers(0, 3))):
            place = data.draw(st.integers(0, len(content)))
            skipped = data.draw(st.integers(0, 6))
            piece = data.draw(st.sampled_from(PIECES) | st.just(b""))
            content = content[:place] + piece + content[place + skipped :]
    reader = reader_of({"reader": name, **NEEDED.get(name, {})})
    folder = tmp_path_factory.getbasetemp() / f"any-{name}"
    folder.mkdir(exist_ok=True)
    files = {role: folder / role for role in reader.roles}
    for path in files.values():
        path.write_bytes(content)
    try:
        items = list(reader.read(files))
    except InvalidInputError as error:
        str(error).encode("utf-8", "surrogateescape")
        return
    for item in items:
        assert isinstance(item, Record | Malformed)
        # What is kept can be written.
        repr(item).encode("utf-8")
