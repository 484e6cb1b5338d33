"""XML from strangers, read in parts by expat.

Expat is what ElementTree and defusedxml stand on; used directly it needs no package, gives lines,
and lets the refusals be chosen. Nothing is ever fetched. A document type with an external part, a
parameter entity, or an entity that is more than one character is refused when it is declared:
before anything could expand. parldata declares its typographic characters in this way.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.text import MAXIMUM_RECORD_CHARACTERS, open_bytes

_CHUNK_BYTES = 1 << 16
_MAXIMUM_DEPTH = 200


class BrokenXmlError(Exception):
    """XML that ends or breaks inside its root; what stood before it has been yielded.

    Args:
        line: The line at which it breaks.
        problem: What is wrong there.
        partial: The child of the root that was open, as far as it came.
    """

    def __init__(self, line: int, problem: str, *, partial: Element | None) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem
        self.partial = partial


class _RefusedError(Exception):
    """What a handler found that this reader does not accept."""


class ElementStream:
    """Yields the children of an XML file's root, and forgets each after it was used.

    Args:
        path: The file.
        root: The name that the root must have, without its namespace.
        entities: Whether entities of one character may be declared in the file.
    """

    def __init__(self, path: Path, *, root: str, entities: bool) -> None:
        self.attributes: dict[str, str] = {}
        self._path = path
        self._root = root
        self._entities = entities
        self._open: list[str] = []
        self._characters = 0
        self._line = 0
        self._builder = TreeBuilder()
        self._finished: list[tuple[int, Element]] = []
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.EntityDeclHandler = self._entity

    def __iter__(self) -> Iterator[tuple[int, Element]]:
        """Yield (line of its beginning, child of the root); names have no namespaces.

        Raises:
            InvalidInputError: No XML, another root, a bomb, an external part, too deep.
            BrokenXmlError: It breaks further down.
        """
        with open_bytes(self._path) as stream:
            ended = False
            while not ended:
                chunk = stream.read(_CHUNK_BYTES)
                ended = not chunk
                failure = self._feed(chunk, ended)
                yield from self._finished
                self._finished.clear()
                if failure:
                    raise failure

    def _feed(self, chunk: bytes, ended: bool) -> Exception | None:
        try:
            self._parser.Parse(chunk, ended)
        except expat.ExpatError as error:
            problem = expat.ErrorString(error.code) or "not well-formed"
            if self._line:
                return BrokenXmlError(error.lineno, problem, partial=self._close_open())
            return InvalidInputError(
                "is not XML", where=f"{self._path}:{error.lineno}", got=problem
            )
        except _RefusedError as refusal:
            return InvalidInputError(
                str(refusal), where=f"{self._path}:{self._parser.CurrentLineNumber}"
            )
        except (LookupError, ValueError) as error:
            return InvalidInputError("is not XML", where=str(self._path), got=str(error))
        return None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(" ")[2]
        self._open.append(name)
        if len(self._open) > _MAXIMUM_DEPTH:
            raise _RefusedError(f"is nested deeper than {_MAXIMUM_DEPTH} elements")
        if len(self._open) == 1:
            if name != self._root:
                raise _RefusedError(
                    f"is not the XML expected: its root is {name}, not {self._root}"
                )
            self.attributes = attributes
            self._line = self._parser.CurrentLineNumber
            return
        if len(self._open) == 2:
            self._builder = TreeBuilder()
            self._line = self._parser.CurrentLineNumber
            self._characters = 0
        self._builder.start(name, attributes)

    def _end(self, name: str) -> None:
        closed = self._open.pop()
        if self._open:
            self._builder.end(closed)
        if len(self._open) == 1:
            self._finished.append((self._line, self._builder.close()))

    def _close_open(self) -> Element | None:
        if len(self._open) < 2:
            return None
        while len(self._open) > 1:
            self._builder.end(self._open.pop())
        return self._builder.close()

    def _text(self, text: str) -> None:
        if len(self._open) < 2:
            return
        self._characters += len(text)
        if self._characters > MAXIMUM_RECORD_CHARACTERS:
            raise _RefusedError(f"holds a record over {MAXIMUM_RECORD_CHARACTERS} characters")
        self._builder.data(text)

    def _doctype(self, name: str, system: str | None, public: str | None, internal: Any) -> None:
        if system is not None or public is not None:
            raise _RefusedError("has a document type outside the file, which is not fetched")
        if not self._entities:
            raise _RefusedError("has a document type declaration, which is not read here")

    def _entity(
        self, name: str, parameter: int, value: str | None, base: Any, system: Any, *rest: Any
    ) -> None:
        if parameter or value is None:
            raise _RefusedError(f"declares the external or parameter entity {name}")
        if len(value) != 1:
            raise _RefusedError(f"declares the entity {name}, which is more than one character")
