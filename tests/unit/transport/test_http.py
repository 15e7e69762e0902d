"""What goes into a request by HTTP or HTTPS, and by what its server is known. The session is a fake."""

from __future__ import annotations

from collections.abc import AsyncIterator
from ipaddress import ip_address
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from resolver.errors import LookupTimeoutError, TransportError
from resolver.model.keys import DsaPublicKey
from resolver.model.site import Transport
from resolver.protocol.envelope import Envelope, encode_envelope
from resolver.protocol.keys import encode_public_key
from resolver.protocol.signing import public_key_of
from resolver.transport.endpoint import Endpoint
from resolver.transport.http import MAX_RESPONSE_OCTETS, MESSAGE_TYPE, HttpTransport

ADDRESS = ip_address("192.0.2.1")
ANSWER = encode_envelope(Envelope((2, 11), 1, 4)) + b"body"
RSA = encode_public_key(public_key_of(rsa.generate_private_key(65537, 2048)))
DSA = encode_public_key(DsaPublicKey(q=5, p=23, g=4, y=8))


class Content:
    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks
        self.given = 0

    async def iter_any(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            self.given += 1
            yield chunk


class Session:
    """Answers every request alike, or fails."""

    def __init__(self, *chunks: bytes, status: int = 200, error: Exception | None = None) -> None:
        self.status, self.error = status, error
        self.content = Content(list(chunks or [ANSWER]))
        self.url = ""
        self.sent: dict[str, Any] = {}
        self.closed = False

    def post(self, url: object, **sent: Any) -> Session:
        self.url, self.sent = str(url), sent
        return self

    async def __aenter__(self) -> Session:
        if self.error is not None:
            raise self.error
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def close(self) -> None:
        self.closed = True


async def exchange(session: Session, handle: str = "10.1/abc", **endpoint: Any) -> bytes:
    transport = HttpTransport()
    transport._session = session  # type: ignore[assignment]
    where = {"transport": Transport.HTTP, "address": ADDRESS, "port": 8000, **endpoint}
    return await transport.exchange(Endpoint(**where), b"question", handle)


async def test_request() -> None:
    """The message goes by POST, says what it is, follows nowhere and wants nothing compressed."""
    session = Session()
    assert await exchange(session) == ANSWER
    assert session.sent["data"] == b"question"
    assert session.sent["allow_redirects"] is False
    assert session.sent["headers"] == {
        "Host": "192.0.2.1:8000",
        "Accept": MESSAGE_TYPE,
        "Content-Type": MESSAGE_TYPE,
        "User-Agent": "handle-resolver",
        "Accept-Encoding": "identity",
    }


@pytest.mark.parametrize(
    ("handle", "path"),
    [
        ("h/ab%c/d+e", "/h%2Fab%25c%2Fd%2Be"),
        ("10.1/a b~c*d-e_f.g", "/10.1%2Fa%20b%7Ec*d-e_f.g"),
        ("10.1/é", "/10.1%2F%C3%A9"),
        ("10.1/?x#y&z", "/10.1%2F%3Fx%23y%26z"),
        ("10.1/../..", "/10.1%2F..%2F.."),
        ("10.1/\r\nHost: x", "/10.1%2F%0D%0AHost%3A%20x"),
    ],
)
async def test_path(handle: str, path: str) -> None:
    """The handle stands in the path in form-style encoding, so that nothing of it has a meaning there."""
    session = Session()
    await exchange(session, handle)
    assert session.url == f"http://192.0.2.1:8000{path}"


@pytest.mark.parametrize(
    ("given", "begins"),
    [("", "/"), ("/", "/"), ("hs", "/hs/"), ("/hs/", "/hs/"), ("/a/b", "/a/b/"), ("a?b", "/a%3Fb/")],
)
async def test_path_of_the_site(given: str, begins: str) -> None:
    """The ``path`` attribute comes before the handle, whether or not it has slashes around it."""
    session = Session()
    await exchange(session, "x", path=given)
    assert session.url == f"http://192.0.2.1:8000{begins}x"


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ({}, "192.0.2.1:8000"),
        ({"port": 80}, "192.0.2.1"),
        ({"port": 443}, "192.0.2.1:443"),
        ({"transport": Transport.HTTPS, "port": 443, "public_key": RSA}, "192.0.2.1"),
        ({"transport": Transport.HTTPS, "port": 80, "public_key": RSA}, "192.0.2.1:80"),
        ({"host": "hdl.example.org"}, "hdl.example.org:8000"),
        ({"host": "hdl.example.org", "port": 80}, "hdl.example.org"),
        ({"address": ip_address("2001:db8::1")}, "[2001:db8::1]:8000"),
    ],
)
async def test_host(endpoint: dict[str, Any], host: str) -> None:
    """``Host`` is the name out of the site record, or the address; the usual port is left out."""
    session = Session()
    await exchange(session, **endpoint)
    assert session.sent["headers"]["Host"] == host


