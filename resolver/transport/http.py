"""The protocol inside HTTP and HTTPS: one POST with a message, one answer with a message.

The server is spoken to at the numeric address of its site record; names, certificate authorities and dates
play no part. Over HTTPS the certificate must hold the very key of the site record.
"""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import aiohttp
from yarl import URL

from resolver.errors import LookupTimeoutError, MessageFormatError, TransportError
from resolver.model.keys import DsaPublicKey
from resolver.model.site import Transport
from resolver.protocol.envelope import ENVELOPE_SIZE, MAX_MESSAGE_LENGTH
from resolver.protocol.keys import decode_public_key
from resolver.transport.endpoint import Endpoint

__all__ = ["MESSAGE_TYPE", "HttpTransport"]

MESSAGE_TYPE = "application/x-hdl-message"

CONNECT_TIMEOUT_S = 1.0
EXCHANGE_TIMEOUT_S = 4.0
MAX_RESPONSE_OCTETS = ENVELOPE_SIZE + MAX_MESSAGE_LENGTH

# Form-style encoding as deployed clients do it: the tilde is encoded, the asterisk is not.
_UNENCODED = "*"


class _PinnedKey(aiohttp.Fingerprint):
    """Lets a TLS connection pass if the certificate holds the key of the site record."""

    def __init__(self, public_key: bytes) -> None:
        super().__init__(
            bytes(32)
        )  # the parent compares digests of certificates; check() below replaces that
        self._public_key = public_key

    def check(self, transport: asyncio.Transport) -> None:
        """Compare the key of the peer.

        Raises:
            aiohttp.ServerFingerprintMismatch: it is another one.
        """
        from resolver.protocol.signing import encoded_key_of_certificate

        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        found = encoded_key_of_certificate(certificate) if certificate else b""
        if found != self._public_key:
            host, port, *_ = transport.get_extra_info("peername") or ("?", 0)
            raise aiohttp.ServerFingerprintMismatch(self._public_key, found, str(host), int(port))


class HttpTransport:
    """Exchanges messages by HTTP and HTTPS."""

    def __init__(
        self, connect_timeout_s: float = CONNECT_TIMEOUT_S, timeout_s: float = EXCHANGE_TIMEOUT_S
    ) -> None:
        self._timeout_s = timeout_s
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=connect_timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def exchange(self, endpoint: Endpoint, message: bytes, handle: str) -> bytes:
        """Send ``message`` and return the answer as one message.

        Args:
            endpoint: an interface for HTTP or HTTPS.
            message: the whole message.
            handle: what it asks for; part of the path, which servers ignore and their logs show.

        Raises:
            LookupTimeoutError: no connection, or no whole answer, within the time-outs.
            TransportError: refused, another key, another status, or a body that is too short or too long.
        """
        name = endpoint.transport.name.lower()
        try:
            return await self._post(endpoint, message, handle)
        except TimeoutError as error:
            raise LookupTimeoutError(f"{name}: no answer within {self._timeout_s:.1f} s") from error
        except aiohttp.ServerFingerprintMismatch as error:
            raise TransportError(f"{name}: the server has another key than its site record says") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise TransportError(f"{name}: {str(error) or type(error).__name__}") from error

    async def _post(self, endpoint: Endpoint, message: bytes, handle: str) -> bytes:
        headers = {
            "Host": _host_header(endpoint),
            "Accept": MESSAGE_TYPE,
            "Content-Type": MESSAGE_TYPE,
            "User-Agent": "handle-resolver",
            # A compressed body could be a thousand times its size.
            "Accept-Encoding": "identity",
        }
        response = self._get_session().post(
            _url(endpoint, handle), data=message, headers=headers, ssl=_pin(endpoint), allow_redirects=False
        )
        async with response as answer:
            if answer.status != 200:
                raise TransportError(f"{endpoint.transport.name.lower()}: status {answer.status}")
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > MAX_RESPONSE_OCTETS:
                    raise TransportError(
                        f"{endpoint.transport.name.lower()}: more than {MAX_RESPONSE_OCTETS} octets"
                    )
        if len(body) < ENVELOPE_SIZE:
            raise TransportError(f"{endpoint.transport.name.lower()}: only {len(body)} octets")
        return bytes(body)

    def _get_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # One question, one connection: servers close after the answer.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, limit=0, use_dns_cache=False),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=["Accept-Encoding"],
            )
        return self._session

    async def close(self) -> None:
        """Give connections back."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _url(endpoint: Endpoint, handle: str) -> URL:
    scheme = endpoint.transport.name.lower()
    path = endpoint.path.strip("/")
    path = f"/{quote(path)}" if path else ""
    # Already encoded, or yarl would decode the slash of the handle.
    return URL(
        f"{scheme}://{endpoint.where}:{endpoint.port}{path}/{quote(handle, safe=_UNENCODED).replace('~', '%7E')}",
        encoded=True,
    )


def _host_header(endpoint: Endpoint) -> str:
    usual = 443 if endpoint.transport is Transport.HTTPS else 80
    host = endpoint.host or endpoint.where
    return host if endpoint.port == usual else f"{host}:{endpoint.port}"


def _pin(endpoint: Endpoint) -> aiohttp.Fingerprint | bool:
    """Return how to check the peer: by the key of the site record, and by nothing where that key is DSA.

    Raises:
        TransportError: the site record has no key, so that nothing could be checked.
    """
    if endpoint.transport is not Transport.HTTPS:
        return False
    try:
        key = decode_public_key(endpoint.public_key)
    except MessageFormatError as error:
        raise TransportError("https: the site record has no key to know the server by") from error
    # No browser and no server makes TLS certificates with DSA: the signature of messages has to protect.
    return False if isinstance(key, DsaPublicKey) else _PinnedKey(endpoint.public_key)
