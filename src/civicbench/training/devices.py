"""GPUs that a run can be planned for without having them (`configs/hardware/*.yaml`)."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from civicbench.core.content import find_content, list_content
from civicbench.core.documents import read_yaml_mapping
from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import Settings, parse_settings, suggest

_KIND = "configs/hardware/{name}.yaml"
_FORMS = 'write a count and a GPU, such as "8x H100-80GB", or its memory, such as "2x 80GB"'
_COUNTED = re.compile(r"(?:(?P<count>\d+)\s*[x×*]\s*)?(?P<device>[^\s].*)", re.IGNORECASE)
_MEMORY = re.compile(r"(?P<memory>\d+(?:\.\d+)?)\s*GB", re.IGNORECASE)


class DeviceEntry(Settings):
    """One GPU of the catalogue."""

    name: str
    """The name that `--for` takes, in any case; equals the file's name."""
    title: str
    """The name that people use."""
    memory_gb: Annotated[float, Field(gt=0)]
    """Its memory in gigabytes (10^9 bytes), as its maker names it."""
    bfloat16_tflops: Annotated[float, Field(gt=0)]
    """Its rate in dense bfloat16 matrix products, in 10^12 operations a second."""
    watts: Annotated[float, Field(gt=0)]
    """Its power limit."""
    source: str
    """Where these figures stand."""
    note: str = ""
    """What to know about them."""


@dataclass(frozen=True)
class Devices:
    """Devices that a run is planned for.

    Attributes:
        count: How many.
        memory_bytes: Memory of each.
        entry: The catalogue's entry; None where only the memory was named.
    """

    count: int
    memory_bytes: float
    entry: DeviceEntry | None

    @property
    def title(self) -> str:
        """The devices in words."""
        name = self.entry.title if self.entry else f"GPU with {self.memory_bytes / 1e9:g} GB"
        return f"{self.count} x {name}"


def list_devices() -> list[DeviceEntry]:
    """Return every GPU of the catalogue, by name."""
    return [_read_entry(name) for name in sorted(list_content(_KIND))]


def parse_devices(text: str) -> Devices:
    """Return the devices that a text names: "8x H100-80GB", "L4-24GB" or "2x 80GB".

    Args:
        text: The text.

    Raises:
        InvalidInputError: It is not of that form, or names a GPU that the catalogue lacks.
    """
    where = "command line: --for"
    found = _COUNTED.fullmatch(text.strip())
    if found is None:
        raise InvalidInputError("no hardware is named", where=where, got=repr(text), remedy=_FORMS)
    count = int(found["count"] or 1)
    if count == 0:
        raise InvalidInputError("there must be a device", where=where, got=text, remedy=_FORMS)
    memory = _MEMORY.fullmatch(found["device"])
    if memory is not None:
        gigabytes = float(memory["memory"])
        if gigabytes == 0:
            raise InvalidInputError("a GPU has memory", where=where, got=text, remedy=_FORMS)
        return Devices(count, gigabytes * 1e9, None)
    name = re.sub(r"[\s_]+", "-", found["device"].strip().lower()).removeprefix("nvidia-")
    known = sorted(list_content(_KIND))
    if name not in known:
        raise InvalidInputError(
            f"the catalogue has no GPU {found['device']!r}",
            where=where,
            got=text,
            remedy=f"{_hint(name, known)}; {_FORMS}",
        )
    entry = _read_entry(name)
    return Devices(count, entry.memory_gb * 1e9, entry)


def _hint(name: str, known: list[str]) -> str:
    """Return the nearest name, also where only the memory or the maker's suffix is missing."""
    begun = [other for other in known if other.startswith(name)]
    near = " or ".join(other.upper() for other in begun) or (suggest(name, known) or "").upper()
    listed = ", ".join(other.upper() for other in known)
    return f"did you mean {near}?" if near else f"known: {listed}"


def _read_entry(name: str) -> DeviceEntry:
    path = find_content(_KIND, name)
    entry = parse_settings(DeviceEntry, read_yaml_mapping(path), where=str(path))
    if entry.name != path.stem:
        raise InvalidInputError(
            "name must equal the file's name", where=f"{path}: name", got=entry.name
        )
    return entry
