"""The inputs that are kept: in the repository, small, one file each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

__all__ = ["CORPUS", "MAX_CORPUS_OCTETS", "inputs_of", "keep"]

CORPUS = Path(__file__).parent / "corpus"

MAX_CORPUS_OCTETS = 500_000
"""What all targets together may take in the repository."""

MAX_TARGET_OCTETS = 30_000
MAX_INPUT_OCTETS = 1024
MAX_INPUTS = 100


def inputs_of(target: str) -> list[Path]:
    """Return the inputs of a target, always in the same order."""
    return sorted((CORPUS / target).iterdir())


def keep(target: str, found: Iterable[Path]) -> int:
    """Add inputs to those that are kept, the shortest first, as far as there is room; return how many came in."""
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    held = {path.read_bytes() for path in folder.iterdir()}
    room = MAX_TARGET_OCTETS - sum(map(len, held))
    added = 0
    for octets in sorted((path.read_bytes() for path in found), key=lambda octets: (len(octets), octets)):
        if octets in held or len(octets) > min(room, MAX_INPUT_OCTETS) or len(held) >= MAX_INPUTS:
            continue
        (folder / hashlib.sha256(octets).hexdigest()[:16]).write_bytes(octets)
        held.add(octets)
        room -= len(octets)
        added += 1
    return added
