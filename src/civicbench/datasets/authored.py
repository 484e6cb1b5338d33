"""Rows that somebody wrote for Civicbench: flat JSON lines, every slip of the pen refused."""

from collections.abc import Iterator
from pathlib import Path

from civicbench.core.documents import iterate_lines, parse_json_object
from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.record import Malformed, Record, Scalar

_Scalar = str | int | float | bool | None


def read_authored_rows(
    path: Path, *, name: str, needed: frozenset[str]
) -> Iterator[Record | Malformed]:
    """Yield a record a line; values that are lists or objects are no fields.

    Args:
        path: The file.
        name: Its name in places.
        needed: Fields that must be text or a number.
    """
    for number, line in iterate_lines(path):
        place = f"{name}:{number}"
        try:
            fields = parse_json_object(line, where=place)
        except InvalidInputError as error:
            got = f", got {error.got}" if error.got else ""
            yield Malformed(place, f"{error.problem}{got}", "")
            continue
        wrong = [f for f in fields if f in needed and not isinstance(fields[f], _Scalar)]
        if wrong:
            kind = type(fields[wrong[0]]).__name__
            problem = f"the field {wrong[0]!r} must be text or a number, got a {kind}"
            yield Malformed(place, problem, "")
            continue
        flat: dict[str, Scalar] = {f: v for f, v in fields.items() if isinstance(v, _Scalar)}
        yield Record(place, flat)
