"""Installs the stand-in as the package vllm, with a version that its metadata names."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

VERSION = "0.99.0"
_BACKEND = "lm_eval.models.vllm_causallms"
_imported: dict[str, ModuleType] = {}
_STAND_IN = Path(__file__).with_name("vllm_stand_in.py")
_FILES = {
    "vllm/lora/__init__.py": "",
    "vllm/lora/request.py": "from vllm import LoRARequest as LoRARequest\n",
    "vllm/tokenizers.py": "from vllm import get_tokenizer as get_tokenizer\n",
    "vllm/renderers/__init__.py": "",
    "vllm/renderers/hf.py": "from vllm import resolve_chat_template as resolve_chat_template\n",
    f"vllm-{VERSION}.dist-info/METADATA": (
        f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}\n"
    ),
}


@contextlib.contextmanager
def installed(site: Path) -> Iterator[Any]:
    """Give the stand-in's module; until the block ends, `import vllm` finds it."""
    for name, content in {"vllm/__init__.py": _STAND_IN.read_text(), **_FILES}.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    # lm-eval takes each backend's name once: what was imported before is taken up again.
    sys.modules.update(_imported)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        import vllm

        yield vllm
    for name in [n for n in sys.modules if n.partition(".")[0] == "vllm" or n == _BACKEND]:
        _imported[name] = sys.modules.pop(name)
