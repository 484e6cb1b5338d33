from pathlib import Path

import pytest

from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.core.manifests import ManifestEntry, read_manifest, write_manifest

HEAD = "url\tsha256\tbytes\tlicence\n"
DIGEST = "a" * 64


def test_what_is_written_is_read(tmp_path: Path) -> None:
    entries = [
        ManifestEntry(url="https://example.org/b", sha256=DIGEST, bytes=2, licence="MIT"),
        ManifestEntry(url="wheels/a.whl", sha256=DIGEST, bytes=1, licence=""),
    ]
    write_manifest(tmp_path / "m.tsv", entries[::-1])
    assert read_manifest(tmp_path / "m.tsv") == entries
    assert [entry.place for entry in entries] == [Path("example.org/b"), Path("wheels/a.whl")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "an empty file"),
        ("url,sha256,bytes,licence\n", "is no manifest"),
        (HEAD + f"https://example.org/a\t{DIGEST}\t1\n", "line 2: 3 columns"),
        (HEAD + "https://example.org/a\tabc\t1\tMIT\n", "line 2: String should match"),
        (HEAD + f"https://example.org/a\t{DIGEST}\tmany\tMIT\n", "line 2: Input should be"),
        (HEAD + f"../../etc/passwd\t{DIGEST}\t1\tMIT\n", "line 2: a path that leaves"),
        (HEAD + f"/etc/passwd\t{DIGEST}\t1\tMIT\n", "line 2: a path that leaves"),
        (HEAD + f"https://example.org/../a\t{DIGEST}\t1\tMIT\n", "line 2: "),
    ],
)
def test_a_manifest_with_mistakes_is_refused_with_their_lines(
    tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "m.tsv").write_text(text)
    with pytest.raises(InvalidInputError) as caught:
        read_manifest(tmp_path / "m.tsv")
    assert says in str(caught.value)


def test_no_manifest_is_said_to_be_absent(tmp_path: Path) -> None:
    with pytest.raises(PartAbsentError):
        read_manifest(tmp_path / "m.tsv")
