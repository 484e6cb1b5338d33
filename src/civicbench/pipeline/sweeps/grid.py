"""The settings of a sweep: `key=a,b` on the command line, and every combination of them."""

import itertools
from collections.abc import Iterator, Sequence

from civicbench.core.errors import InvalidInputError

_OPENING, _CLOSING, _QUOTES = "[{", "]}", "\"'"
_MOST_TASKS = 10_000
SEED_KEY = "training.seed"


def parse_grid(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the values of each key, as texts of YAML.

    Commas part values, but not within brackets, braces or quotes: `evaluation=[a,b],[c]` has two.

    Args:
        words: `key.path=value,value` texts.

    Raises:
        InvalidInputError: Not of that form, a key or value given twice, or the seed among them.
    """
    grid: dict[str, tuple[str, ...]] = {}
    for word in words:
        key, equals, text = word.partition("=")
        values = tuple(_split(text))
        if not equals or not key.strip() or not all(values):
            raise InvalidInputError(
                "must read key.path=value,value", where="command line", got=word,
                remedy="put a value that holds a comma in brackets or quotes",
            )  # fmt: skip
        if key in grid:
            raise InvalidInputError("is given twice", where=f"command line: {key}", got=word)
        double = sorted({value for value in values if values.count(value) > 1})
        if double:
            raise InvalidInputError(
                "names a value twice: both would be the same run", where=f"command line: {key}",
                got=", ".join(double),
            )  # fmt: skip
        if key == SEED_KEY:
            raise InvalidInputError(
                "seeds are no setting to choose among", where=f"command line: {key}", got=word,
                remedy="say how many with --seeds; they begin at the recipe's own",
            )  # fmt: skip
        grid[key] = values
    return grid


def variations(grid: dict[str, tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return every combination of a grid's values as overrides, the last key changing fastest.

    Raises:
        InvalidInputError: There are too many.
    """
    total = 1
    for values in grid.values():
        total *= len(values)
    if total > _MOST_TASKS:
        raise InvalidInputError(
            f"a sweep has at most {_MOST_TASKS:,} combinations", where="command line",
            got=f"{total:,}",
        )  # fmt: skip
    keys = list(grid)
    return [
        tuple(f"{key}={value}" for key, value in zip(keys, values, strict=True))
        for values in itertools.product(*grid.values())
    ]


def _split(text: str) -> Iterator[str]:
    depth, quote, piece = 0, "", ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in _QUOTES:
            quote = character
        elif character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        elif character == "," and depth == 0:
            yield piece.strip()
            piece = ""
            continue
        piece += character
    yield piece.strip()
