"""What was learned of the registry outlives the process: fetched, verified, saved, and used at the next start."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resolver import HandleClient
from resolver.config import Settings
from resolver.demo.network import HandleNetwork
from resolver.errors import UpstreamError
from resolver.model.handle import ROOT_HANDLE
from resolver.resolution.registry_keeper import FIRST_DELAY_S
from tests.integration.processes import fetch, run_network, run_program, wait_until


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HandleNetwork, Path]]:
    """The sample network, and its bootstrap file."""
    with run_network(tmp_path_factory.mktemp("network")) as started:
        yield started


@pytest.fixture(scope="module")
def state_dir(network: tuple[HandleNetwork, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a process that ran until it had refreshed what it knew."""
    folder = tmp_path_factory.mktemp("state") / "made" / "by the process"
    with run_program("serve", *options(network[1], folder)):
        wait_until((folder / "registry.json").exists, "a refresh", FIRST_DELAY_S + 15)
    return folder


def options(bootstrap: Path, state_dir: Path) -> list[str]:
    return ["--bootstrap", str(bootstrap), "--state-dir", str(state_dir), "--allow-private-addresses"]


def elsewhere(content: dict[str, Any]) -> dict[str, Any]:
    """Return bootstrap data with the same root of trust, whose sites are where nobody listens."""
    text = json.dumps(content)
    for value in content["handles"][ROOT_HANDLE]["values"]:
        if value["type"] == "HS_SITE":
            for server in value["data"]["value"]["servers"]:
                for interface in server["interfaces"]:
                    text = text.replace(f'"port": {interface["port"]}', '"port": 9999')
    changed: dict[str, Any] = json.loads(text)
    assert changed != content
    return changed


def a_handle(network: HandleNetwork) -> str:
    """Return a handle of the sample network that leads to a URL."""
    return next(
        record.handle
        for record in network.stores["library"]._records.values()
        if len(record.of_type("URL")) == 1 and record.handle.startswith("20.500.12345/")
    )


async def resolves(bootstrap: Path, handle: str) -> bool:
    """Return whether a resolver that knows nothing but a bootstrap file finds a handle."""
    async with HandleClient(Settings(bootstrap=bootstrap, allow_private_addresses=True)) as client:
        try:
            await client.resolve(handle)
        except UpstreamError:
            return False
    return True


def test_saved(network: tuple[HandleNetwork, Path], state_dir: Path) -> None:
    """A process fetches the records of the registry, verifies them, and saves them with their age."""
    saved = json.loads((state_dir / "registry.json").read_text())
    assert saved["lastUpdate"] / 1000 == pytest.approx(time.time(), abs=600)
    assert {"0.NA/0.NA", "0.0/0.0"} <= set(saved["handles"])
    types = {value["type"] for value in saved["handles"]["0.NA/0.NA"]["values"]}
    assert {"HS_SITE", "HS_SIGNATURE", "HS_CERT"} <= types
    assert len(list(state_dir.iterdir())) == 1


def test_used_at_the_next_start(network: tuple[HandleNetwork, Path], state_dir: Path, tmp_path: Path) -> None:
    """The next process finds the registry by what was saved, though its bootstrap file leads nowhere any more."""
    bootstrap = tmp_path / "bootstrap.json"
    bootstrap.write_text(json.dumps(elsewhere(json.loads(network[1].read_text()))))
    with run_program("serve", *options(bootstrap, state_dir), "--no-refresh-registry") as program:
        status, _, body = program.fetch(f"/api/handles/{a_handle(network[0])}")
        assert (status, json.loads(body)["responseCode"]) == (200, 1)
    assert not asyncio.run(resolves(bootstrap, a_handle(network[0])))


def test_damaged(network: tuple[HandleNetwork, Path], tmp_path: Path) -> None:
    """A damaged file keeps nobody from starting: the bootstrap file is still there."""
    state_dir = tmp_path / "state"
    state_dir.mkdir()
    (state_dir / "registry.json").write_bytes(b"{")
    with run_program("serve", *options(network[1], state_dir), "--no-refresh-registry") as program:
        assert program.fetch(f"/api/handles/{a_handle(network[0])}")[0] == 200


def test_offline(network: tuple[HandleNetwork, Path], state_dir: Path, tmp_path: Path) -> None:
    """A process starts without any network: what it knows is on disk, and it lives until somebody can be asked."""
    bootstrap, saved = tmp_path / "bootstrap.json", tmp_path / "registry.json"
    for path, original in ((bootstrap, network[1]), (saved, state_dir / "registry.json")):
        path.write_text(json.dumps(elsewhere(json.loads(original.read_text()))))
    with run_program("serve", *options(bootstrap, tmp_path)) as program:
        assert fetch(program.admin_url + "/healthz")[0] == 200
        assert program.fetch("/api/handles/20.500.12345/nobody-there")[0] >= 500
