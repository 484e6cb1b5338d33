"""Where recipes, datasets, suites and catalogues stand, and how a name finds its file."""

from pathlib import Path

from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.core.settings import suggest

CONTENT_FOLDERS = ("recipes", "datasets", "training", "evaluation", "configs", "slurm")
_PROJECT_MARKERS = (".civicbench", "recipes")


def shipped_content_root() -> Path:
    """Return the folder that holds the shipped top folders.

    In a wheel that is `civicbench/content`; in a checkout it is the checkout's root.
    """
    package = Path(__file__).resolve().parent.parent
    inside = package / "content"
    return inside if inside.is_dir() else package.parent.parent


def project_root(start: Path | None = None) -> Path:
    """Return the user's project: the nearest folder upwards with `recipes/` or `.civicbench/`.

    Args:
        start: Where to look from; the working folder where None.

    Returns:
        That folder, or the start itself where none is found.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if any((folder / marker).is_dir() for marker in _PROJECT_MARKERS):
            return folder
    return here


def content_roots() -> list[Path]:
    """Return the folders in which names are looked up: the project first, then what is shipped."""
    roots = [project_root(), shipped_content_root()]
    return roots if roots[0] != roots[1] else roots[:1]


def find_content(kind: str, name: str) -> Path:
    """Return the file of a named part, from the project or from what is shipped.

    Args:
        kind: A pattern relative to a content root with `{name}` in it, such as
            `configs/models/{name}.yaml` or `datasets/{name}/dataset.yaml`.
        name: The part's name, as a recipe gives it.

    Raises:
        InvalidInputError: No such name; with the nearest known one.
        PartAbsentError: A link of that name leads nowhere.
    """
    if name in list_content(kind):
        for root in content_roots():
            path = root / kind.format(name=name)
            if path.is_file():
                return path
    for root in content_roots():
        path = root / kind.format(name=name)
        _refuse_broken_links(path, root=root)
    known = sorted(list_content(kind))
    near = suggest(name, known)
    folder = kind.split("{name}")[0].rstrip("/")
    raise InvalidInputError(
        f"there is no {name!r} in {folder}/",
        remedy=f"did you mean {near}?" if near else f"known: {', '.join(known) or 'none'}",
    )


def list_content(kind: str) -> dict[str, Path]:
    """Return every named part of a kind with its file; the project's own hide shipped ones."""
    before, after = kind.split("{name}")
    found: dict[str, Path] = {}
    for root in reversed(content_roots()):
        folder = root / before
        if not folder.is_dir():
            continue
        for path in sorted(folder.glob("*" + after)):
            if path.is_file():
                name = path.relative_to(folder).as_posix().removesuffix(after)
                found[name] = path
    return found


def _refuse_broken_links(path: Path, *, root: Path) -> None:
    """Name a link on the way to a part that leads nowhere: the part is not simply unknown."""
    for step in (path, *path.parents):
        if step == root:
            return
        if step.is_symlink() and not step.exists():
            raise PartAbsentError(
                "is a link that leads nowhere", where=str(step), got=str(step.readlink()),
                remedy="mend the link, or put the files in its place",
            )  # fmt: skip
