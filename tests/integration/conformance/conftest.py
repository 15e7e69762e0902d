"""The proxy that conformance cases are sent to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.proxy import RunningProxy, run_proxy


@pytest.fixture(scope="session")
def conformance_proxy() -> Iterator[RunningProxy]:
    """A proxy with default settings over the conformance network."""
    with run_proxy(Path(__file__).parent / "network") as proxy:
        yield proxy
