"""Commands that make, upgrade, anchor and verify a registry."""

from pathlib import Path

import click

from civicbench.cli.output import print_json
from civicbench.cli.signing import PassphraseSource, signing_options, unlock
from civicbench.cli.versions import registry

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
_repository = click.option(
    "--repository", type=click.Path(path_type=Path, exists=True, file_okay=False), default=".",
    show_default=True, help="The git repository that holds the tag.",
)  # fmt: skip


@registry.command("init")
@click.option(
    "--url", metavar="URL",
    help="Keep the database there (postgresql://USER@HOST/DATABASE or sqlite:////PATH), and "
    "remember it in the workspace. Without a password: that is read from PGPASSWORD or ~/.pgpass.",
)  # fmt: skip
@click.option(
    "--files", metavar="URL",
    help="Keep the files there, as fsspec knows it (s3://BUCKET/PATH, file:///PATH).",
)  # fmt: skip
def init_registry(url: str | None, files: str | None) -> None:
    """Make an empty registry; one that stands already is left as it is."""
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.registry.registry import Registry
    from civicbench.registry.sharing import share_registry

    workspace = Workspace.locate()
    if url is not None or files is not None:
        workspace = share_registry(workspace, url=url, files=files)
    with Registry.open_or_initialise(workspace, reporter=Reporter()) as opened:
        click.echo(f"{opened.address}: {opened.head().sequence} events")


@registry.command("upgrade")
def upgrade_registry() -> None:
    """Bring a registry of an older release to this release's shape, under a lock.

    Back up database and files first. All of it happens in one transaction.
    """
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.registry.database import initialise, registry_exists, revision_of
    from civicbench.registry.registry import Registry

    workspace = Workspace.locate()
    url = workspace.registry_url
    before = revision_of(url) if registry_exists(url) else None
    if before is not None:
        initialise(url, lock=workspace.locks / "registry.lock", reporter=Reporter())
    with Registry.open(workspace) as opened:
        after = revision_of(url)
        click.echo(
            f"{opened.address}: revision {after}"
            + (f", upgraded from {before}" if before != after else ", nothing to upgrade")
        )


@registry.command("anchor")
@click.option(
    "--to", "path", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write the signed checkpoint to FILE, to be kept where this registry's owner cannot "
    "write.",
)  # fmt: skip
@click.option("--git-tag", "tag", metavar="TAG", help="Put it into an annotated git tag.")
@_repository
@signing_options
def anchor_registry(
    path: Path | None,
    tag: str | None,
    repository: Path,
    person: str,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """Sign the end of the event chain, so that a rewritten history can be told later."""
    from civicbench.core.errors import InvalidInputError
    from civicbench.core.workspace import Workspace
    from civicbench.registry.anchors import tag_anchor, write_anchor
    from civicbench.registry.registry import Registry

    if path is None and tag is None:
        raise InvalidInputError("give --to FILE or --git-tag TAG, or both")
    source = PassphraseSource(passphrase_file, passphrase_fd)
    with Registry.open(Workspace.locate()) as opened:
        head = opened.head()
        anchor = opened.anchor(signer=unlock(opened, person=person, source=source))
    if path is not None:
        write_anchor(anchor, path)
        click.echo(f"Anchor: {path}")
    if tag is not None:
        tag_anchor(anchor, tag=tag, repository=repository)
        click.echo(f"Tag: {tag} (push it where others keep it)")
    click.echo(f"Chain head: {head.digest} ({head.sequence} events)")


@registry.command("verify")
@click.option(
    "--anchor", "anchors", multiple=True, metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A signed checkpoint that was kept elsewhere; may be repeated.",
)  # fmt: skip
@click.option(
    "--git-tag", "tags", multiple=True, metavar="TAG",
    help="A git tag that holds one; may be repeated.",
)  # fmt: skip
@_repository
@click.option(
    "--public-key", "public_keys", multiple=True, metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A public key that was kept elsewhere, with which anchors may be signed; without one, "
    "the registry's own keys are taken.",
)  # fmt: skip
@_json
def verify_registry(
    anchors: tuple[Path, ...],
    tags: tuple[str, ...],
    repository: Path,
    public_keys: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Check event chain, database, stored files and signatures; exit with 6 where one differs."""
    from civicbench.core.workspace import Workspace
    from civicbench.registry.anchors import read_anchor, read_tag
    from civicbench.registry.registry import Registry
    from civicbench.registry.signing.keys import PublicKey

    kept = [read_anchor(path) for path in anchors]
    kept += [read_tag(tag, repository=repository) for tag in tags]
    trusted = [
        PublicKey.from_pem(path.read_text("utf-8", "replace"), where=str(path))
        for path in public_keys
    ]
    with Registry.open(Workspace.locate()) as opened:
        found = opened.verify(anchors=kept, trusted=trusted)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    click.echo(
        f"whole: {found.versions} versions, {found.files} files, {found.events} events, "
        f"{found.signatures} signatures"
        + (f", {len(kept)} anchors" if kept else "")
        + f"; chain head {found.head.digest}"
    )
