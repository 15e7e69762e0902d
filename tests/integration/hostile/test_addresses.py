"""Records that send us to our own network get nobody there knocked at, over any transport and by any detour."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
from typing import Any

import pytest

from tests.integration.hostile.address_lab import PRIVATE, prefixes

pytestmark = pytest.mark.timeout(90)


@functools.cache
def _namespace() -> list[str] | None:
    """Return the command that runs another one in a network of its own, or ``None`` if we may not."""
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        return None
    for command in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return command
    return None


@pytest.fixture(scope="module")
def seen() -> Any:
    """Let the laboratory run."""
    namespace = _namespace()
    if namespace is None:
        pytest.skip("needs a network namespace, and the programs ip and unshare")
    command = [*namespace, sys.executable, "-m", "tests.integration.hostile.address_lab"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=80, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout)


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
