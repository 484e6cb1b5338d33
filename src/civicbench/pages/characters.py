"""Text of models and datasets, made fit to be looked at."""

_PIECE_MARKS = {" ": "\N{OPEN BOX}", "\t": "\N{RIGHTWARDS ARROW TO BAR}"}
LINE_BREAK_MARK = "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}"


def visible(text: str) -> str:
    """Return text in which unprintable and direction-changing characters can be seen.

    Control characters, lone surrogates and bidirectional marks could hide or reorder what a
    reader sees, or make a file that is not valid; each is shown as its code point.
    """
    return "".join(f"[U+{ord(letter):04X}]" if _is_hidden(letter) else letter for letter in text)


def _is_hidden(letter: str) -> bool:
    point = ord(letter)
    return (
        (point < 0x20 and letter not in "\n\t")
        or 0x7F <= point <= 0x9F
        or 0xD800 <= point <= 0xDFFF
        or point == 0x061C
        or 0x200B <= point <= 0x200F
        or 0x2028 <= point <= 0x202E
        or 0x2060 <= point <= 0x2069
        or point in (0xFEFF, 0xFFFE, 0xFFFF)
        or 0xE0000 <= point <= 0xE007F
    )


def show_piece(text: str) -> str:
    """Return a token's text with its spaces, tabs and line breaks as symbols.

    A line break stays one behind its symbol.
    """
    marked = "".join(_PIECE_MARKS.get(letter, letter) for letter in text)
    return visible(marked).replace("\n", LINE_BREAK_MARK + "\n")


def shorten(text: str, *, limit: int) -> tuple[str, int]:
    """Return the beginning of a text and how many characters were left off.

    Args:
        text: The text.
        limit: The most characters that stay.
    """
    return (text, 0) if len(text) <= limit else (text[:limit], len(text) - limit)
