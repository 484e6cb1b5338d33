import typing

import pytest
from pydantic import TypeAdapter, ValidationError
from tests.datasets.readers.reading import reader_of

from civicbench.datasets.readers.record import Malformed, make_record
from civicbench.datasets.readers.settings import ReaderSettings

READERS = typing.get_args(typing.get_args(ReaderSettings)[0])
NEEDED = {"parldata": {"records": "answers"}}


def test_every_setting_is_described_in_the_schema() -> None:
    schema = TypeAdapter(ReaderSettings).json_schema()
    for name, part in schema["$defs"].items():
        for setting, described in part["properties"].items():
            assert described.get("description"), f"{name}.{setting}"


@pytest.mark.parametrize("kind", READERS, ids=lambda kind: kind.__name__)
def test_a_reader_is_chosen_by_name_and_names_its_roles(kind: type) -> None:
    name = kind.model_fields["reader"].default
    reader = reader_of({"reader": name, **NEEDED.get(name, {})})
    assert isinstance(reader, kind)
    assert reader.roles


@pytest.mark.parametrize(
    "settings",
    [
        {"reader": "excel"},
        {"reader": "csv", "delimeter": ";"},
        {"reader": "csv", "encoding": "klingon"},
        {"reader": "json-locale", "languages": ["en", "en"]},
        {"reader": "json-locale", "languages": ["en", "file"]},
        {"reader": "json-locale", "languages": []},
        {"reader": "parldata"},
        {"reader": "parquet", "batch_rows": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict) -> None:
    with pytest.raises(ValidationError):
        reader_of(settings)


def test_what_was_got_is_cut_and_can_be_printed() -> None:
    malformed = Malformed("f:1", "broken", "\udcff\0" + "x" * 1000)
    assert len(malformed.got) <= 200
    malformed.got.encode("utf-8")
    assert malformed.got.startswith("\\udcff\\x00x")


def test_whole_numbers_of_64_bits_are_kept_and_larger_ones_are_not() -> None:
    assert make_record("f:1", {"a": (1 << 63) - 1, "b": True}).place == "f:1"
    assert isinstance(make_record("f:1", {"a": 1 << 63}), Malformed)
