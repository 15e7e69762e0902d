"""What ``dig`` prints, and how it ends, over a resolver that answers what a test wants."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from resolver import dig
from resolver.config import Settings
from resolver.errors import (
    HandleNotFoundError,
    LookupTimeoutError,
    RefusedError,
    ResolverError,
    ServiceNotFoundError,
    SettingsError,
)
from resolver.model.handle import Handle
from resolver.model.record import AdminPermission, AdminRecord, HandleRecord, HandleValue, Reference
from resolver.model.site import Site, Transport
from resolver.protocol.values import encode_admin
from resolver.resolution.service import Resolved
from resolver.resolution.steps import Answer
from resolver.resolution.trace import Trace

URL = HandleValue(1, "URL", b"https://example.org/")
NOTE = HandleValue(2, "DESC", b"first line\nsecond line")
ADMIN = HandleValue(
    100, "HS_ADMIN", encode_admin(AdminRecord(AdminPermission.ADD_HANDLE, Reference("0.NA/20.500", 200)))
)
BINARY = HandleValue(3, "X", b"\x00\xff")


class FakeAssembly:
    """A resolver with one answer; notes what it was asked, and whether it was closed."""

    def __init__(self, outcome: tuple[HandleValue, ...] | ResolverError) -> None:
        self.outcome = outcome
        self.resolver = self
        self.sites: tuple[Site, ...] = ()
        self.asked: list[tuple[str, bool, bool]] = []
        self.asked_sites: list[Site] = []
        self.is_closed = False

    async def close(self) -> None:
        self.is_closed = True

    async def resolve(
        self, handle: Handle, *, authoritative: bool, certified: bool, trace: Trace | None
    ) -> Resolved:
        assert not self.is_closed
        self.asked.append((handle.text, authoritative, certified))
        if trace is not None:
            trace.note(
                1,
                "0.NA/20.500\u202e",
                "SUCCESS",
                began_s=trace.now_s,
                server="udp://192.0.2.1:2641",
                site="GHR\u202e",
                received=512,
            )
        if isinstance(self.outcome, ResolverError):
            raise self.outcome
        return Resolved(HandleRecord(handle.text, self.outcome), 0.0, 0.0, "192.0.2.1:2641 over udp")

    async def locate(self, handle: Handle, *, trace: Trace | None) -> tuple[Site, ...]:
        return self.sites

    async def ask_site(self, handle: Handle, site: Site, *, certified: bool, trace: Trace | None) -> Answer:
        self.asked_sites.append(site)
        if isinstance(self.outcome, ResolverError):
            raise self.outcome
        return Answer(HandleRecord(handle.text, self.outcome), "udp://192.0.2.9:2641", authoritative=True)


Run = Callable[..., Awaitable[tuple[int, FakeAssembly]]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``dig`` over one answer."""

    async def with_answer(
        *values: HandleValue, error: ResolverError | None = None, text: str = "20.500/abc", **wishes: Any
    ) -> tuple[int, FakeAssembly]:
        assembly = FakeAssembly(error or values)
        monkeypatch.setattr(dig, "assemble", lambda *_: assembly)
        status = await dig.run_dig(Settings(), text, dig.Wishes(**wishes))
        assert assembly.is_closed
        return status, assembly

    return with_answer


async def test_record_is_printed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Each value has a line with index, type and data; several lines and facts are put below each other."""
    status, _ = await run(URL, NOTE, ADMIN, BINARY)
    assert status == 0
    assert capsys.readouterr().out.splitlines() == [
        "20.500/abc, answered by 192.0.2.1:2641 over udp",
        "          1  URL             https://example.org/",
        "          2  DESC            first line",
        "                             second line",
        "        100  HS_ADMIN        Administrator: 200:0.NA/20.500",
        "                             May: add handle",
        "          3  X               00 ff",
    ]


@pytest.mark.parametrize(
    ("wishes", "printed"),
    [
        ({"types": ("url",)}, ["URL"]),
        ({"indexes": (2,)}, ["DESC"]),
        ({"types": ("URL",), "indexes": (100,)}, ["URL", "HS_ADMIN"]),
    ],
)
async def test_filters_choose_values(
    run: Run, capsys: pytest.CaptureFixture[str], wishes: dict[str, Any], printed: list[str]
) -> None:
    """``--type`` and ``--index`` choose as they do on the web."""
    status, _ = await run(URL, NOTE, ADMIN, **wishes)
    lines = capsys.readouterr().out.splitlines()[1:]
    assert status == 0
    assert [line.split()[1] for line in lines if line[:11].strip()] == printed


async def test_nothing_to_print_is_said(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A handle that exists is found, though there is nothing to show."""
    assert (await run())[0] == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["no values"]
    assert (await run(URL, types=("X",)))[0] == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["no values of the kind asked for"]


@pytest.mark.parametrize(
    "text", ["20.500/abc", " doi:20.500/abc", "https://hdl.handle.net/20.500/abc", "/20.500/abc"]
)
async def test_handle_may_be_written_in_many_ways(run: Run, text: str) -> None:
    """What can be pasted into the form can be pasted into the terminal."""
    _, assembly = await run(URL, text=text)
    assert assembly.asked == [("20.500/abc", False, False)]


async def test_primary_server_is_asked_if_wanted(run: Run) -> None:
    """``--auth`` asks the primary server."""
    _, assembly = await run(URL, auth=True)
    assert assembly.asked == [("20.500/abc", True, False)]


