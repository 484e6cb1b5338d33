"""Proof that an adapter is on above an untouched base, or that a trained model is not its base."""

from typing import TYPE_CHECKING

from civicbench.core.errors import WorkFailedError

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel


def probe_logits(model: "PreTrainedModel | PeftModel", prompt_ids: list[int]) -> "torch.Tensor":
    """Return a model's logits after a prompt, of shape [vocabulary]."""
    import torch

    with torch.inference_mode():
        ids = torch.tensor([prompt_ids], device=model.device)
        logits: torch.Tensor = model(input_ids=ids, use_cache=False).logits[0, -1]
    return logits.clone()


def prove_adapter(
    model: "PeftModel", *, prompt_ids: list[int], base_logits: "torch.Tensor"
) -> None:
    """Prove that the adapter changes the logits, and that without it they are the base's.

    Args:
        model: The base model with the adapter.
        prompt_ids: A prompt.
        base_logits: The base model's logits after that prompt, from before the adapter was put on.

    Raises:
        WorkFailedError: The adapter changes nothing, or the base below it was changed.
    """
    import torch

    with model.disable_adapter():
        disabled = probe_logits(model, prompt_ids)
    if not torch.equal(disabled, base_logits):
        raise WorkFailedError(
            "with the adapter switched off the model does not answer as its base does, bit for bit",
            got=f"largest difference {float((disabled - base_logits).abs().max()):.3g}",
        )
    if torch.equal(probe_logits(model, prompt_ids), base_logits):
        raise WorkFailedError(
            "the adapter changes nothing: the tuned model would be scored as its base",
            remedy="check that training took steps and that the adapter's layers fit this base",
        )


def prove_other(
    model: "PreTrainedModel", *, prompt_ids: list[int], base_logits: "torch.Tensor"
) -> None:
    """Prove that a fully trained model does not answer as its base does.

    Args:
        model: The fully trained model.
        prompt_ids: A prompt.
        base_logits: The base model's logits after that prompt.

    Raises:
        WorkFailedError: They are the base's, bit for bit.
    """
    import torch

    if torch.equal(probe_logits(model, prompt_ids), base_logits):
        raise WorkFailedError(
            "the fully trained model is its base: it would be scored as that",
            remedy="check that training took steps",
        )
