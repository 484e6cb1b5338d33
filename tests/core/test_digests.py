import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicbench.core.digests import (
    canonical_json,
    digest_file,
    digest_files,
    digest_json,
    digest_listing,
    digest_text,
)

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def _turned(value: Any) -> Any:
    """Return the same value with the keys of every mapping in another order."""
    if isinstance(value, dict):
        return {key: _turned(entry) for key, entry in reversed(value.items())}
    if isinstance(value, list):
        return [_turned(entry) for entry in value]
    return value


@given(_VALUES)
def test_the_order_of_keys_does_not_matter_and_nothing_is_lost(value: Any) -> None:
    assert digest_json(_turned(value)) == digest_json(value)
    assert json.loads(canonical_json(value)) == value


@given(_VALUES, _VALUES)
def test_other_values_have_other_digests(one: Any, other: Any) -> None:
    equal = canonical_json(one) == canonical_json(other)
    assert (digest_json(one) == digest_json(other)) == equal
    if one != other:
        assert not equal


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_has_no_digest(number: float) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        digest_json({"loss": [number]})


def test_digests_are_those_of_sha256sum(tmp_path: Path) -> None:
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "abc").write_bytes(b"abc")
    assert digest_text("abc") == known
    assert digest_file(tmp_path / "abc") == known


def test_a_large_file_is_read_whole(tmp_path: Path) -> None:
    content = b"0123456789abcdef" * (3 << 16)
    (tmp_path / "large").write_bytes(content)
    assert digest_file(tmp_path / "large") == digest_text(content.decode())
    (tmp_path / "other").write_bytes(content[:-1] + b"\0")
    assert digest_file(tmp_path / "large") != digest_file(tmp_path / "other")


def test_a_folder_is_named_by_paths_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.txt").write_bytes(b"1")
    (tmp_path / "b.txt").write_bytes(b"2")
    (tmp_path / "link").symlink_to(tmp_path / "b.txt")
    first = digest_files(tmp_path)
    assert list(first) == ["b.txt", "deep/a.txt"]
    assert digest_files(tmp_path, exclude={"b.txt"}).keys() == {"deep/a.txt"}
    (tmp_path / "b.txt").rename(tmp_path / "c.txt")
    renamed = digest_listing(digest_files(tmp_path))
    (tmp_path / "c.txt").write_bytes(b"3")
    changed = digest_listing(digest_files(tmp_path))
    assert len({digest_listing(first), renamed, changed}) == 3
