"""JSON and Rails locale pairs."""

import json
from pathlib import Path

import pytest
from tests.datasets.readers.reading import read

from civicbench.core.errors import InvalidInputError

BILLION_LAUGHS = "\n".join(
    ["en:", "  a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    + [f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
)


def pair(tmp_path: Path, reader: str, english: str, welsh: str):
    suffix = "json" if reader == "json-locale" else "yml"
    files = {"en": tmp_path / f"en.{suffix}", "cy": tmp_path / f"cy.{suffix}"}
    for path, text in zip(files.values(), (english, welsh), strict=True):
        path.write_bytes(text.encode())
    return read({"reader": reader}, files)


def rows(records) -> list[tuple]:
    return [(one.fields["key"], one.fields["en"], one.fields["cy"]) for one in records]


def test_nested_json_is_joined_by_key(tmp_path: Path) -> None:
    records, malformed = pair(
        tmp_path,
        "json-locale",
        '{"a": {"b": "one", "list": ["x", {"c": "y"}]}, "n": 3, "only/en": "z"}',
        '\ufeff{"extra": null, "a": {"list": ["ecs"], "b": "un"}}',
    )
    assert malformed == []
    assert rows(records) == [
        ("a.b", "one", "un"),
        ("a.list.0", "x", "ecs"),
        ("a.list.1.c", "y", None),
        ("n", 3, None),
        ("only/en", "z", None),
        ("extra", None, None),
    ]
    assert records[0].place == "en.json#/a/b"
    assert records[4].place == "en.json#/only~1en"
    assert records[0].fields["file"] == "en.json"


def test_doubled_json_keys_are_listed_and_the_last_counts(tmp_path: Path) -> None:
    records, malformed = pair(
        tmp_path, "json-locale", '{"a": {"b": "old"}, "a": {"b": "new", "c": "x"}}', '{"a": {}}'
    )
    assert rows(records) == [("a.b", "new", None), ("a.c", "x", None)]
    assert [(one.place, one.got) for one in malformed] == [("en.json#/a/b", "old")]


def test_values_that_are_no_text_are_listed(tmp_path: Path) -> None:
    english = r'{"a": "\ud800", "b": NaN, "c": 1e999, "d": "x\u0000y", "e": "fine", "f": 9e9}'
    records, malformed = pair(tmp_path, "json-locale", english, "{}")
    assert [one.fields["key"] for one in records] == ["e", "f"]
    assert [one.place[-1] for one in malformed] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("english", ["[1]", "", "{", '{"a": 1} x', "key=value", "[" * 100_000])
def test_what_is_no_json_locale_is_refused(tmp_path: Path, english: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        pair(tmp_path, "json-locale", english, "{}")
    assert "en.json" in str(caught.value)


def test_json_that_is_nested_deeper_than_any_locale_is_listed(tmp_path: Path) -> None:
    deep = '{"a":' * 200 + '"x"' + "}" * 200
    records, malformed = pair(tmp_path, "json-locale", deep, '{"b": "y"}')
    assert rows(records) == [("b", None, "y")]
    assert "deeper" in malformed[0].problem


def test_rails_files_are_joined_below_their_language(tmp_path: Path) -> None:
    records, malformed = pair(
        tmp_path,
        "rails-locale",
        "en:\n  yes: 'Yes'\n  time: 12:30\n  days: [Sunday, Monday]\n"
        "  shared: &s\n    hello: Hello %{name}\n  again:\n    <<: *s\n    more: More\n",
        'cy:\n  yes: "Ie"\n  days: [Dydd Sul]\n',
    )
    assert malformed == []
    assert rows(records) == [
        ("yes", "Yes", "Ie"),
        ("time", "12:30", None),
        ("days.0", "Sunday", "Dydd Sul"),
        ("days.1", "Monday", None),
        ("shared.hello", "Hello %{name}", None),
        ("again.hello", "Hello %{name}", None),
        ("again.more", "More", None),
    ]
    assert records[0].place == "en.yml#/en/yes"


def test_doubled_rails_keys_are_listed_with_their_lines(tmp_path: Path) -> None:
    records, malformed = pair(
        tmp_path, "rails-locale", "en:\n  a: old\n  b: x\n  a: new\n", "cy: {a: newydd}\n"
    )
    assert ("a", "new", "newydd") in rows(records)
    assert [(one.place, one.got) for one in malformed] == [("en.yml:2", "old")]


@pytest.mark.parametrize(
    ("english", "problem"),
    [
        (BILLION_LAUGHS, "bomb"),
        ("en: &a\n  b: *a\n", "alias inside"),
        ("en:\n  a: &a " + "x" * 100_000 + "\n  b: [" + "*a, " * 1_000 + "]", "bomb"),
        ("en:\n  a: " + "[" * 5_000, "deeper"),
        ("en: !ruby/object:Gem::Installer\n  i: x\n", "!ruby/object"),
        ("en:\n  a: !!python/object/apply:os.system ['true']\n", "python/object"),
        ("en:\n  a: !!binary aGk=\n", "binary"),
        ("en:\n  ? [a, b]\n  : c\n", "key"),
        ("en: {a: 1}\n---\nen: {b: 2}\n", "document"),
        ("cy: {a: 1}\n", "no mapping"),
        ("en: text\n", "no mapping"),
        ("", "empty"),
        ("a: b: c\n", "mapping values"),
        ("en:\n\t- tab\n", "YAML"),
    ],
)
def test_hostile_yaml_is_refused_with_its_place(tmp_path: Path, english: str, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem) as caught:
        pair(tmp_path, "rails-locale", english, "cy: {a: b}\n")
    assert "en.yml" in str(caught.value)


def test_a_bomb_of_merge_keys_is_refused(tmp_path: Path) -> None:
    lines = ["en:", "  m0: &m0 {k: v}"]
    lines += [f"  m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}" for n in range(1, 9)]
    with pytest.raises(InvalidInputError, match="bomb"):
        pair(tmp_path, "rails-locale", "\n".join(lines), "cy: {a: b}\n")


def test_two_languages_cannot_have_one_file(tmp_path: Path) -> None:
    path = tmp_path / "en.json"
    path.write_text(json.dumps({"a": "b"}))
    with pytest.raises(InvalidInputError, match="one file"):
        read({"reader": "json-locale"}, {"en": path, "cy": path})
