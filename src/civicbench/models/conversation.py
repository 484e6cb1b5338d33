"""A conversation with a loaded model, streamed."""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING

from civicbench.core.errors import InvalidInputError
from civicbench.models.rendering import ChatRenderer, Message

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn.

    Attributes:
        max_new_tokens: Longest answer.
        temperature: 0 takes the likeliest token; above, tokens are sampled.
        seed: Seed of sampling.
    """

    max_new_tokens: int
    temperature: float
    seed: int


class Conversation:
    """Turns with one model; the whole talk so far is given to it each time.

    Args:
        model: The loaded model.
        renderer: Its renderer.
        system: A system turn to begin with.
        sampling: How answers are drawn.
        context_length_tokens: The longest talk that the model can read.
    """

    def __init__(
        self,
        model: "PreTrainedModel | PeftModel",
        *,
        renderer: ChatRenderer,
        system: str | None,
        sampling: Sampling,
        context_length_tokens: int,
    ) -> None:
        self._model = model
        self._renderer = renderer
        self._sampling = sampling
        self._limit = context_length_tokens
        self._messages = [Message(role="system", content=system)] if system else []

    def answer(self, text: str) -> Iterator[str]:
        """Yield the model's answer to a user's turn, piece by piece.

        Raises:
            InvalidInputError: The talk has grown longer than the model's context.
        """
        import torch
        from transformers import TextIteratorStreamer, set_seed

        messages = [*self._messages, Message(role="user", content=text)]
        ids = self._renderer.encode(self._renderer.render_prompt(messages))
        if len(ids) + self._sampling.max_new_tokens > self._limit:
            raise InvalidInputError(
                "the talk has grown longer than the model can read",
                got=f"{len(ids)} tokens, and room for {self._sampling.max_new_tokens} is needed "
                f"within {self._limit}",
            )
        streamer = TextIteratorStreamer(
            self._renderer.tokenizer, skip_prompt=True, skip_special_tokens=True
        )
        set_seed(self._sampling.seed)
        sample = self._sampling.temperature > 0
        prompt = torch.tensor([ids], device=self._model.device)

        failed: list[Exception] = []

        def generate() -> None:
            try:
                self._model.generate(
                    input_ids=prompt,
                    attention_mask=torch.ones_like(prompt),
                    max_new_tokens=self._sampling.max_new_tokens,
                    do_sample=sample,
                    temperature=self._sampling.temperature if sample else None,
                    eos_token_id=self._renderer.end_of_turn_id,
                    pad_token_id=self._renderer.tokenizer.pad_token_id,
                    streamer=streamer,
                )
            except Exception as error:  # raised below: the reader must not wait for ever
                failed.append(error)
                streamer.end()

        worker = Thread(target=generate, daemon=True)
        worker.start()
        pieces = []
        for piece in streamer:
            pieces.append(piece)
            yield piece
        worker.join()
        if failed:
            raise failed[0]
        self._messages = [*messages, Message(role="assistant", content="".join(pieces))]
