"""Test vectors: octets of the handle protocol as files, with what they mean and where they come from.

A ``.hex`` file begins with lines ``# key: value`` (``about``, ``origin`` and ``verdict`` are always there), then
come the octets; further blocks follow under ``[title]``. The ``.toml`` file of the same name says what the octets
hold. ``*.toml`` in this directory are tables of many small cases.

====================  ======================================================================================
``messages``          messages that must be read, some of them with their datagrams or their request
``refused_messages``  messages that must be refused
``data``              data of HS_SITE, HS_ADMIN, HS_VLIST and HS_PUBKEY values, and whole values
``refused_data``      data that must be refused
``rest``              the JSON in which the REST API passes a message on
====================  ======================================================================================
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Vector", "params", "table", "tables", "vector", "vectors"]

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Vector:
    """Octets, and what is known about them."""

    name: str
    octets: bytes
    notes: dict[str, str]
    blocks: tuple[tuple[str, bytes], ...]
    facts: dict[str, Any]
    """What the octets hold; empty for those that hold nothing readable."""

    @property
    def verdict(self) -> str:
        """``ok``, ``expired``, ``malformed`` or ``unsupported``."""
        return self.notes["verdict"]

    def titled(self, title: str) -> tuple[bytes, ...]:
        """Return the further blocks of this title."""
        return tuple(octets for name, octets in self.blocks if name == title)


@functools.cache
def vectors(directory: str) -> tuple[Vector, ...]:
    """Return all vectors of a directory, by name."""
    return tuple(_read(path) for path in sorted((_HERE / directory).glob("*.hex")))


def vector(directory: str, name: str) -> Vector:
    """Return one vector."""
    return next(found for found in vectors(directory) if found.name == name)


@functools.cache
def table(name: str) -> dict[str, Any]:
    """Return a table of cases; ``name`` may contain a directory."""
    return tomllib.loads((_HERE / f"{name}.toml").read_text("utf-8"))


def tables(directory: str) -> list[Any]:
    """Return the tables of a directory as parameters for a test."""
    found = sorted((_HERE / directory).glob("*.toml"))
    return [pytest.param(table(f"{directory}/{path.stem}"), id=path.stem) for path in found]


def params(chosen: Iterable[Vector]) -> list[Any]:
    """Return vectors as parameters for a test, each under its name."""
    return [pytest.param(one, id=one.name) for one in chosen]


def _read(path: Path) -> Vector:
    notes: dict[str, str] = {}
    blocks: list[tuple[str, list[str]]] = [("", [])]
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("# "):
            key, _, text = line[2:].partition(":")
            notes[key] = text.strip()
        elif line.startswith("["):
            blocks.append((line.strip("[]"), []))
        else:
            blocks[-1][1].append(line)
    main, *others = ((title, bytes.fromhex("".join(lines))) for title, lines in blocks)
    companion = path.with_suffix(".toml")
    facts = tomllib.loads(companion.read_text("utf-8")) if companion.exists() else {}
    return Vector(path.stem, main[1], notes, tuple(others), facts)
