"""Strict JSON: every fault that Python's parser lets pass is named."""

import json
import math
from pathlib import Path
from typing import Any

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.text import Encoding, read_text

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


class StrictDecoder:
    """Decodes one JSON value after another and says what is wrong with each."""

    def __init__(self) -> None:
        self._faults: list[str] = []
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object, parse_constant=self._constant, parse_float=self._float
        )

    def decode(self, text: str, *, start: int = 0) -> tuple[JsonValue, int, str | None]:
        """Return (value, the position after it, what is wrong with it or None).

        Raises:
            json.JSONDecodeError: No JSON value stands at `start`.
        """
        self._faults.clear()
        try:
            value, end = self._decoder.raw_decode(text, start)
        except RecursionError:
            raise json.JSONDecodeError("nested too deeply", text[:start] + " ", start) from None
        except json.JSONDecodeError:
            raise
        except ValueError:
            raise json.JSONDecodeError("a number of too many digits", text, start) from None
        return value, end, self._faults[0] if self._faults else None

    def decode_whole(self, text: str) -> tuple[JsonValue, str | None]:
        """Return (value, what is wrong with it or None) of a text that is one JSON value.

        Raises:
            json.JSONDecodeError: It is not one JSON value.
        """
        start = len(text) - len(text.lstrip(" \t\r\n"))
        value, end, fault = self.decode(text, start=start)
        if text[end:].strip(" \t\r\n"):
            raise json.JSONDecodeError("more after the value", text, end)
        return value, fault

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            keys = [key for key, _ in pairs]
            double = next(key for key in keys if keys.count(key) > 1)
            self._faults.append(f"the key {double!r} stands twice")
        return value

    def _constant(self, name: str) -> None:
        self._faults.append(f"{name} is not a number that JSON has")

    def _float(self, digits: str) -> float:
        value = float(digits)
        if not math.isfinite(value):
            self._faults.append("a number too large for a float")
        return value


def read_document(path: Path, *, encoding: Encoding = "utf-8") -> tuple[JsonValue, str | None]:
    """Return (the value of a JSON file, what is wrong with it or None).

    Raises:
        InvalidInputError: The file is not one JSON value; with line and column.
    """
    text = read_text(path, encoding=encoding)
    try:
        return StrictDecoder().decode_whole(text)
    except json.JSONDecodeError as error:
        raise InvalidInputError(
            "is not valid JSON",
            where=f"{path}:{error.lineno}",
            got=f"column {error.colno}: {error.msg}",
        ) from None
