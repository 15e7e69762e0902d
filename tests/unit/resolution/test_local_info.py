"""The files in which an operator names services: those of Handle.Net clients, and every way to get them wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from resolver.errors import SettingsError
from resolver.protocol.json_sites import site_to_json
from resolver.resolution.local_info import MAX_FILE_OCTETS, load_gateway, load_local_info
from tests.fakes import site_at

SITE, OTHER = site_at("198.51.100.1"), site_at("198.51.100.2", primary=False)
SHOWN, OTHER_SHOWN = site_to_json(SITE), site_to_json(OTHER)


def written(folder: Path, content: Any) -> Path:
    """Write a file; text as it is, anything else as JSON."""
    path = folder / "local_info.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def test_prefixes(tmp_path: Path) -> None:
    """Each entry names prefixes and a site; several entries for one prefix add up, in the order of the file."""
    found = load_local_info(
        written(
            tmp_path,
            [
                {"nas": ["0.NA/20.500.1", "0.NA/20.500.a"], "site": SHOWN},
                {"nas": ["0.na/20.500.A"], "site": OTHER_SHOWN},
                {"nas": [], "site": SHOWN},
            ],
        )
    )
    assert found == {"0.NA/20.500.1": (SITE,), "0.NA/20.500.A": (SITE, OTHER)}


@pytest.mark.parametrize("name", ["20.500.1", " 20.500.1 ", "0.NA/20.500.1", "0.na/20.500.1"])
def test_spelling(tmp_path: Path, name: str) -> None:
    """A prefix may be written bare or as the handle that describes it."""
    assert load_local_info(written(tmp_path, [{"nas": [name], "site": SHOWN}])) == {"0.NA/20.500.1": (SITE,)}


def test_no_prefixes(tmp_path: Path) -> None:
    """An empty list names nobody."""
    assert load_local_info(written(tmp_path, [])) == {}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "is no JSON"),
        ("[", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ({}, "must be a list of objects"),
        (None, "must be a list of objects"),
        ([1], "entry 1: must be an object"),
        ([{"nas": ["20.500.1"], "site": SHOWN}, {}], "entry 2: must be an object"),
        ([{"nas": "20.500.1", "site": SHOWN}], "entry 1: must be an object"),
        ([{"nas": ["20.500.1"]}], "entry 1: must be an object"),
        ([{"nas": [7], "site": SHOWN}], "entry 1: 7 is no prefix"),
        ([{"nas": [""], "site": SHOWN}], "entry 1: empty handle"),
        ([{"nas": ["20.500.1"], "site": {}}], "entry 1: "),
        ([{"nas": ["20.500.1"], "site": {**SHOWN, "servers": 7}}], "entry 1: "),
    ],
)
def test_wrong(tmp_path: Path, content: Any, complaint: str) -> None:
    """What cannot be used stops the start, and the message names the file, the entry and the trouble."""
    path = written(tmp_path, content)
    with pytest.raises(SettingsError) as raised:
        load_local_info(path)
    assert str(raised.value).startswith(str(path))
    assert complaint in str(raised.value)


def test_gateway(tmp_path: Path) -> None:
    """A gateway file holds one site, or a list of them."""
    assert load_gateway(written(tmp_path, SHOWN)) == (SITE,)
    assert load_gateway(written(tmp_path, [SHOWN, OTHER_SHOWN])) == (SITE, OTHER)


@pytest.mark.parametrize("content", ["", "{}", "[1]", "7"])
def test_wrong_gateway(tmp_path: Path, content: str) -> None:
    """A gateway that cannot be read stops the start."""
    with pytest.raises(SettingsError, match=r"local_info\.json"):
        load_gateway(written(tmp_path, content))


def test_not_there(tmp_path: Path) -> None:
    """So does a file that is not there, that is a folder, or that is no text."""
    for load in (load_local_info, load_gateway):
        for path in (tmp_path / "nowhere.json", tmp_path):
            with pytest.raises(SettingsError, match="cannot be read"):
                load(path)
        (tmp_path / "binary").write_bytes(b"\xff\xfe")
        with pytest.raises(SettingsError, match="is no JSON"):
            load(tmp_path / "binary")


def test_too_large(tmp_path: Path) -> None:
    """A file of a size that no such file has is not read."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_OCTETS + 1)
    with pytest.raises(SettingsError, match="larger than"):
        load_local_info(path)
