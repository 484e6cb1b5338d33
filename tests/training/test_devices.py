"""The catalogue of GPUs, and how they are named on the command line."""

import pytest

from civicbench.core.errors import InvalidInputError
from civicbench.training.devices import list_devices, parse_devices


@pytest.mark.parametrize(
    ("text", "count", "gigabytes", "name"),
    [
        ("8x H100-80GB", 8, 80, "h100-80gb"),
        ("1x L4-24GB", 1, 24, "l4-24gb"),
        ("l4-24gb", 1, 24, "l4-24gb"),
        ("4 x NVIDIA A100 80GB", 4, 80, "a100-80gb"),
        ("2xL40S_48GB", 2, 48, "l40s-48gb"),
        ("2x 80GB", 2, 80, None),
        ("24 GB", 1, 24, None),
        ("3×22.5gb", 3, 22.5, None),
    ],
)
def test_hardware_is_read(text: str, count: int, gigabytes: float, name: str | None) -> None:
    devices = parse_devices(text)
    assert (devices.count, devices.memory_bytes) == (count, gigabytes * 1e9)
    assert (devices.entry.name if devices.entry else None) == name


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("8x H100", "did you mean H100-80GB?"),
        ("A100", "did you mean A100-40GB or A100-80GB?"),
        ("2x L4-42GB", "did you mean L4-24GB?"),
        ("TPU", "known: A10-24GB, A100-40GB"),
        ("0x H100-80GB", 'such as "8x H100-80GB"'),
        ("2x 0GB", 'such as "2x 80GB"'),
        ("", 'such as "8x H100-80GB"'),
        ("  ", 'such as "8x H100-80GB"'),
        ("8x", "known:"),
        ("-2x 80GB", "known:"),
    ],
)
def test_mistakes_come_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_devices(text)
    assert hint in str(refused.value)
    assert "--for" in str(refused.value)


def test_every_gpu_has_its_figures_and_where_they_stand() -> None:
    devices = list_devices()
    assert len(devices) >= 6
    for device in devices:
        assert device.name.endswith(f"-{device.memory_gb:g}gb")
        assert device.source.startswith("https://")
        assert 20 < device.bfloat16_tflops < 3000
        assert 50 < device.watts < 1500
