"""The one place where messages become tokens: training, evaluation and chat all use it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from civicbench.core.errors import InvalidInputError
from civicbench.models.prepare import PreparedModel
from civicbench.models.settings import ModelEntry

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Raised by hand when the same conversation would become other token ids.
CODE_VERSION = 1
# Llama 3's template writes today's date into the system turn unless one is given: a prompt
# that changes from day to day could not be compared with itself.
_FIXED_DATE = "26 Jul 2024"
# Where a rendered text must be cut before it is tokenised: a code point that Unicode reserves for
# a program's own use. One that stands in a message is doubled.
_SEAM = "\ufdd0"
_SINGLE_SEAM = re.compile(f"(?<!{_SEAM}){_SEAM}(?!{_SEAM})")


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    role: Literal["system", "user", "assistant"]
    """Who speaks."""
    content: str
    """What is said."""


@dataclass(frozen=True)
class RenderedExample:
    """A training example as token ids.

    Attributes:
        prompt_ids: The conversation up to where the assistant's last turn begins.
        completion_ids: That turn with its end-of-turn token: what is trained on.
    """

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]


class RendersExamples(Protocol):
    """Makes token ids of a conversation: a renderer, or what it made before."""

    def render_example(self, messages: Sequence[Message]) -> RenderedExample:
        """Return a conversation that ends with the assistant's answer, as token ids."""
        ...


