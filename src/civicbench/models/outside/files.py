"""The files of a model from outside: which are taken, which are refused, which are left."""

import fnmatch
import stat
from dataclasses import dataclass
from pathlib import Path

from civicbench.core.digests import digest_file
from civicbench.core.errors import IntegrityError, InvalidInputError, PartAbsentError
from civicbench.core.settings import list_mistakes

_MOST_FILES = 2000
_LARGEST_TEXT_BYTES = 64 << 20
_PICKLES = {
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".pkl",
    ".pickle",
    ".joblib",
    ".npy",
    ".npz",
    ".msgpack",
}
_PICKLES |= {".h5", ".dill"}
_CODE = {".py", ".pyc", ".so", ".sh", ".ipynb", ".dll", ".exe", ".js", ".pth.py", ".cu", ".whl"}
# What programs leave beside a model, and nothing here reads.
_LEFT = (".gitattributes", ".gitignore", ".cache/*", "README.md", "*.txt", "LICENSE*", "LICENCE*",
         "NOTICE*", "Notice*", "USE_POLICY*", "trainer_state.json", "all_results.json",
         "train_results.json", "eval_results.json", "training_args.json")  # fmt: skip
_TAKEN = ("*.safetensors", "model.safetensors.index.json", "config.json", "adapter_config.json",
          "generation_config.json", "tokenizer.json", "tokenizer_config.json",
          "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
          "tokenizer.model", "chat_template.jinja", "chat_template.json")  # fmt: skip


@dataclass(frozen=True)
class OutsideFiles:
    """The files of a model from outside.

    Attributes:
        folder: Where they stand.
        taken: Paths, within the folder, of what is read.
        left: Paths of what is left where it is.
    """

    folder: Path
    taken: tuple[str, ...]
    left: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Return whether a file of that name is taken."""
        return name in self.taken

    def path(self, name: str) -> Path:
        """Return where a taken file stands.

        Raises:
            PartAbsentError: It is not among them.
        """
        if name not in self.taken:
            raise PartAbsentError("no such file", where=str(self.folder / name))
        return self.folder / name

    @property
    def weights(self) -> tuple[str, ...]:
        """The safetensors files."""
        return tuple(name for name in self.taken if name.endswith(".safetensors"))

    def digests(self) -> dict[str, str]:
        """Return the sha256 of each taken file."""
        return {name: digest_file(self.folder / name) for name in self.taken}


def list_outside(folder: Path) -> OutsideFiles:
    """Look through a folder from outside; nothing in it is opened.

    Raises:
        PartAbsentError: There is no such folder.
        InvalidInputError: With each pickle, code file, link, device, unknown file or odd name.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise PartAbsentError("is no folder with a model in it", where=str(folder))
    taken, left, refused = [], [], []
    for number, path in enumerate(sorted(folder.rglob("*")), start=1):
        relative = path.relative_to(folder).as_posix()
        if number > _MOST_FILES:
            refused.append(f"more than {_MOST_FILES} files")
            break
        reason = _refusal(path, relative)
        if reason is not None:
            refused.append(f"{relative!r}: {reason}")
        elif path.is_dir():
            continue
        elif "/" not in relative and _matches(relative, _TAKEN):
            taken.append(relative)
        elif _matches(relative, _LEFT):
            left.append(relative)
        else:
            refused.append(f"{relative!r}: is no file that a model is made of")
    if refused:
        raise InvalidInputError(
            f"the folder holds what is not imported: {list_mistakes(refused)}",
            where=str(folder),
            remedy="keep weights as safetensors with their JSON files, and take the rest out",
        )
    return OutsideFiles(folder, tuple(taken), tuple(left))


def read_shapes(files: OutsideFiles) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor, from the headers of the safetensors files.

    Raises:
        IntegrityError: A file that is cut short or is no safetensors file.
        InvalidInputError: A tensor twice, or one that holds no floating point numbers.
    """
    from safetensors import SafetensorError, safe_open

    shapes: dict[str, tuple[int, ...]] = {}
    for name in files.weights:
        path = files.path(name)
        try:
            with safe_open(path, framework="pt") as handle:
                for key in handle.keys():  # noqa: SIM118 (no mapping: it has to be asked)
                    if key in shapes:
                        raise InvalidInputError("a tensor stands twice", where=f"{path}: {key}")
                    piece = handle.get_slice(key)
                    if piece.get_dtype() not in {"F64", "F32", "F16", "BF16"}:
                        raise InvalidInputError(
                            "only floating point weights are imported, not quantised ones",
                            where=f"{path}: {key}",
                            got=piece.get_dtype(),
                        )
                    shapes[key] = tuple(piece.get_shape())
        except (SafetensorError, OSError) as error:
            raise IntegrityError(
                "is not a whole safetensors file", where=str(path), got=str(error)
            ) from None
    return shapes


def check_finite(files: OutsideFiles) -> None:
    """Refuse weights that hold a number that is not finite.

    Raises:
        InvalidInputError: With the first such tensor.
    """
    import torch
    from safetensors import safe_open

    for name in files.weights:
        with safe_open(files.path(name), framework="pt") as handle:
            for key in handle.keys():  # noqa: SIM118
                if not bool(torch.isfinite(handle.get_tensor(key)).all()):
                    raise InvalidInputError(
                        "holds numbers that are not finite", where=f"{name}: {key}"
                    )


def _refusal(path: Path, relative: str) -> str | None:
    if not relative.isprintable() or "\\" in relative or relative.startswith("-"):
        return "an odd name"
    if path.is_symlink():
        return "a link: it could lead anywhere"
    status = path.lstat()
    if stat.S_ISDIR(status.st_mode):
        return None
    if not stat.S_ISREG(status.st_mode):
        return "no plain file"
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        return "a pickle or the like, which can run code when it is opened"
    if suffix in _CODE or (status.st_mode & 0o111 and not suffix):
        return "code, which is never run here"
    if suffix != ".safetensors" and status.st_size > _LARGEST_TEXT_BYTES:
        return f"larger than {_LARGEST_TEXT_BYTES >> 20} MiB"
    return None


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
