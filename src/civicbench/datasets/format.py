"""How a row becomes a conversation."""

import unicodedata
from collections.abc import Mapping

from civicbench.core.settings import Settings
from civicbench.datasets.formatting import fill, placeholders
from civicbench.datasets.readers.record import Scalar
from civicbench.models.rendering import Message


class Format(Settings):
    """How a row becomes chat messages; `{field}` stands for the row's field."""

    system: str | None = None
    """The system turn; None for none."""
    user: str
    """The user's turn."""
    assistant: str
    """The answer that is trained on."""
    rejected: str | None = None
    """The answer that the one above is preferred to; None for rows that are no preferences."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The row fields that the turns and the rejected answer need."""
        named = [
            name
            for text in (self.system or "", self.user, self.assistant, self.rejected or "")
            for name in placeholders(text)
        ]
        return tuple(dict.fromkeys(named))

    @property
    def turn_fields(self) -> tuple[str, ...]:
        """The row fields that the user's turn, the answer and the rejected answer need."""
        named = [
            name
            for text in (self.user, self.assistant, self.rejected or "")
            for name in placeholders(text)
        ]
        return tuple(dict.fromkeys(named))

    def user_text(self, fields: Mapping[str, Scalar]) -> str:
        """Return the user's turn."""
        return normal(fill(self.user, fields))

    def assistant_text(self, fields: Mapping[str, Scalar]) -> str:
        """Return the answer."""
        return normal(fill(self.assistant, fields))

    def rejected_text(self, fields: Mapping[str, Scalar]) -> str | None:
        """Return the rejected answer, or None where rows have none."""
        return None if self.rejected is None else normal(fill(self.rejected, fields))

    def messages(self, fields: Mapping[str, Scalar]) -> tuple[Message, ...]:
        """Return a row's conversation.

        Raises:
            KeyError: The row lacks a field.
        """
        turns = []
        if self.system is not None:
            turns.append(Message(role="system", content=normal(fill(self.system, fields))))
        turns.append(Message(role="user", content=self.user_text(fields)))
        turns.append(Message(role="assistant", content=self.assistant_text(fields)))
        return tuple(turns)

    def problem(self, fields: Mapping[str, Scalar]) -> str | None:
        """Return why a row that has every field makes no conversation, or None."""
        answers = [("answer", self.assistant)]
        if self.rejected is not None:
            answers.append(("rejected answer", self.rejected))
        for part, text in (("user turn", self.user), *answers):
            if not fill(text, fields).strip():
                return f"the {part} is empty"
        # An answer whose every field is blank would train on the template's own words.
        for part, text in answers:
            for name in placeholders(text):
                if not str(fields[name]).strip():
                    return f"the {part}'s field {name!r} is empty"
        rejected = self.rejected_text(fields)
        # Answers that differ in blanks alone would teach blanks.
        if rejected is not None and rejected.split() == self.assistant_text(fields).split():
            return "the rejected answer is the same as the chosen one"
        return None


def normal(text: str) -> str:
    """Return text in Unicode NFC without blanks at its ends (UAX 15)."""
    return unicodedata.normalize("NFC", text).strip()