class ChatRenderer:
    """Renders conversations with a model's own chat template.

    A prompt and its completion are tokenised apart and joined: so the prompt has the same ids
    in training, where the completion is known, and in evaluation, where it is not.

    Only the template makes control tokens. What a message says is text: where it spells one, such
    as `<|im_end|>`, it is tokenised as the characters it is, so that nobody's text can end a turn
    or open another.

    Args:
        tokenizer: The model's tokenizer.
        template: The chat template's text.
        end_of_turn: The token that ends an assistant's turn.
        generation_prompt: The text that opens an assistant's turn.

    Raises:
        InvalidInputError: The template or the special tokens do not fit the tokenizer.
    """

    def __init__(
        self,
        tokenizer: "PreTrainedTokenizerBase",
        *,
        template: str,
        end_of_turn: str,
        generation_prompt: str,
    ) -> None:
        self.tokenizer = tokenizer
        self.template = template
        self.end_of_turn = end_of_turn
        end_ids = tokenizer.encode(end_of_turn, add_special_tokens=False)
        if len(end_ids) != 1:
            raise InvalidInputError(
                "the end-of-turn token is not one token of the tokenizer",
                where="model catalogue entry: end_of_turn",
                got=f"{end_of_turn!r} -> {end_ids}",
            )
        self.end_of_turn_id: int = end_ids[0]
        control = {end_of_turn, *tokenizer.get_added_vocab(), *tokenizer.all_special_tokens}
        spellings = "|".join(re.escape(token) for token in sorted(control) if len(token) > 1)
        # Looking ahead finds spellings that overlap, too.
        self._control = re.compile(f"(?={spellings})")
        probe = self.render_prompt([Message(role="user", content="a")])
        if not probe.endswith(generation_prompt):
            raise InvalidInputError(
                "the chat template does not open the assistant's turn as the catalogue says",
                where="model catalogue entry: generation_prompt",
                got=repr(probe[-40:]),
            )

    def render_prompt(self, messages: Sequence[Message]) -> str:
        """Return the text up to where the assistant's next turn begins.

        Raises:
            InvalidInputError: The template refuses the conversation.
        """
        return self._apply(messages, add_generation_prompt=True)

    def render_conversation(self, messages: Sequence[Message]) -> str:
        """Return the text of a whole conversation, as the template writes it.

        Raises:
            InvalidInputError: The template refuses the conversation.
        """
        return self._apply(messages, add_generation_prompt=False)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a rendered text; nothing is added before or after."""
        ids: list[int] = []
        for piece in _SINGLE_SEAM.split(text):
            ids += self.tokenizer.encode(piece.replace(_SEAM * 2, _SEAM), add_special_tokens=False)
        return ids

    def render_plain(self, text: str) -> str:
        """Return a text as it may stand in a rendered one: without power to make control tokens."""
        text = text.replace(_SEAM, _SEAM * 2)
        cuts = [found.start() + 1 for found in self._control.finditer(text)]
        pieces = zip([0, *cuts], [*cuts, len(text)], strict=True)
        return _SEAM.join(text[start:end] for start, end in pieces)

    def pieces(self, ids: Sequence[int]) -> tuple[str, ...]:
        """Return the text of each token, control tokens as they are spelt."""
        return tuple(
            str(self.tokenizer.decode([token], clean_up_tokenization_spaces=False)) for token in ids
        )

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, without special tokens."""
        return str(
            self.tokenizer.decode(
                list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )

    def render_example(self, messages: Sequence[Message]) -> RenderedExample:
        """Return a conversation that ends with the assistant's answer, as token ids.

        Raises:
            InvalidInputError: The last turn is not the assistant's, or the template does not
                put it after the generation prompt and close it with the end-of-turn token.
        """
        if not messages or messages[-1].role != "assistant":
            raise InvalidInputError("a training example must end with an assistant's turn")
        prompt = self.render_prompt(messages[:-1])
        whole = self.render_conversation(messages)
        if not whole.startswith(prompt):
            raise InvalidInputError(
                "the chat template renders a prompt differently once its answer follows",
                got=repr(whole[:80]),
                remedy="give a `template` in the model's catalogue entry",
            )
        body, found, _ = whole[len(prompt) :].rpartition(self.end_of_turn)
        if not found:
            raise InvalidInputError(
                "the chat template does not end the assistant's turn with its end-of-turn token: "
                "the model would never learn to stop",
                got=repr(whole[-40:]),
            )
        return RenderedExample(
            tuple(self.encode(prompt)), (*self.encode(body), self.end_of_turn_id)
        )

    def reads_the_clock(self, messages: Sequence[Message]) -> bool:
        """Return whether the template writes the day's date into a conversation.

        Raises:
            InvalidInputError: The template refuses the conversation.
        """
        written = self.render_conversation(messages)
        try:
            without = self.tokenizer.apply_chat_template(
                self._turns(messages),
                chat_template=self.template,
                tokenize=False,
                date_string=_FIXED_DATE,
                strftime_now=None,  # hides the clock that transformers offers
            )
        except TypeError:  # the template calls it
            return True
        return bool(without != written)

    def _apply(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        from jinja2 import TemplateError

        try:
            return str(
                self.tokenizer.apply_chat_template(
                    self._turns(messages),
                    chat_template=self.template,
                    tokenize=False,
                    add_generation_prompt=add_generation_prompt,
                    date_string=_FIXED_DATE,
                )
            )
        except TemplateError as error:
            raise InvalidInputError(
                "the chat template refuses this conversation",
                where=f"turns: {', '.join(message.role for message in messages)}",
                got=str(error),
                remedy="change the dataset's turns, or give a `template` in the model's "
                "catalogue entry",
            ) from error

    def _turns(self, messages: Sequence[Message]) -> list[dict[str, str]]:
        return [
            {"role": message.role, "content": self.render_plain(message.content)}
            for message in messages
        ]


def load_tokenizer(prepared: PreparedModel) -> "PreTrainedTokenizerBase":
    """Return the tokenizer of a prepared model, with the padding token that its entry names."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(
        prepared.folder, local_files_only=True, trust_remote_code=False
    )
    if prepared.entry.pad_token is not None:
        tokenizer.pad_token = prepared.entry.pad_token
    return tokenizer


def build_renderer(entry: ModelEntry, tokenizer: "PreTrainedTokenizerBase") -> ChatRenderer:
    """Return the renderer of a model's tokenizer.

    Raises:
        InvalidInputError: There is no chat template, or tokens do not fit.
    """
    template = entry.template or tokenizer.chat_template
    if not isinstance(template, str):
        raise InvalidInputError(
            "has no chat template", where=f"model {entry.name}",
            remedy="give one as `template` in the catalogue entry",
        )  # fmt: skip
    return ChatRenderer(
        tokenizer,
        template=template,
        end_of_turn=entry.end_of_turn,
        generation_prompt=entry.generation_prompt,
    )


def load_renderer(prepared: PreparedModel) -> ChatRenderer:
    """Return the renderer of a prepared model.

    Raises:
        InvalidInputError: The tokenizer has no chat template, or tokens do not fit.
    """
    tokenizer = load_tokenizer(prepared)
    renderer = build_renderer(prepared.entry, tokenizer)
    if tokenizer.pad_token_id is None:
        raise InvalidInputError(
            "has no padding token", where=f"model {prepared.entry.name}",
            remedy="name one as `pad_token` in the catalogue entry",
        )  # fmt: skip
    return renderer
