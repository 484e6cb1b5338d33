"""Reading in tests: settings as a dataset.yaml has them, files as a test writes them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from civicbench.datasets.readers.reader import Reader
from civicbench.datasets.readers.record import Malformed, Record
from civicbench.datasets.readers.settings import ReaderSettings

# Taken before a test's own environment hides it.
_MIRROR = os.environ.get("CIVICBENCH_MIRROR")
_BESIDE = Path(__file__).resolve().parents[4] / "shared" / "mirror"
_ADAPTER: TypeAdapter[Any] = TypeAdapter(ReaderSettings)


def reader_of(settings: Mapping[str, Any]) -> Reader:
    return _ADAPTER.validate_python(settings)


def read(
    settings: Mapping[str, Any], files: Mapping[str, Path]
) -> tuple[list[Record], list[Malformed]]:
    items = list(reader_of(settings).read(files))
    records = [item for item in items if isinstance(item, Record)]
    return records, [item for item in items if isinstance(item, Malformed)]


def read_one(
    settings: Mapping[str, Any], content: str | bytes, folder: Path, name: str = "file.txt"
) -> tuple[list[Record], list[Malformed]]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(settings, {"file": path})


def mirror() -> Path:
    """The mirror's folder; a test that needs it is skipped, saying so, where it is absent."""
    folder = Path(_MIRROR) if _MIRROR else _BESIDE
    if not (folder / "MANIFEST.tsv").is_file():
        pytest.skip(f"no mirror of real files at {folder}: set CIVICBENCH_MIRROR to try it")
    return folder
