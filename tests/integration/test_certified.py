"""Certified answers over real sockets: who signs what, what is shown of it, and what happens to those who lie."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest

from resolver.config import Settings
from resolver.demo.handle_service import HandleService, RecordStore
from resolver.demo.keys import make_key, make_tls_context
from resolver.demo.network import HandleNetwork, shipped_records
from resolver.errors import TransportError
from resolver.model.handle import ROOT_HANDLE, TRUST_ROOT_HANDLE, Handle
from resolver.model.keys import DsaPublicKey, PublicKey, RsaPublicKey
from resolver.model.record import HandleRecord
from resolver.model.site import Transport, responsible_server
from resolver.observe import Observer
from resolver.protocol.bodies import ResolutionRequest
from resolver.protocol.codes import OpCode, OpFlag, ResponseCode
from resolver.protocol.envelope import ENVELOPE_SIZE, Envelope
from resolver.protocol.keys import decode_public_key, encode_public_key
from resolver.protocol.message import Header, Message, decode_message, encode_message
from resolver.protocol.signing import public_key_of
from resolver.resolution.assembly import assemble
from resolver.transport.endpoint import Endpoint
from resolver.transport.http import HttpTransport
from tests.fakes import record_of, site_at, text_value
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import ask, put_record

CHARTER, DECREE, TREATY, TITLE = (f"20.500.81000/{name}" for name in ("charter", "decree", "treaty", "title"))
CHAIN = ["300:0.NA/20.500.81000", "301:0.NA/0.NA", "301:0.0/0.0"]
COIN = "20.500.82000/coin"

SERVERS = {
    "LIBRARY": ("20.500.12345", "library", "RSA", "2.11", "SHA-256"),
    "ARCHIVE": ("20.500.23456", "archive", "DSA", "2.10", "SHA1"),
    "ARCHIVE-MIRROR": ("20.500.23456", "archive", "RSA", "2.7", "SHA-256"),
    "JOURNALS-A": ("20.500.34567", "journals", "DSA", "2.11", "SHA-256"),
    "JOURNALS-B": ("20.500.34567", "journals", "DSA", "2.11", "SHA-256"),
    "MUSEUM": ("20.500.83000", "museum", "RSA", "2.5", "SHA1"),
    "CHANCERY": ("20.500.81000", "chancery", "RSA", "2.11", "SHA-256"),
}
"""Prefix and store of each server, the key it has, the version it speaks, and the digest it signs with."""


@pytest.fixture
def proxy() -> Iterator[RunningProxy]:
    """A proxy that nobody has asked anything yet, and that does not hold a failure against anybody for long."""
    with run_proxy(shipped_records(), failure_ttl=0.0) as running:
        yield running


async def told(proxy: RunningProxy, handle: str, query: str = "cert=report") -> dict[str, Any]:
    """Return what the API says of a handle."""
    answer = await ask(proxy, f"/api/handles/{handle}?{query}")
    content: dict[str, Any] = json.loads(answer.body)
    return content | {"status": answer.status}


# --- who signs -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["udp", "tcp", "http"])
def chosen_proxy(request: pytest.FixtureRequest) -> Iterator[tuple[str, RunningProxy]]:
    """A proxy that prefers a transport; TCP is there for servers without it."""
    chosen = (Transport[request.param.upper()], Transport.TCP)
    with run_proxy(shipped_records(), transports=chosen) as running:
        yield request.param, running


def handle_at(service: HandleService, prefix: str, name: str) -> str:
    """Return a handle that the hash gives to this server of its site."""
    mine = service.site.servers[service.position]
    names = (f"{prefix}/{name}-{number}" for number in range(1000))
    return next(name for name in names if responsible_server(service.site, Handle(name)) is mine)


@pytest.mark.parametrize("name", SERVERS)
async def test_each_kind_of_server_is_believed(chosen_proxy: tuple[str, RunningProxy], name: str) -> None:
    """Answers signed with RSA and DSA keys, SHA-1 and SHA-256, by protocols 2.5 to 2.11 verify, by any transport."""
    transport, proxy = chosen_proxy
    prefix, store, key, version, digest = SERVERS[name]
    service = proxy.network.services[name]
    handle = handle_at(service, prefix, name.lower())
    put_record(proxy, handle, ("URL", "https://example.org/"), store=store)
    others = [other for other in proxy.network.services.values() if other.store is service.store]
    for other in others:
        other.behaviour.code = None if other is service else ResponseCode.SERVER_BUSY
    has_it = service.site.servers[0].query_interface(Transport[transport.upper()]) is not None
    expected = transport if has_it else "tcp"
    for _ in range(3):  # on a busy machine the other transport may be asked beside the first, and be faster
        content = await told(proxy, handle, "cert=report&publicOnly=false")
        assert content["status"] == 200, content
        answer = content["verification"]["answer"]
        assert answer["signed"] is True
        if answer["by"].startswith(f"{expected}://"):
            break
    else:
        pytest.fail(f"never answered by {expected}")

    request = service.requests[-1]
    assert OpFlag.CERTIFIED | OpFlag.REQUEST_DIGEST in request.header.op_flags
    octets = service.answer(encode_message(request))
    said = decode_message(octets)
    assert "{}.{}".format(*said.envelope.version) == version
    assert said.credential is not None
    assert said.credential.digest_algorithm == digest
    site_key = decode_public_key(service.site.servers[service.position].public_key)
    assert isinstance(site_key, {"RSA": RsaPublicKey, "DSA": DsaPublicKey}[key])


async def test_certified_on_the_whole_way(proxy: RunningProxy) -> None:
    """Who asks for a certified answer gets it signed by the registry, too: every question carries the flag."""
    await told(proxy, "20.500.12345.7/x")
    for name in ("REGISTRY", "LIBRARY"):
        requests = proxy.network.services[name].requests
        assert requests
        assert all(request.header.op_flags & OpFlag.CERTIFIED for request in requests)


async def test_nobody_signs_for_nothing(proxy: RunningProxy) -> None:
    """Without the parameter nobody is asked to sign, which costs servers time."""
    for parameter in ("", "?cert=no", "?cert=false"):
        assert (await ask(proxy, f"/20.500.12345/abc{parameter}")).status == 302
    for service in proxy.network.services.values():
        assert not any(request.header.op_flags & OpFlag.CERTIFIED for request in service.requests)


# --- what is shown ---------------------------------------------------------------------------------------


async def test_record_with_a_good_chain(demo_proxy: RunningProxy) -> None:
    """The report names who gave the answer, who has signed the record, who vouches for them, and until when."""
    report = (await told(demo_proxy, CHARTER))["verification"]
    assert report["answer"] == {"signed": True, "by": report["answer"]["by"]}
    assert report["answer"]["by"].startswith("udp://127.0.0.1:")
    assert report["record"]["trusted"] is True
    assert report["record"]["reason"] is None
    assert report["record"]["signers"] == CHAIN
    assert report["record"]["signedIndexes"] == [1, 2, 100]
    until = time.strptime(report["record"]["validUntil"], "%Y-%m-%dT%H:%M:%SZ")
    assert 89 * 86_400 < time.mktime(until) - time.mktime(time.gmtime()) < 91 * 86_400


@pytest.mark.parametrize(
    ("handle", "reason", "signers"),
    [
        (DECREE, "was valid until 20", CHAIN),
        (TREATY, "value 1 has been changed", CHAIN),
        (TITLE, "the signature is wrong", []),
        ("20.500.12345/abc", "it is not signed", []),
    ],
)
async def test_record_that_is_not_to_be_trusted(
    demo_proxy: RunningProxy, handle: str, reason: str, signers: list[str]
) -> None:
    """A record without a good signature is shown, since its server has signed the answer; yet with a warning."""
    content = await told(demo_proxy, handle)
    assert (content["status"], content["responseCode"]) == (200, 1)
    assert content["values"]
    record = content["verification"]["record"]
    assert record["trusted"] is False
    assert reason in record["reason"]
    assert record["signers"] == signers
    page = (await ask(demo_proxy, f"/{handle}?noredirect&cert")).body.decode()
    assert reason in page
    assert "Verified" not in page


async def test_page_says_who_vouches(demo_proxy: RunningProxy) -> None:
    """The page of a verified record names signers and date; without the parameter it says nothing of it."""
    page = (await ask(demo_proxy, f"/{CHARTER}?noredirect&cert")).body.decode()
    assert "Verified" in page
    for signer in CHAIN:
        assert signer in page
    assert "udp://127.0.0.1:" in page
    assert "Verified" not in (await ask(demo_proxy, f"/{CHARTER}?noredirect")).body.decode()
    assert "verification" not in await told(demo_proxy, CHARTER, "cert")


async def test_trust_ends_with_the_certificates(proxy: RunningProxy) -> None:
    """A record that is trusted today is not trusted after its signature has run out, remembered or not."""
    assert (await told(proxy, CHARTER))["verification"]["record"]["trusted"] is True
    proxy.network.services["CHANCERY"].clock = proxy.network.services["REGISTRY"].clock = proxy.clock
    proxy.clock.offset_s += 91 * 86_400
    record = (await told(proxy, CHARTER))["verification"]["record"]
    assert record["trusted"] is False
    assert "was valid until" in record["reason"]


async def test_certificates_that_cannot_be_fetched(proxy: RunningProxy) -> None:
    """Where the registry is gone, the answer stays good, and the record cannot be judged."""
    await told(proxy, CHARTER, "cert")
    proxy.network.services["REGISTRY"].behaviour.unsigned = True
    content = await told(proxy, CHARTER)
    assert content["status"] == 200
    assert content["verification"]["record"]["trusted"] is False
    assert "cannot be had" in content["verification"]["record"]["reason"]


# --- what is remembered ----------------------------------------------------------------------------------


async def test_unverified_answers_do_not_count_as_verified(proxy: RunningProxy) -> None:
    """What was remembered from an answer that nobody signed is not given to those who ask for certified ones."""
    service, handle = proxy.network.services["LIBRARY"], "20.500.12345/kept-apart"
    put_record(proxy, handle, ("URL", "https://one.example/"))
    assert (await ask(proxy, f"/{handle}")).header("Location") == "https://one.example/"
    put_record(proxy, handle, ("URL", "https://two.example/"))
    asked = len(service.requests)
    assert (await ask(proxy, f"/{handle}?cert")).header("Location") == "https://two.example/"
    assert len(service.requests) == asked + 1
    assert (await ask(proxy, f"/{handle}?cert")).header("Location") == "https://two.example/"
    assert (await ask(proxy, f"/{handle}")).header("Location") == "https://one.example/"
    assert len(service.requests) == asked + 1


async def test_no_old_record_stands_in_for_a_signed_one(proxy: RunningProxy) -> None:
    """Where signed answers fail, an expired record helps others, not those who want to be sure."""
    handle = "20.500.12345/abc"
    for query in ("", "?cert"):
        assert (await ask(proxy, f"/{handle}{query}")).status == 302
    proxy.clock.offset_s += 3700
    proxy.network.services["LIBRARY"].behaviour.code = ResponseCode.SERVER_BUSY
    assert (await ask(proxy, f"/{handle}")).header("Warning") == '110 - "Response is Stale"'
    assert (await ask(proxy, f"/{handle}?cert")).status == 502


# --- who lies --------------------------------------------------------------------------------------------


async def test_wrong_key(proxy: RunningProxy) -> None:
    """An answer signed with another key than the registry has is refused, in words and code; unsigned, it is shown."""
    page = await ask(proxy, f"/{COIN}?cert")
    assert page.status == 502
    assert "The signature does not hold" in page.body.decode()
    assert page.header("Cache-Control") == "no-store"
    content = await told(proxy, COIN, "cert")
    assert (content["status"], content["responseCode"]) == (502, 2)
    assert "values" not in content
    assert (await told(proxy, COIN))["status"] == 502
    assert (await ask(proxy, f"/{COIN}")).header("Location") == "https://liar.example.org/coin"
    assert (await ask(proxy, f"/{COIN}?cert")).status == 502


async def test_no_signature(proxy: RunningProxy) -> None:
    """A server that does not sign although it was asked to is as good as one that lies; others are not harmed."""
    proxy.network.services["LIBRARY"].behaviour.unsigned = True
    answer = await ask(proxy, "/20.500.12345/abc?cert")
    assert (answer.status, b"The signature does not hold" in answer.body) == (502, True)
    assert (await ask(proxy, "/20.500.12345/abc")).status == 302
    assert (await ask(proxy, "/20.500.34567/article-7?cert")).status == 302


async def test_the_mirror_signs(proxy: RunningProxy) -> None:
    """Where one site does not sign, the next is asked, and its answer is taken."""
    proxy.network.services["ARCHIVE"].behaviour.unsigned = True
    for number in range(5):
        handle = f"20.500.23456/{number}"
        put_record(proxy, handle, ("URL", "https://data.example/"), store="archive")
        assert (await ask(proxy, f"/{handle}?cert")).status == 302


async def test_registry_without_signatures(proxy: RunningProxy) -> None:
    """If the registry does not sign where a service is, nothing that the service signs can be believed."""
    proxy.network.services["REGISTRY"].behaviour.unsigned = True
    answer = await ask(proxy, "/20.500.12345/abc?cert")
    assert (answer.status, b"The signature does not hold" in answer.body) == (502, True)
    assert (await ask(proxy, "/20.500.12345/abc")).status == 302


async def test_data_changed_on_the_way(proxy: RunningProxy) -> None:
    """Somebody on the way who changes an answer is noticed by those who ask for certified ones, and by no others."""
    proxy.network.services["LIBRARY"].behaviour.rewrite = lambda octets: octets.replace(
        b"www.example.org", b"www.example.com"
    )
    target = "/20.500.12345/abc"
    assert (await ask(proxy, target)).header("Location") == "https://www.example.com/collections/abc"
    answer = await ask(proxy, f"{target}?cert")
    assert (answer.status, b"The signature does not hold" in answer.body) == (502, True)


@pytest.mark.parametrize(
    ("server", "handle"), [("LIBRARY", "20.500.12345/abc"), ("MUSEUM", "20.500.83000/abacus")]
)
async def test_old_answer_to_a_new_question(proxy: RunningProxy, server: str, handle: str) -> None:
    """A signed answer from some time ago cannot be passed off as the answer to a new question.

    Signatures of old software do not cover the number of the request; its digest in the answer tells then.
    """
    kept: list[bytes] = []

    def replay(octets: bytes) -> bytes:
        kept.append(octets)
        return octets[:ENVELOPE_SIZE] + kept[0][ENVELOPE_SIZE:]

    proxy.network.services[server].behaviour.rewrite = replay
    assert (await ask(proxy, f"/{handle}?cert")).status == 302
    proxy.clock.offset_s += 4000
    assert (await ask(proxy, f"/{handle}?cert")).status == 502
    assert (await ask(proxy, f"/{handle}?cert&auth")).status == 502


# --- HTTPS -----------------------------------------------------------------------------------------------


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("site_key", "server_key", "passes"),
    [
        ("RSA", "the same", True),
        ("RSA", "another", False),
        ("DSA-1024", "the same", True),
        ("none", "another", False),
    ],
)
async def test_https_is_bound_to_the_key_of_the_site(site_key: str, server_key: str, passes: bool) -> None:
    """A server is known by its key, whatever its certificate says; where that key is DSA, TLS cannot know it."""
    key = make_key("RSA" if site_key == "none" else site_key)
    shown = key if server_key == "the same" else make_key("RSA")
    service = HandleService(RecordStore([record_of("10.1/x")]), site=site_at("127.0.0.1"), homed=("10.1",))
    port = free_port()
    await service.start("127.0.0.1", https_port=port, tls=make_tls_context(shown))
    transport = HttpTransport()
    octets = encode_message(
        Message(Envelope((2, 11), 4711, 0), Header(OpCode.RESOLUTION), ResolutionRequest("10.1/x"))
    )
    encoded = b"" if site_key == "none" else encode_public_key(public_key_of(key))
    endpoint = Endpoint(Transport.HTTPS, ip_address("127.0.0.1"), port, public_key=encoded)
    try:
        if passes:
            assert decode_message(await transport.exchange(endpoint, octets, "10.1/x")).code == 1
        else:
            with pytest.raises(TransportError, match=r"another key|no key"):
                await transport.exchange(endpoint, octets, "10.1/x")
            assert service.requests == []
    finally:
        await transport.close()
        await service.close()


# --- the registry itself ---------------------------------------------------------------------------------


@pytest.mark.parametrize("spoiled", [None, ROOT_HANDLE, TRUST_ROOT_HANDLE])
async def test_registry_data_are_renewed_if_signed(spoiled: str | None) -> None:
    """The data that resolution begins with are renewed if, and only if, the newer ones are signed as they should."""
    network = HandleNetwork(shipped_records())
    await network.start()
    made = assemble(
        Settings(allow_private_addresses=True, refresh_registry=True), Observer(), network.registry
    )
    try:
        store = network.stores["registry"]
        before = made.resolver.registry
        if spoiled is not None:
            record = store.get(spoiled)
            assert record is not None
            store.put(HandleRecord(spoiled, (*record.values, text_value(77, "DESC", "put here by somebody"))))
        assert made.keeper is not None
        assert await made.keeper.refresh() is (spoiled is None)
        assert (made.resolver.registry is before) is (spoiled is not None)
        assert made.resolver.registry.sites == before.sites
        assert made.resolver.registry.trust_keys == before.trust_keys
    finally:
        await made.close()
        await network.close()


def test_keys_are_made_anew() -> None:
    """Each network has keys and certificates of its own."""

    async def root_keys() -> tuple[PublicKey, ...]:
        network = HandleNetwork(shipped_records())
        await network.start()
        try:
            return network.registry.trust_keys
        finally:
            await network.close()

    first, second = asyncio.run(root_keys()), asyncio.run(root_keys())
    assert len(first) == len(second) == 1
    assert first != second