async def test_connects_to_the_address() -> None:
    """Whatever name a record gives, the connection goes to the address that the policy has seen."""
    session = Session()
    await exchange(session, host="metadata.internal")
    assert session.url.startswith("http://192.0.2.1:8000/")


async def test_known_by_its_key() -> None:
    """Over HTTPS the certificate must hold the key of the site record; authorities play no part."""
    session = Session()
    await exchange(session, transport=Transport.HTTPS, public_key=RSA)
    assert isinstance(session.sent["ssl"], aiohttp.Fingerprint)
    assert session.url.startswith("https://192.0.2.1:8000/")


async def test_dsa_key() -> None:
    """A DSA key cannot be that of a certificate, so any will do: the signature of messages has to protect."""
    session = Session()
    await exchange(session, transport=Transport.HTTPS, public_key=DSA)
    assert session.sent["ssl"] is False


@pytest.mark.parametrize("key", [b"", b"nonsense", RSA[:-40]])
async def test_no_key(key: bytes) -> None:
    """Without a key that can be read nothing could be checked, so nothing is sent."""
    session = Session()
    with pytest.raises(TransportError, match="no key"):
        await exchange(session, transport=Transport.HTTPS, public_key=key)
    assert session.sent == {}


@pytest.mark.parametrize("status", [100, 201, 204, 206, 301, 302, 307, 400, 404, 500, 503])
async def test_status(status: int) -> None:
    """Only 200 brings an answer; nothing is read with any other status."""
    session = Session(status=status)
    with pytest.raises(TransportError, match=f"http: status {status}"):
        await exchange(session)
    assert session.content.given == 0


async def test_in_pieces() -> None:
    """How the body is cut does not matter."""
    assert await exchange(Session(*(ANSWER[number : number + 1] for number in range(len(ANSWER))))) == ANSWER


@pytest.mark.parametrize("octets", [0, 1, 19])
async def test_too_short(octets: int) -> None:
    """A body shorter than an envelope is none."""
    with pytest.raises(TransportError, match=f"only {octets} octets"):
        await exchange(Session(bytes(octets)))


async def test_too_long() -> None:
    """A body without end is read up to the longest message, and no further."""
    session = Session(*([bytes(65536)] * 100))
    with pytest.raises(TransportError, match=f"more than {MAX_RESPONSE_OCTETS} octets"):
        await exchange(session)
    assert session.content.given == 5


@pytest.mark.parametrize(
    ("error", "raised", "text"),
    [
        (TimeoutError(), LookupTimeoutError, r"http: no answer within 4\.0 s"),
        (aiohttp.ServerDisconnectedError(), TransportError, "http: Server disconnected"),
        (aiohttp.ServerFingerprintMismatch(b"", b"", "192.0.2.1", 1), TransportError, "another key"),
        (ConnectionResetError(), TransportError, "http: ConnectionResetError"),
        (aiohttp.InvalidURL("x"), TransportError, "http: x"),
        (ValueError("bad header"), TransportError, "http: bad header"),
    ],
)
async def test_trouble(error: Exception, raised: type[Exception], text: str) -> None:
    """Whatever goes wrong is trouble with this server, said in one line."""
    with pytest.raises(raised, match=text):
        await exchange(Session(error=error))


async def test_closing() -> None:
    """The session is closed, once, and a transport that was never used has nothing to close."""
    transport, session = HttpTransport(), Session()
    await transport.close()
    transport._session = session  # type: ignore[assignment]
    for _ in range(2):
        await transport.close()
    assert session.closed
