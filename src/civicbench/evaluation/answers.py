"""Reading a model's answer: the likeliest choice, or `Name: value` lines."""

from collections.abc import Sequence


def choose(log_likelihoods: Sequence[float], choices: Sequence[str], *, per_byte: bool) -> int:
    """Return the position of the choice that a model finds most likely.

    Args:
        log_likelihoods: Of each choice, in nats.
        choices: The choices as written.
        per_byte: Divide by the choice's length in UTF-8 bytes first, as lm-eval's `acc_norm`
            divides by characters.

    Returns:
        The position; the first of equals.
    """
    scores = [
        value / len(choice.encode()) if per_byte else value
        for value, choice in zip(log_likelihoods, choices, strict=True)
    ]
    return max(range(len(scores)), key=scores.__getitem__)


def read_lines(text: str) -> dict[str, str]:
    """Return the `Name: value` lines of an answer, in order.

    A line without a colon, or a name that stands twice, makes the answer ill-formed: it is
    returned under the empty name, so that it cannot equal what was asked for.
    """
    found: dict[str, str] = {}
    for line in text.strip().split("\n"):
        name, colon, value = line.partition(":")
        name = name.strip()
        if not colon or name in found:
            found[""] = line
        else:
            found[name] = value.strip()
    return found
