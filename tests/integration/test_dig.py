"""``dig`` over a handle network on loopback: who is asked, step by step, and where sites disagree."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from resolver.config import Settings
from resolver.demo.handle_service import RecordStore
from resolver.demo.network import HandleNetwork
from resolver.dig import Wishes, run_dig
from resolver.model.record import HandleRecord, HandleValue
from resolver.protocol.codes import ResponseCode
from tests.integration.processes import run_network

LIBRARY, ARCHIVE, SILENT = "20.500.12345", "20.500.23456", "20.500.56789"

STEP = re.compile(
    r" *(?P<began>\d+\.\d) ms +(?P<took>\d+\.\d) ms  (?P<indent> *)(?P<handle>\S+)  "
    r"(?P<transport>\w+)://(?P<address>\S+)(?: \((?P<site>[^)]*)\))? (?:(?P<octets>\d+) octets, )?(?P<outcome>.*)"
)


@dataclass
class Dug:
    """How a run of ``dig`` ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def steps(self) -> list[dict[str, str]]:
        """What ``--trace`` told, a step for each line."""
        found = [STEP.fullmatch(line) for line in self.err.splitlines() if " ms " in line]
        assert None not in found, self.err
        return [step.groupdict() for step in found if step is not None]


Dig = Callable[..., Awaitable[Dug]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HandleNetwork, Path]]:
    """The sample network, and its bootstrap file."""
    with run_network(tmp_path_factory.mktemp("network")) as started:
        yield started


@pytest.fixture
def network(running: tuple[HandleNetwork, Path]) -> HandleNetwork:
    """The sample network."""
    return running[0]


@pytest.fixture
def dig(running: tuple[HandleNetwork, Path], capsys: pytest.CaptureFixture[str]) -> Dig:
    """Run ``dig`` over the network."""

    async def run(handle: str, **wishes: Any) -> Dug:
        settings = Settings(bootstrap=running[1], allow_private_addresses=True, refresh_registry=False)
        status = await run_dig(settings, handle, Wishes(**wishes))
        printed = capsys.readouterr()
        return Dug(status, printed.out, printed.err)

    return run


@pytest.fixture
def mirror(network: HandleNetwork) -> Iterator[RecordStore]:
    """The records of the archive's mirror, for a test of its own to spoil."""
    service = network.services["ARCHIVE-MIRROR"]
    shared = service.store
    own = RecordStore()
    service.store = own
    yield own
    service.store = shared


def note(index: int, text: str) -> HandleValue:
    """Return a value with a text."""
    return HandleValue(index, "DESC", text.encode(), timestamp=1_767_225_600)


async def test_trace_tells_each_step(dig: Dig, network: HandleNetwork) -> None:
    """A line a step: what was asked for, whom at which site, by what, how much came back, how long it took."""
    dug = await dig("20.500.45678/poem", trace=True)
    assert dug.status == 0
    ports = {name: str(facts["port"]) for name, facts in network.placeholders.items()}
    assert [(step["handle"], step["address"], step["site"], step["outcome"]) for step in dug.steps] == [
        ("0.NA/20.500.45678", f"127.0.0.1:{ports['REGISTRY']}", "Demo registry", "SUCCESS"),
        ("0.SERV/LIBRARY", f"127.0.0.1:{ports['REGISTRY']}", "Demo registry", "SUCCESS"),
        ("20.500.45678/poem", f"127.0.0.1:{ports['LIBRARY']}", "National Library of Ruritania", "SUCCESS"),
    ]
    assert [step["transport"] for step in dug.steps] == ["udp"] * 3
    assert [len(step["indent"]) for step in dug.steps] == [2, 2, 0]
    assert all(int(step["octets"]) > 52 for step in dug.steps)
    begun = [float(step["began"]) for step in dug.steps]
    assert begun == sorted(begun)


async def test_trace_tells_what_failed(dig: Dig) -> None:
    """A server that cannot be asked has its lines too, with the reason, and no octets."""
    dug = await dig(f"{SILENT}/x", trace=True)
    assert dug.status == 2
    failed = [step for step in dug.steps if step["outcome"] != "SUCCESS"]
    assert {step["transport"] for step in failed} == {"udp", "tcp"}
    for step in failed:
        assert step["octets"] is None
        assert step["outcome"].startswith(f"{step['transport']}: Connect")


async def test_one_server_alone_is_asked(dig: Dig, network: HandleNetwork) -> None:
    """``--server`` asks that one, without the registry, whatever the handle; what it refuses is told."""
    port = network.placeholders["LIBRARY"]["port"]
    dug = await dig(f"{LIBRARY}/abc", server=f"127.0.0.1:{port}", trace=True)
    assert dug.status == 0
    assert [step["address"] for step in dug.steps] == [f"127.0.0.1:{port}"]
    assert f"answered by udp://127.0.0.1:{port}" in dug.out
    dug = await dig(f"{LIBRARY}/missing", server=f"127.0.0.1:{port}")
    assert (dug.status, dug.out) == (1, "")
    assert "handle not found" in dug.err
    dug = await dig(f"{ARCHIVE}/x", server=f"127.0.0.1:{port}")
    assert dug.status == 2


