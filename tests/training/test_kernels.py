"""Which kernels are chosen, and that a choice that cannot be is not made."""

import importlib.util

import pytest
from tests.training.factory import make_settings

from civicbench.training.kernels import chosen_kernels, uses_liger


@pytest.mark.parametrize("kernels", ["auto", "plain"])
@pytest.mark.parametrize("on_gpu", [False, True])
@pytest.mark.parametrize("installed", [False, True])
def test_liger_needs_a_gpu_its_package_and_leave(
    kernels: str, on_gpu: bool, installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.find_spec("json") if installed else None
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)
    settings = make_settings(kernels=kernels)
    chosen = kernels == "auto" and on_gpu and installed
    assert uses_liger(settings, on_gpu=on_gpu) == chosen
    layers = next(k for k in chosen_kernels(settings, on_gpu=on_gpu) if "norms" in k.part)
    assert layers.name == ("Liger" if chosen else "PyTorch")
    assert layers.why
