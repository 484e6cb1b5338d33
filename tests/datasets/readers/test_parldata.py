from pathlib import Path

from tests.datasets.readers.reading import read_one

ANSWERS = {"reader": "parldata", "records": "answers"}
SPEECHES = {"reader": "parldata", "records": "speeches"}
WRANS = """<?xml version="1.0"?>
<publicwhip scrapeversion="a" latest="yes">
<gidredirect oldgid="x" newgid="y"/>
<major-heading id="h1">HEALTH</major-heading>
<minor-heading id="h2">Dentists</minor-heading>
<ques id="q1" speakername="A Member"><p qnum="100">To ask the Secretary
 of State <i>how</i> many.</p></ques>
<ques id="q2" speakername="B Member"><p qnum="101">To ask why.</p></ques>
<reply id="uk.org.publicwhip/wrans/2009-10-28c.100.r0" speakername="The Minister" colnum="3W"
 url="u"><p class="holdinganswer">holding answer <phrase>27 October 2009</phrase></p>
<p>The figures are:</p>
<table><tbody><tr><td>Year</td><td>Number</td></tr><tr><td>2008</td><td>5</td></tr></tbody></table>
<p>They are <sup>a</sup> provisional.</p></reply>
<minor-heading id="h3">Nurses</minor-heading>
<ques id="q3" speakername="C Member"><p>To ask whether.</p></ques>
<minor-heading id="h4">Doctors</minor-heading>
<reply id="r4" speakername="The Minister"><p>Yes.</p></reply>
<major-heading id="h5">TREASURY</major-heading>
<ques id="q5"><p>To ask when.</p></ques>
<reply id="x/2009-10-28c.5"><p/></reply>
</publicwhip>
"""
DEBATE = """<publicwhip latest="no">
<oral-heading id="o">ORAL ANSWERS</oral-heading>
<major-heading id="a">HOME DEPARTMENT</major-heading>
<minor-heading id="b">Tasers</minor-heading>
<speech id="uk.org.publicwhip/debate/2009-10-26b.3.2" speakername="N Baker" oral-qnum="2"
 time="14:30:00"><p>What his policy is.</p><p>Second paragraph.</p></speech>
<division id="d"><mplist vote="aye"><mpname>Someone</mpname></mplist></division>
<major-heading id="c">Points of Order</major-heading>
<speech id="x/2009-10-26b.4" nospeaker="true"><p>Motion made.</p></speech>
</publicwhip>
"""


def test_an_answer_has_its_questions_department_and_tables(tmp_path: Path) -> None:
    records, _ = read_one(ANSWERS, WRANS, tmp_path)
    assert [record.fields for record in records] == [
        {
            "id": "uk.org.publicwhip/wrans/2009-10-28c.100.r0",
            "date": "2009-10-28",
            "section": None,
            "department": "HEALTH",
            "heading": "Dentists",
            "column": "3W",
            "url": "u",
            "latest": True,
            "question": "To ask the Secretary of State how many.\n\nTo ask why.",
            "answer": "The figures are:\n\nYear | Number\n2008 | 5\n\nThey are a provisional.",
            "asker": "A Member; B Member",
            "answerer": "The Minister",
            "question_numbers": "100; 101",
            "questions": 2,
            "holding_answer": True,
        }
    ]
    assert records[0].place == "file.txt:9"


def test_what_lacks_its_counterpart_or_its_text_is_listed(tmp_path: Path) -> None:
    _, malformed = read_one(ANSWERS, WRANS, tmp_path)
    assert [(one.place, one.problem) for one in malformed] == [
        ("file.txt:15", "a question without an answer"),
        ("file.txt:17", "an answer without a question"),
        ("file.txt:20", "an answer or a question without text"),
    ]


def test_speeches_know_their_headings(tmp_path: Path) -> None:
    records, malformed = read_one(SPEECHES, DEBATE, tmp_path)
    assert malformed == []
    first, second = (record.fields for record in records)
    assert (first["section"], first["department"], first["heading"]) == (
        "ORAL ANSWERS",
        "HOME DEPARTMENT",
        "Tasers",
    )
    assert first["text"] == "What his policy is.\n\nSecond paragraph."
    assert (first["speaker"], first["oral_question"], first["date"]) == (
        "N Baker",
        "2",
        "2009-10-26",
    )
    assert (second["department"], second["heading"]) == ("Points of Order", None)
    assert second["speaker"] is None


def test_a_file_that_breaks_gives_what_stood_before(tmp_path: Path) -> None:
    cut = WRANS[: WRANS.index("To ask whether")]
    records, malformed = read_one(ANSWERS, cut, tmp_path)
    assert len(records) == 1
    assert "nothing after it can be read" in malformed[-1].problem
    assert malformed[-1].place == "file.txt:15"


def test_a_scrape_of_redirects_alone_holds_nothing(tmp_path: Path) -> None:
    content = '<publicwhip latest="no"><gidredirect oldgid="x" newgid="y"/></publicwhip>'
    assert read_one(ANSWERS, content, tmp_path) == ([], [])
