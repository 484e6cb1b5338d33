from pathlib import Path

import pytest

from civicbench.core.documents import (
    iterate_json_lines,
    parse_yaml_mapping,
    parse_yaml_value,
    read_text,
    read_yaml_mapping,
)
from civicbench.core.errors import InvalidInputError, PartAbsentError


def test_an_alias_bomb_is_refused_without_being_unfolded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(InvalidInputError, match="not valid YAML") as caught:
        parse_yaml_mapping("\n".join(lines), where="bomb.yaml")
    assert "aliases (*a0) are not read here, line 2" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("- a\n- b\n", "must be a mapping of keys to values\n  got: a list"),
        ("only text", "got: a str"),
        ("name: a\nmodel: b\nname: c\n", "the key 'name' stands twice, line 3"),
        ("deep:\n  a: 1\n  a: 2\n", "the key 'a' stands twice, line 3"),
        ("name: a\n1: b\n", "keys must be text\n  got: 1"),
        ("? [a, b]\n: c\n", "a key must be text, line 1"),
        ("name: [a\n", "is not valid YAML"),
        ("name: a\n\tmodel: b\n", "is not valid YAML"),
        ("day: 2024-13-45\n", "month must be in 1..12"),
        (f"number: {'1' * 5000}\n", "is not valid YAML"),
        ("run: !!python/object/apply:os.system [true]\n", "could not determine a constructor"),
        ("x: " + "[" * 5000 + "]" * 5000, "is nested too deeply"),
        ("name: a\n---\nname: b\n", "expected a single document"),
    ],
)
def test_yaml_with_a_mistake_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_yaml_mapping(text, where="recipes/x.yaml")
    assert says in str(caught.value)
    assert str(caught.value).startswith("recipes/x.yaml: ")


@pytest.mark.parametrize("text", ["[a", "2024-13-45", "*x", "{a: 1, a: 2}", "[" * 5000])
def test_a_value_with_a_mistake_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_yaml_value(text, where="command line")


def test_values_read_as_yaml_does() -> None:
    texts = ("3", "2.0e-4", "true", "a b", "[x, y]", "", "'3'")
    assert [parse_yaml_value(text, where="x") for text in texts] == [
        *(3, 2.0e-4, True, "a b", ["x", "y"], None, "3")
    ]


def test_a_file_that_is_not_utf8_is_refused_with_the_bad_byte(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("name: caf\xe9\n".encode("latin-1"))
    with pytest.raises(InvalidInputError, match="is not UTF-8 text") as caught:
        read_yaml_mapping(path)
    assert caught.value.where == str(path)
    assert caught.value.got == "byte 0xe9 at position 9"


def test_a_byte_order_mark_is_not_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: a\n")
    assert read_yaml_mapping(path) == {"name": "a"}


def test_a_file_of_megabytes_is_no_settings_file(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: " + "x" * (5 << 20))
    with pytest.raises(InvalidInputError, match="too large"):
        read_yaml_mapping(path)


def test_what_cannot_be_read_is_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for path, says in (
        (tmp_path / "none.yaml", "no such file"),
        (tmp_path / "file" / "x.yaml", "no such file"),
        (tmp_path, "is a folder"),
        (tmp_path / ("x" * 300), "cannot be read"),
    ):
        with pytest.raises(PartAbsentError, match=says):
            read_text(path)

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(PartAbsentError, match="cannot be read"):
        read_text(tmp_path / "file")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"a": 1', "is not valid JSON"),
        ("[1]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ('{"a": NaN}', "NaN is not a number that JSON has"),
        ('{"a": "\\ud800"}', "half of a surrogate pair"),
        ('{"a": ' + "[" * 100_000, "is nested too deeply"),
        ('{"a": ' + "1" * 5000 + "}", "is not valid JSON"),
    ],
)
def test_a_line_that_is_no_object_is_named_by_its_number(
    tmp_path: Path, line: str, says: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"a": 0}}\n\n{line}\n', encoding="utf-8")
    lines = iterate_json_lines(path)
    assert next(lines) == (1, {"a": 0})
    with pytest.raises(InvalidInputError) as caught:
        next(lines)
    assert says in str(caught.value)
    assert caught.value.where == f"{path}:3"


def test_a_line_ends_at_a_line_feed_only(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes('{"a": "one\u2028two\x85three"}\r\n{"a": "\\ud83d\\ude00"}'.encode())
    assert list(iterate_json_lines(path)) == [(1, {"a": "one\u2028two\x85three"}), (2, {"a": "😀"})]
