"""What the owner of a prefix can say about all of its handles."""

from __future__ import annotations

import pytest

from resolver.model.namespace import Namespace


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("inactive", True),
        (" Inactive\n", True),
        ("INACTIVE", True),
        ("active", False),
        ("suspended", False),
        ("", False),
    ],
)
def test_only_inactive_stops_a_prefix(status: str, expected: bool) -> None:
    """Handles stop leading anywhere when the owner says inactive, not for a word that we do not know."""
    assert Namespace(status=status).is_inactive is expected


def test_silence_means_active() -> None:
    """An owner who says nothing leaves the prefix as it is."""
    assert not Namespace().is_inactive
