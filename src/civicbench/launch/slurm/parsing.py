"""Reading what Slurm's programs print, whatever their version adds or leaves out."""

import re
from collections.abc import Iterator

_KEY = re.compile(r"(?:^| )(?=[A-Za-z][A-Za-z0-9_./:]*=)")
_NOTHING = frozenset({"", "(null)", "N/A", "Unknown", "None", "None assigned", "UNLIMITED"})
_LONGEST_RANGE = 100_000


def read_records(text: str) -> list[dict[str, str]]:
    """Return the records of `scontrol show ... -o`: one a line, KEY=VALUE with spaces between.

    A value may hold spaces: it ends where the next KEY= begins. Lines without any are left out.
    """
    records = []
    for line in text.splitlines():
        pairs = (word.split("=", 1) for word in _KEY.split(line.strip()) if "=" in word)
        record = {key: value.strip() for key, value in pairs}
        if record:
            records.append(record)
    return records


def read_table(text: str) -> list[dict[str, str]]:
    """Return the rows of `sacct -P`, by the names in its first line."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    names = [name.strip().lower() for name in lines[0].split("|")]
    return [dict(zip(names, line.split("|"), strict=False)) for line in lines[1:]]


def read_lines(text: str, *, names: tuple[str, ...]) -> list[dict[str, str]]:
    """Return rows that were asked for as `FIELD|FIELD|...`, by the names given."""
    rows = [line.split("|") for line in text.splitlines() if line.strip()]
    return [dict(zip(names, row, strict=False)) for row in rows]


def said(value: str | None) -> str | None:
    """Return a value; None where Slurm says in one of its ways that there is none."""
    return None if value is None or value.strip() in _NOTHING else value.strip()


def whole(value: str | None) -> int | None:
    """Return a number; None where there is none."""
    text = said(value) or ""
    return int(text) if text.isdecimal() else None


def state_word(text: str | None) -> str:
    """Return a state's name: `CANCELLED by 1000`, `CANCELLED+` and `["RUNNING"]` are one word."""
    found = re.search(r"[A-Z][A-Z_]+", text or "")
    return found[0] if found else "UNKNOWN"


def exit_code(text: str | None) -> tuple[int | None, int | None]:
    """Return exit code and signal of `CODE:SIGNAL`; None where there is none."""
    code, _, number = (text or "").partition(":")
    if not code.isdecimal():
        return None, None
    return int(code), int(number) if number.isdecimal() else None


def duration_s(text: str | None) -> int | None:
    """Return the seconds of `[DAYS-]HOURS:MINUTES:SECONDS`, `MINUTES:SECONDS` or `MINUTES`."""
    value = said(text)
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", value or "")
    if found is None:
        return None
    days, first, second, third = (int(part) if part else None for part in found.groups())
    if days is not None or third is not None:  # hours come first
        hours, minutes, seconds = first or 0, second or 0, third or 0
        return ((days or 0) * 24 + hours) * 3600 + minutes * 60 + seconds
    if second is not None:
        return (first or 0) * 60 + second
    return (first or 0) * 60


def task_numbers(text: str | None) -> Iterator[int]:
    """Yield the tasks of `3`, `0-4`, `[2,5-7]` or `0-22:2%4`, in order."""
    value = (text or "").strip("[]").split("%")[0]
    for part in value.split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?(?::(\d+))?", part.strip())
        if found is None:
            continue
        first, last = int(found[1]), int(found[2] or found[1])
        step = max(1, int(found[3] or 1))
        yield from range(first, min(last, first + _LONGEST_RANGE) + 1, step)


def megabytes(text: str | None) -> float | None:
    """Return Slurm's memory (`4000`, `4000M`, `3.9G`, `2T`) in its M of 2^20 bytes."""
    found = re.fullmatch(r"([\d.]+)([KMGT]?)[nc]?", said(text) or "")
    if found is None:
        return None
    factor = {"K": 1 / 1024, "": 1.0, "M": 1.0, "G": 1024.0, "T": 1024.0**2}[found[2]]
    return float(found[1]) * factor


def gpu_counts(text: str | None) -> dict[str, int]:
    """Return GPUs by type of a GRES text such as `gpu:a100:4(S:0-1),gpu:2`; "" where untyped."""
    counts: dict[str, int] = {}
    for kind, number in re.findall(r"gpu(?::([A-Za-z][\w.+-]*))?:(\d+)", said(text) or ""):
        counts[kind] = counts.get(kind, 0) + int(number)
    if not counts and re.search(r"(^|,)gpu(,|$)", said(text) or ""):
        counts[""] = 1
    return counts
