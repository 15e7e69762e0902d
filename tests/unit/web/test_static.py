"""The files that pages need."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from resolver.errors import SettingsError
from resolver.web.render import template_folders
from resolver.web.static import MAX_FILE_OCTETS, load_static_files


def folder_with(root: Path, files: dict[str, bytes]) -> Path:
    """Return a folder with these files below ``static/``."""
    for name, content in files.items():
        path = root / "static" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def test_shipped_files_are_there() -> None:
    """The pages have their style sheet and icons, and robots their rules, without any setting."""
    found = load_static_files(template_folders(None))
    assert {"style.css", "icon.svg", "favicon.ico", "robots.txt"} <= set(found)
    assert found["style.css"].content_type == "text/css; charset=utf-8"
    assert found["robots.txt"].content_type == "text/plain; charset=utf-8"
    assert found["icon.svg"].content_type == "image/svg+xml"
    assert found["favicon.ico"].content_type.startswith("image/")


def test_file_of_the_operator_replaces_ours(tmp_path: Path) -> None:
    """A file of the operator's stands in for ours of the same name; all others stay, and new ones join."""
    mine = folder_with(tmp_path, {"style.css": b"body{}", "logo/big.png": b"png"})
    found = load_static_files(template_folders(mine))
    assert found["style.css"].content == b"body{}"
    assert found["logo/big.png"].content == b"png"
    assert found["robots.txt"] == load_static_files(template_folders(None))["robots.txt"]


def test_earlier_folder_wins(tmp_path: Path) -> None:
    """The order of the folders decides, not that of the names."""
    one = folder_with(tmp_path / "b", {"x.txt": b"one"})
    two = folder_with(tmp_path / "a", {"x.txt": b"two", "y.txt": b"three"})
    found = load_static_files([one, two])
    assert {name: file.content for name, file in found.items()} == {"x.txt": b"one", "y.txt": b"three"}


@pytest.mark.parametrize("make", [lambda root: None, lambda root: (root / "static").mkdir()])
def test_folder_without_files_has_none(tmp_path: Path, make: object) -> None:
    """An operator's folder need not hold static files."""
    make(tmp_path)  # type: ignore[operator]
    assert load_static_files([tmp_path]) == {}


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.css", "text/css; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.woff2", "font/woff2"),
        ("a.unknown", "application/octet-stream"),
        ("noending", "application/octet-stream"),
        (".css", "application/octet-stream"),
    ],
)
def test_type_follows_the_name(tmp_path: Path, name: str, content_type: str) -> None:
    """Browsers are told what a file is, and of an unknown one that it is octets."""
    assert load_static_files([folder_with(tmp_path, {name: b"x"})])[name].content_type == content_type


def test_etag_follows_the_content(tmp_path: Path) -> None:
    """The entity tag is quoted, is the same for the same content, and changes with it."""
    found = load_static_files(
        [folder_with(tmp_path, {"a.txt": b"1", "b.css": b"1", "c.txt": b"2", "d": b""})]
    )
    tags = {name: file.etag for name, file in found.items()}
    assert all(re.fullmatch(r'"[0-9a-f]{16}"', tag) for tag in tags.values())
    assert tags["a.txt"] == tags["b.css"]
    assert len({tags["a.txt"], tags["c.txt"], tags["d"]}) == 3


def test_file_of_the_limit_is_kept_and_a_larger_one_stops_the_start(tmp_path: Path) -> None:
    """Files live in memory: one above the limit is named when the resolver starts."""
    folder = folder_with(tmp_path, {"large.bin": b""})
    large = folder / "static" / "large.bin"
    with large.open("wb") as file:
        file.truncate(MAX_FILE_OCTETS)
    assert len(load_static_files([folder])["large.bin"].content) == MAX_FILE_OCTETS
    with large.open("ab") as file:
        file.write(b"x")
    with pytest.raises(SettingsError, match=r"large\.bin is larger than \d+ octets"):
        load_static_files([folder])


def test_file_that_cannot_be_read_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is there and cannot be had is named when the resolver starts, not when a visitor asks."""
    folder = folder_with(tmp_path, {"locked.css": b"x"})

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(SettingsError, match=r"locked\.css cannot be read: Permission denied"):
        load_static_files([folder])