async def test_signatures_are_wanted(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """``--cert`` takes signed answers only, and says that it did."""
    _, assembly = await run(URL, cert=True)
    assert assembly.asked == [("20.500/abc", False, True)]
    assert capsys.readouterr().out.splitlines()[0].endswith("over udp, every answer on the way signed")


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("192.0.2.9:1234", "192.0.2.9", 1234),
        ("192.0.2.9", "192.0.2.9", 2641),
        ("[2001:db8::9]:1234", "2001:db8::9", 1234),
        ("[2001:db8::9]", "2001:db8::9", 2641),
        ("2001:db8::9", "2001:db8::9", 2641),
    ],
)
async def test_one_server_is_asked(run: Run, text: str, address: str, port: int) -> None:
    """``--server`` asks that one and nobody else, by UDP and TCP on its port."""
    status, assembly = await run(URL, server=text)
    assert status == 0
    assert assembly.asked == []
    (site,) = assembly.asked_sites
    (server,) = site.servers
    assert str(server.ip) == address
    assert {(interface.transport, interface.port) for interface in server.interfaces} == {
        (Transport.UDP, port),
        (Transport.TCP, port),
    }


@pytest.mark.parametrize(
    "text", [":", "handle.example.org:2641", "192.0.2.9:port", "192.0.2.9:0", "192.0.2.9:65536", "1.2.3"]
)
async def test_a_server_that_is_none(run: Run, text: str) -> None:
    """A server that cannot be asked is named, with what one looks like."""
    with pytest.raises(SettingsError, match=r"--server=.* must be ADDRESS:PORT"):
        await run(URL, server=text)


@pytest.mark.parametrize("text", ["[::1]:2641", "::c000:209", "[::]:2641"])
async def test_an_address_that_no_site_record_can_hold(run: Run, text: str) -> None:
    """Nobody is asked at another address than the one that was named."""
    with pytest.raises(SettingsError, match="no site record can hold this address"):
        await run(URL, server=text)


@pytest.mark.parametrize(
    ("error", "text", "status", "code"),
    [
        (HandleNotFoundError("20.500/abc"), "20.500/abc", 1, 100),
        (ServiceNotFoundError("20.500/abc", "20.500", "it is not registered"), "20.500/abc", 1, 100),
        (LookupTimeoutError("8 s"), "20.500/abc", 2, 2),
        (RefusedError(2, "trouble"), "20.500/abc", 2, 2),
        (None, " ", 2, 102),
        (None, "x" * 3000, 2, 102),
    ],
)
async def test_status_tells_how_it_ended(
    run: Run,
    capsys: pytest.CaptureFixture[str],
    error: ResolverError | None,
    text: str,
    status: int,
    code: int,
) -> None:
    """0 is found, 1 is not found, 2 is failed; the reason goes to the error output, or into the JSON."""
    assert (await run(error=error, text=text))[0] == status
    plain = capsys.readouterr()
    assert plain.out == ""
    assert len(plain.err.splitlines()) == 1
    assert (await run(error=error, text=text, as_json=True))[0] == status
    shown = json.loads(capsys.readouterr().out)
    assert (shown["responseCode"], shown["handle"]) == (code, text)
    assert shown["message"] == plain.err.rstrip("\n")


async def test_json_is_that_of_the_api(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """``--json`` prints what the API would give, indented."""
    assert (await run(URL, as_json=True, types=("URL",)))[0] == 0
    out = capsys.readouterr().out
    assert out.startswith('{\n  "responseCode": 1,\n  "handle": "20.500/abc",\n')
    assert json.loads(out)["values"][0]["data"] == {"format": "string", "value": "https://example.org/"}


@pytest.mark.parametrize("error", [None, LookupTimeoutError("8 s")])
async def test_trace_goes_to_the_error_output(
    run: Run, capsys: pytest.CaptureFixture[str], error: ResolverError | None
) -> None:
    """``--trace`` shows who was asked, even if it led to nothing, and leaves the output to programs."""
    await run(URL, error=error, trace=True, as_json=True)
    printed = capsys.readouterr()
    (line,) = [line for line in printed.err.splitlines() if "192.0.2.1" in line]
    assert re.fullmatch(
        r" +\d+\.\d ms +\d+\.\d ms +0\.NA/20\.500\\u202e  "
        r"udp://192\.0\.2\.1:2641 \(GHR\\u202e\) 512 octets, SUCCESS",
        line,
    )
    json.loads(printed.out)


HOSTILE = "\x1b]0;title\x07\u202eabc\x9b2J"


@pytest.mark.parametrize(
    "given",
    [
        {"values": (HandleValue(1, HOSTILE, HOSTILE.encode()),)},
        {"values": (HandleValue(1, "URL", f"https://{HOSTILE}/".encode()),)},
        {"error": RefusedError(2, HOSTILE)},
        {"error": ServiceNotFoundError("a/b", HOSTILE, HOSTILE)},
        {"values": (), "text": f"20.500/a{HOSTILE}b"},
        {"error": HandleNotFoundError(f"20.500/{HOSTILE}"), "text": f"20.500/{HOSTILE}"},
    ],
    ids=["value", "location", "refusal", "prefix", "handle", "missing"],
)
async def test_strangers_do_not_write_to_the_terminal(
    run: Run, capsys: pytest.CaptureFixture[str], given: dict[str, Any]
) -> None:
    """No value and no message of a server sends controls to the terminal, whoever wrote it."""
    await run(*given.pop("values", ()), **given)
    printed = capsys.readouterr()
    assert not set(printed.out + printed.err) & set("\x1b\x07\u202e\x9b")
