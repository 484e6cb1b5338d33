"""Pinned files: only the pinned bytes are kept, from the nearest place, over https alone."""

import hashlib
import io
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from civicbench.core import fetching
from civicbench.core.errors import IntegrityError, PartAbsentError
from civicbench.core.fetching import PinnedFile, fetch_file
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace

CONTENT = b"what was published"
URL = "https://example.org/data/a.csv"
PINNED = PinnedFile(url=URL, sha256=hashlib.sha256(CONTENT).hexdigest())
QUIET = Reporter(live=False)


class Answer(io.BytesIO):
    """What an opener returns."""

    def __init__(self, content: bytes, *, missing: int = 0) -> None:
        super().__init__(content)
        self.length = missing


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A network that gives `answer`, and notes what was `asked`."""
    state: dict[str, Any] = {"answer": Answer(CONTENT), "asked": []}

    class Opener:
        def open(self, request: urllib.request.Request, timeout: float) -> Answer:
            state["asked"].append(request.full_url)
            if isinstance(state["answer"], Exception):
                raise state["answer"]
            return state["answer"]

    monkeypatch.setattr(fetching.urllib.request, "build_opener", lambda *_: Opener())
    monkeypatch.setenv("CIVICBENCH_OFFLINE", "0")
    return state


def fetch() -> Path:
    return fetch_file(PINNED, workspace=Workspace.locate(), reporter=QUIET)


def left_behind(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a",
        "file:///etc/passwd",
        "https://user:word@example.org/a",
        "https://example.org:8443/a",
        "https://example.org/a?b=c",
        "https://example.org/a#b",
        "https://example.org/../a",
        "https://example.org/a/../../b",
        "https://example.org/a/./b",
        "https://example.org//a",
        "https://example.org/",
        "https://example.org",
        "https://Example.org/a",
        "https://example.org/a b",
    ],
)
def test_an_address_that_is_no_plain_https_file_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        PinnedFile(url=url, sha256="0" * 64)


def test_a_file_comes_from_the_downloads_then_mirrors_in_their_order(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: dict[str, Any]
) -> None:
    folders = [home / "downloads", tmp_path / "first", tmp_path / "second"]
    monkeypatch.setenv("CIVICBENCH_MIRROR", f"{folders[1]}:{folders[2]}")
    for folder in reversed(folders):
        path = folder / "example.org/data/a.csv"
        path.parent.mkdir(parents=True)
        path.write_bytes(CONTENT)
        assert fetch() == path
    assert network["asked"] == []


@pytest.mark.parametrize("place", ["downloads", "mirror"])
def test_other_bytes_in_the_place_of_a_file_are_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("CIVICBENCH_MIRROR", str(tmp_path / "mirror"))
    root = home / "downloads" if place == "downloads" else tmp_path / "mirror"
    path = root / "example.org/data/a.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something else")
    with pytest.raises(IntegrityError, match="not the file that was pinned"):
        fetch()


def test_offline_names_where_the_file_would_go() -> None:
    with pytest.raises(PartAbsentError, match="offline mode is on") as caught:
        fetch()
    assert caught.value.where == URL
    assert "example.org/data/a.csv" in str(caught.value.remedy)


def test_what_is_fetched_is_verified_and_kept(home: Path, network: dict[str, Any]) -> None:
    assert fetch().read_bytes() == CONTENT
    network["answer"] = None
    assert fetch() == home / "downloads/example.org/data/a.csv"
    assert network["asked"] == [URL]


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (Answer(b"other"), IntegrityError, "what the network gave is not the file"),
        (Answer(CONTENT[:4], missing=9), PartAbsentError, "ended before the file did"),
        (
            urllib.error.HTTPError(URL, 404, "Not Found", Message(), None),
            PartAbsentError,
            "the source has vanished",
        ),
        (
            urllib.error.HTTPError(URL, 503, "Busy", Message(), None),
            PartAbsentError,
            "did not give the file",
        ),
        (urllib.error.URLError("no route"), PartAbsentError, "cannot be fetched"),
        (TimeoutError("slow"), PartAbsentError, "cannot be fetched"),
    ],
)
def test_a_fetch_that_fails_leaves_nothing_behind(
    home: Path, network: dict[str, Any], answer: object, error: type[Exception], says: str
) -> None:
    network["answer"] = answer
    with pytest.raises(error, match=says):
        fetch()
    assert left_behind(home) == []


def test_a_redirect_away_from_https_is_refused() -> None:
    request = urllib.request.Request(URL)
    handler = fetching._HttpsOnly()
    with pytest.raises(PartAbsentError, match="away from https"):
        handler.redirect_request(request, io.BytesIO(), 302, "", {}, "http://example.org/a")
    followed = handler.redirect_request(
        request, io.BytesIO(), 302, "", Message(), "https://cdn.example.org/a"
    )
    assert followed is not None
    assert followed.full_url == "https://cdn.example.org/a"
