"""What a start loads, and what it leaves to the garbage collector."""

from __future__ import annotations

import gc
import subprocess
import sys

from resolver.web.server import spare_what_stays

NOT_AT_ONCE = {"aiocache", "babel", "cryptography", "opentelemetry", "redis"}

START = """
import resolver.cli, resolver.web.server, resolver.web.workers, sys
from resolver.config import Settings
from resolver.web.app import create_apps
create_apps(Settings())
print(*sys.modules)
"""


def test_a_start_loads_what_it_needs() -> None:
    """What only some resolvers or later requests need takes neither time nor memory until then."""
    done = subprocess.run([sys.executable, "-c", START], check=True, capture_output=True, text=True)
    assert NOT_AT_ONCE & {name.partition(".")[0] for name in done.stdout.split()} == set()


def test_the_collector_spares_what_is_there_by_then() -> None:
    """It was off during the start; then it goes on, and does not look at what has been made so far."""
    gc.disable()
    try:
        spare_what_stays()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
        gc.enable()
