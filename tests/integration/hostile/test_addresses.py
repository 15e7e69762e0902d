"""Records that send us to our own network get nobody there knocked at, over any transport and by any detour."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.hostile.address_lab import PRIVATE, prefixes
from tests.integration.hostile.namespaces import said_in_a_namespace

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def seen() -> Any:
    """Let the laboratory run."""
    return said_in_a_namespace("tests.integration.hostile.address_lab")


def test_there_are_many_ways() -> None:
    """The table is as long as it should be, each address over three transports."""
    assert len(set(PRIVATE)) == len(PRIVATE) >= 60
    assert len(prefixes()) >= 70


def test_nobody_at_home_is_knocked_at(seen: Any) -> None:
    """Not one datagram and not one connection arrives anywhere but at the public servers."""
    assert seen["closed"]["knocks"] == {}


def test_visitors_are_told(seen: Any) -> None:
    """Each of these handles has an honest error, at once; one at a public address has its answer."""
    statuses = dict(seen["closed"]["statuses"])
    assert statuses.pop("public") == 302
    assert set(statuses) == set(prefixes())
    assert {name: status for name, status in statuses.items() if status not in (404, 502)} == {}


def test_canaries_would_have_noticed(seen: Any) -> None:
    """With private addresses allowed, the same records do lead there: over UDP and over TCP."""
    assert seen["open"]["knocks"]["udp"] > 0
    assert seen["open"]["knocks"]["tcp"] > 0
