"""Files that are pinned by address and digest: downloads cache, mirrors, then the network."""

import hashlib
import http.client
import os
import re
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from civicbench.core.environment import is_offline
from civicbench.core.errors import IntegrityError, PartAbsentError
from civicbench.core.files import disk_errors_explained, sync_folder
from civicbench.core.mirrors import mirror_folders, verify_file
from civicbench.core.progress import Reporter
from civicbench.core.settings import Settings
from civicbench.core.workspace import Workspace

_TIMEOUT_S = 60.0
_CHUNK_BYTES = 1 << 20
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_PATH = re.compile(r"(?:/[A-Za-z0-9%!$&'()*+,;=:@~_-][A-Za-z0-9%!$&'()*+,;=:@~._-]*)+")


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https":
        raise ValueError("must begin with https://")
    if not _HOST.fullmatch(parts.netloc):
        raise ValueError("must name a host in lower case, without user, password or port")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise ValueError("must have no query (?) and no fragment (#)")
    if not _PATH.fullmatch(parts.path):
        raise ValueError("must name a file, and no part of its path may begin with a dot")
    return url


Url = Annotated[str, AfterValidator(_checked_url)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class PinnedFile(Settings):
    """A file on the web that is pinned by its digest."""

    url: Url
    """Where it is published: https, without query."""
    sha256: Sha256
    """Digest of its bytes."""

    @property
    def place(self) -> Path:
        """Where it stands in a mirror and among the downloads: HOST/PATH."""
        return Path(self.url.removeprefix("https://"))


def find_file(pinned: PinnedFile, *, workspace: Workspace) -> Path | None:
    """Return a pinned file where it stands on this machine, verified; None where it does not.

    Raises:
        IntegrityError: A file stands in its place with other bytes.
    """
    for root in (workspace.downloads, *mirror_folders()):
        path = root / pinned.place
        if path.is_file():
            verify_file(path, pinned.sha256)
            return path
    return None


def fetch_file(pinned: PinnedFile, *, workspace: Workspace, reporter: Reporter) -> Path:
    """Return a pinned file: from the downloads, a mirror, or the network unless offline.

    Raises:
        IntegrityError: The bytes differ from the digest; nothing is kept of a download.
        PartAbsentError: Offline and not here, no network, or the address has no such file.
    """
    found = find_file(pinned, workspace=workspace)
    if found is not None:
        return found
    if is_offline():
        raise PartAbsentError(
            "is not on this machine, and offline mode is on",
            where=pinned.url,
            remedy=f"put it at {workspace.downloads / pinned.place}, or under the same HOST/PATH "
            "into a mirror named in CIVICBENCH_MIRROR (`civicbench mirror sync` fills one)",
        )
    reporter.say(f"  fetching {pinned.url}")
    return download_file(pinned, workspace.downloads / pinned.place)


def download_file(pinned: PinnedFile, target: Path) -> Path:
    """Download a pinned file: streamed beside its target, verified, then renamed into place.

    Raises:
        IntegrityError: The bytes differ from the digest; nothing is kept.
        PartAbsentError: No network, or the address has no such file.
    """
    with disk_errors_explained(str(target)):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".partial")
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as out:
                found = _stream(pinned.url, out)
                out.flush()
                os.fsync(out.fileno())
            if found != pinned.sha256:
                raise IntegrityError(
                    "what the network gave is not the file that was pinned",
                    where=pinned.url,
                    got=f"sha256 {found}, pinned {pinned.sha256}",
                    remedy="it was not kept; whoever pinned it must look at what changed",
                )
            partial.chmod(0o644)
            os.replace(partial, target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)
    return target


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Mapping[str, str],  # type: ignore[override]
        newurl: str,
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            raise PartAbsentError(
                "the address leads away from https", where=req.full_url, got=newurl
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _stream(url: str, out: IO[bytes]) -> str:
    """Copy an address's bytes and return their sha256."""
    state = hashlib.sha256()
    opener = urllib.request.build_opener(_HttpsOnly)
    request = urllib.request.Request(url, headers={"User-Agent": "civicbench"})  # noqa: S310
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as response:
            while chunk := response.read(_CHUNK_BYTES):
                state.update(chunk)
                out.write(chunk)
            left = response.length
    except urllib.error.HTTPError as error:
        gone = error.code in {404, 410}
        raise PartAbsentError(
            "the source has vanished" if gone else "the address did not give the file",
            where=url,
            got=f"HTTP {error.code} {error.reason}",
            remedy="look for a copy with the same sha256 and put it into a mirror"
            if gone
            else "try again later, or use a mirror",
        ) from None
    except (urllib.error.URLError, TimeoutError, http.client.HTTPException, ConnectionError) as e:
        raise PartAbsentError(
            "cannot be fetched", where=url, got=str(e),
            remedy="check the network, or use a mirror (CIVICBENCH_MIRROR)",
        ) from None  # fmt: skip
    if left:
        raise PartAbsentError(
            "the connection ended before the file did", where=url, got=f"{left} bytes are missing"
        )
    return state.hexdigest()
