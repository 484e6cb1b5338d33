import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from pydantic import BaseModel, ValidationError

import civicbench
from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import Settings, parse_settings, suggest


class Inner(Settings):
    """Inside."""

    rows: int
    """Rows."""
    title: str = "none"
    """Title."""


class Outer(Settings):
    """Outside."""

    name: str
    """Name."""
    inner: Inner
    """Inner."""
    several: tuple[Inner, ...] = ()
    """Several."""


def test_every_mistake_is_named_at_once_with_its_path() -> None:
    data = {
        "nam": "x",
        "inner": {"rows": "many", "titel": "a"},
        "several": [{"rows": 1}, {"rows": 2, "row": 3}],
    }
    with pytest.raises(InvalidInputError) as caught:
        parse_settings(Outer, data, where="x.yaml")
    lines = str(caught.value).splitlines()
    assert lines[0] == "x.yaml: 5 mistakes"
    assert sorted(lines[1:]) == [
        "  - inner.rows: input should be a valid integer, unable to parse string as an integer; "
        "got 'many'",
        "  - inner.titel: unknown key; did you mean title?",
        "  - nam: unknown key; did you mean name?",
        "  - name: missing",
        "  - several.1.row: unknown key; did you mean rows?",
    ]


def test_a_key_near_nothing_gets_the_known_keys() -> None:
    with pytest.raises(InvalidInputError, match="1 mistake\n") as caught:
        parse_settings(Inner, {"rows": 1, "zzz": 1}, where="x")
    assert "zzz: unknown key; known keys: rows, title" in str(caught.value)


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_settings(Inner, {"rows": "x" * 10_000}, where="x")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_what_is_no_mapping_is_refused(data: object) -> None:
    with pytest.raises(InvalidInputError, match="1 mistake"):
        parse_settings(Inner, data, where="x")


def test_suggestions() -> None:
    assert suggest("epochz", ["epochs", "rank"]) == "epochs"
    assert suggest("zzz", ["epochs", "rank"]) is None


# DSSE asks its readers to ignore keys that they do not know.
FOREIGN = {"Signature", "Envelope"}


def _all_settings() -> Iterator[type[BaseModel]]:
    for module in pkgutil.walk_packages(civicbench.__path__, "civicbench."):
        # Migrations and the entry point run when they are imported.
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    seen, waiting = set[type[BaseModel]](), [BaseModel]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            if kind not in seen:
                seen.add(kind)
                waiting.append(kind)
                if kind.__module__.startswith("civicbench."):
                    yield kind


def test_every_field_of_every_class_says_what_it_is() -> None:
    silent = [
        f"{kind.__name__}.{name}"
        for kind in _all_settings()
        for name, field in kind.model_fields.items()
        if not (field.description or "").strip()
    ]
    assert silent == []


def test_every_class_is_frozen_and_refuses_unknown_keys() -> None:
    kinds = list(_all_settings())
    assert len(kinds) > 20
    loose = [
        kind.__name__
        for kind in kinds
        if kind is not Settings
        and kind.__name__ not in FOREIGN
        and not (kind.model_config.get("frozen") and kind.model_config.get("extra") == "forbid")
    ]
    assert loose == []
    inner = Inner(rows=1)
    with pytest.raises(ValidationError, match="frozen"):
        inner.rows = 2  # type: ignore[misc]
