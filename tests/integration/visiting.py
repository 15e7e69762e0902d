"""Visits to a listener, each over a connection of its own, and what tests read out of the answers."""

from __future__ import annotations

import ipaddress
import re
from typing import Protocol

from resolver.config import Network
from resolver.model.record import HandleRecord, HandleValue
from tests.integration.proxy import RunningProxy
from tests.raw_http import RawResponse, exchange, write_request

__all__ = ["Listener", "ask", "links_of", "lists", "max_age_of", "media_type_of", "networks", "put_record"]

_LINK = re.compile(r'<([^>]*)>((?:\s*;\s*[\w*-]+=(?:"(?:[^"\\]|\\.)*"|[^",;]+))*)')
_PARAMETER = re.compile(r'([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;]+))')


class Listener(Protocol):
    """Where requests can be sent."""

    host: str
    port: int


async def ask(
    listener: Listener,
    target: str,
    method: str = "GET",
    *,
    headers: list[tuple[str, str]] | None = None,
    body: str | None = None,
) -> RawResponse:
    """Send one request; ``Host`` names the listener, unless ``headers`` say otherwise."""
    given = headers or []
    if not any(name == "Host" for name, _ in given):
        given = [("Host", f"{listener.host}:{listener.port}"), *given]
    request = write_request(method, target, headers=[*given, ("Connection", "close")], body=body)
    return await exchange(listener.host, listener.port, request)


def media_type_of(response: RawResponse) -> str:
    """Return the media type without its parameters."""
    return (response.header("Content-Type") or "").partition(";")[0].strip()


def lists(response: RawResponse, name: str) -> list[str]:
    """Return the items of a header that holds a list."""
    return [item.strip() for item in (response.header(name) or "").split(",") if item.strip()]


def max_age_of(response: RawResponse) -> int:
    """Return for how many seconds anybody may keep an answer; -1 where not everybody may."""
    found = re.fullmatch(r"public, max-age=(\d+)", response.header("Cache-Control") or "")
    return int(found.group(1)) if found else -1


def links_of(response: RawResponse) -> list[dict[str, str]]:
    """Return the links in the ``Link`` header: their parameters, and the address as ``href``."""
    return [
        {"href": href, **{name: quoted or plain for name, quoted, plain in _PARAMETER.findall(parameters)}}
        for href, parameters in _LINK.findall(response.header("Link") or "")
    ]


def networks(*texts: str) -> tuple[Network, ...]:
    """Return networks as settings hold them."""
    return tuple(map(ipaddress.ip_network, texts))


def put_record(
    proxy: RunningProxy, handle: str, *values: tuple[str, str], store: str = "library", ttl: int = 3600
) -> None:
    """Register a handle with the demo network, or replace its record: types and data, numbered from 1."""
    proxy.network.stores[store].put(
        HandleRecord(
            handle,
            tuple(
                HandleValue(index, value_type, data.encode(), ttl=ttl, timestamp=1_767_225_600)
                for index, (value_type, data) in enumerate(values, start=1)
            ),
        )
    )