async def test_sites_that_agree(dig: Dig) -> None:
    """``--all-sites`` says of each site what it holds, that all agree, and prints the record once."""
    dug = await dig(f"{ARCHIVE}/survey-2024", all_sites=True)
    assert dug.status == 0
    lines = dug.out.splitlines()
    assert re.fullmatch(r"Data archive, primary \(primary\): \d+ values, by udp://127\.0\.0\.1:\d+", lines[0])
    assert re.fullmatch(r"Data archive, mirror \(mirror\): \d+ values, by udp://127\.0\.0\.1:\d+", lines[1])
    assert lines[2] == "All sites that answer agree."
    assert lines[3] == f"{ARCHIVE}/survey-2024, answered by 2 sites"


async def test_sites_that_disagree(dig: Dig, network: HandleNetwork, mirror: RecordStore) -> None:
    """Values that one site has and another has not are named; the exit status is 1."""
    handle = f"{ARCHIVE}/changed"
    network.stores["archive"].put(HandleRecord(handle, (note(1, "same"), note(2, "new"), note(3, "added"))))
    mirror.put(HandleRecord(handle, (note(1, "same"), note(2, "old"))))
    dug = await dig(handle, all_sites=True)
    assert dug.status == 1
    assert dug.out.splitlines()[2:] == [
        "only at Data archive, primary, not at Data archive, mirror: value 2 DESC",
        "only at Data archive, primary, not at Data archive, mirror: value 3 DESC",
        "only at Data archive, mirror, not at Data archive, primary: value 2 DESC",
    ]


async def test_a_site_that_does_not_know_the_handle(
    dig: Dig, network: HandleNetwork, mirror: RecordStore
) -> None:
    """That a mirror has not heard of a new handle yet is a disagreement as well."""
    handle = f"{ARCHIVE}/new"
    network.stores["archive"].put(HandleRecord(handle, (note(1, "new"),)))
    dug = await dig(handle, all_sites=True)
    assert dug.status == 1
    assert "Data archive, mirror (mirror): does not know the handle" in dug.out
    assert "only at Data archive, primary, not at Data archive, mirror: value 1 DESC" in dug.out
    assert "agree" not in dug.out


async def test_a_site_that_gives_no_answer(dig: Dig, network: HandleNetwork) -> None:
    """A site that is silent is told apart from one that disagrees."""
    service = network.services["ARCHIVE-MIRROR"]
    service.behaviour.code = ResponseCode.SERVER_BUSY
    try:
        dug = await dig(f"{ARCHIVE}/survey-2024", all_sites=True)
    finally:
        service.behaviour.code = None
    assert dug.status == 0
    primary, mirror, agreement = dug.out.splitlines()[:3]
    assert "values, by udp://" in primary
    assert "server refused with code 3" in mirror
    assert agreement == "All sites that answer agree."


async def test_disagreement_as_json(dig: Dig, network: HandleNetwork, mirror: RecordStore) -> None:
    """``--json`` gives a program what each site says, and whether they agree."""
    handle = f"{ARCHIVE}/other"
    network.stores["archive"].put(HandleRecord(handle, (note(1, "same"),)))
    dug = await dig(handle, all_sites=True, as_json=True)
    shown = json.loads(dug.out)
    assert (dug.status, shown["handle"], shown["agree"]) == (1, handle, False)
    assert [(site["site"], site["primary"], site["responseCode"]) for site in shown["sites"]] == [
        ("Data archive, primary", True, 1),
        ("Data archive, mirror", False, 100),
    ]
    mirror.put(HandleRecord(handle, (note(1, "same"),)))
    dug = await dig(handle, all_sites=True, as_json=True)
    assert (dug.status, json.loads(dug.out)["agree"]) == (0, True)


async def test_signed_answers(dig: Dig, network: HandleNetwork) -> None:
    """``--cert`` says that every answer was signed; a server that signs with another key is not believed."""
    dug = await dig(f"{LIBRARY}/abc", cert=True)
    assert dug.status == 0
    assert dug.out.splitlines()[0].endswith("every answer on the way signed")
    port = network.placeholders["LIBRARY"]["port"]
    dug = await dig(f"{LIBRARY}/abc", cert=True, server=f"127.0.0.1:{port}")
    assert (dug.status, dug.out) == (2, "")
    assert "no key to check the signature with" in dug.err


async def test_json_stays_json(dig: Dig) -> None:
    """What goes to a program is the record alone, whatever else is asked for."""
    dug = await dig(f"{LIBRARY}/abc", as_json=True, trace=True, auth=True)
    assert json.loads(dug.out)["handle"] == f"{LIBRARY}/abc"
    assert dug.steps
