"""A version as a Hugging Face repository: laid out on disk, and pushed only when asked."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from civicbench.cards.card import HTML_NAME, MARKDOWN_NAME
from civicbench.core.environment import is_offline
from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.core.files import (
    disk_errors_explained,
    remove_folder,
    rename_folder_whole,
    write_text_whole,
)
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.models.catalogue import load_model_entry
from civicbench.models.prepare import PreparedModel, prepare_model
from civicbench.models.publishing import write_surroundings
from civicbench.models.rendering import load_renderer
from civicbench.pipeline.publishing.version import (
    CARD_FOLDER,
    OpenVersion,
    open_version,
    require_approval,
)
from civicbench.registry.bindings import EVIDENCE_NAME

README_NAME = "README.md"
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_ATTRIBUTES = "*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
_ERROR_LINES = 3
# huggingface_hub reads its offline switch at import: the push runs in its own process, so that
# the rest of the program stays offline. What it is told comes by standard input.
_PUSH = (
    "import json, sys\nfrom huggingface_hub import HfApi\n"
    "told = json.load(sys.stdin)\napi = HfApi()\n"
    "api.create_repo(told['repository'], private=told['private'], exist_ok=True)\n"
    "made = api.upload_folder(repo_id=told['repository'], folder_path=told['folder'],"
    " commit_message=told['message'])\nprint(made.oid)\n"
)


@dataclass(frozen=True)
class HubLayout:
    """A version laid out as a repository.

    Attributes:
        folder: Where it stands.
        files: Its files by path, in order.
        commit: The commit that was pushed; None where nothing was.
    """

    folder: Path
    files: tuple[str, ...]
    commit: str | None


def publish_to_hub(
    reference: str,
    *,
    folder: Path,
    repository: str | None,
    push: bool,
    unapproved: bool,
    workspace: Workspace,
    reporter: Reporter,
) -> HubLayout:
    """Lay a version out as a Hugging Face repository, and push it where that is asked for.

    The folder gets the adapter (or the fully trained model), tokenizer and chat template as
    training used them, the card as README with its front matter, the card as HTML, the evidence,
    and what the base's licence asks to go with it.

    Args:
        reference: The version.
        folder: Where to; must not stand yet.
        repository: OWNER/NAME on the hub.
        push: Send it there.
        unapproved: Send it although nobody has approved it; the repository is made private.
        workspace: Where registry and models are.
        reporter: Told what is going on.

    Raises:
        InvalidInputError: The folder stands, or the repository has no name that can be used.
        NotApprovedError: It was to be pushed, and nobody has approved it.
        PartAbsentError: Offline, or the hub did not take it.
    """
    if folder.exists():
        raise InvalidInputError(
            "stands already, and nothing is written over", where=str(folder),
            remedy="remove it, or name another folder",
        )  # fmt: skip
    with open_version(reference, workspace=workspace) as version:
        _check_name(version, repository=repository, push=push)
        if push:
            _check_push(version, unapproved=unapproved)
        entry = load_model_entry(version.evidence.base.name)
        prepared = prepare_model(entry, workspace=workspace, reporter=reporter)
        partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
        with disk_errors_explained(str(folder)):
            remove_folder(partial)
            partial.mkdir(parents=True)
            try:
                lay_out(version, prepared, folder=partial)
                rename_folder_whole(partial, folder)
            finally:
                remove_folder(partial)
        files = tuple(
            path.relative_to(folder).as_posix()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        )
        commit = None
        if push and repository is not None:
            reporter.say(f"  pushing {len(files)} files to {repository}")
            commit = _push(
                folder,
                repository=repository,
                private=not version.approved,
                message=f"{version.shown.reference} ({version.shown.digest})",
            )
    return HubLayout(folder, files, commit)


def lay_out(version: OpenVersion, prepared: PreparedModel, *, folder: Path) -> None:
    """Write a version's repository into an empty folder."""
    write_surroundings(prepared, load_renderer(prepared), folder=folder)
    for path in sorted(version.trained.iterdir()):
        shutil.copyfile(path, folder / path.name)
    card = version.folder / CARD_FOLDER
    shutil.copyfile(card / MARKDOWN_NAME, folder / README_NAME)
    shutil.copyfile(card / HTML_NAME, folder / HTML_NAME)
    shutil.copyfile(version.folder / EVIDENCE_NAME, folder / EVIDENCE_NAME)
    write_text_whole(folder / ".gitattributes", _ATTRIBUTES)
    facts = json.dumps(version.facts, indent=2, sort_keys=True, ensure_ascii=False)
    write_text_whole(folder / "civicbench.json", facts + "\n")


def _check_name(version: OpenVersion, *, repository: str | None, push: bool) -> None:
    if repository is None:
        if push:
            raise InvalidInputError("has to be named to push to it", where="--repository")
        return
    if not _REPOSITORY.fullmatch(repository):
        raise InvalidInputError("is no OWNER/NAME", where="--repository", got=repr(repository))
    prefix = version.evidence.base.licence.name_prefix
    name = repository.partition("/")[2]
    if prefix is not None and not name.startswith(prefix):
        raise InvalidInputError(
            f"{version.evidence.base.licence.name} asks that the name begins with {prefix}",
            where="--repository",
            got=name,
            remedy=f"name it {prefix}-{name}",
        )


def _check_push(version: OpenVersion, *, unapproved: bool) -> None:
    require_approval(version, unapproved=unapproved)
    if is_offline():
        raise PartAbsentError(
            "offline mode is on, and nothing is sent", remedy="leave --push or --offline out"
        )


def _push(folder: Path, *, repository: str, private: bool, message: str) -> str:
    told = {
        "repository": repository,
        "private": private,
        "folder": str(folder.resolve()),
        "message": message,
    }
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", _PUSH],
        env={**os.environ, "HF_HUB_OFFLINE": "0"},
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PartAbsentError(
            f"the hub did not take {repository}",
            got="\n".join(done.stderr.strip().splitlines()[-_ERROR_LINES:]) or "no message",
            remedy="set HF_TOKEN to a token that may write there, and check the network; the "
            f"layout stands in {folder}",
        )
    return done.stdout.strip().splitlines()[-1]
