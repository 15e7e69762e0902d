"""What is fuzzed: each target reads octets as a stranger may have chosen them, and says what must then hold.

A target returns whatever the octets are. Errors that its reader promises are caught here; anything else that
escapes is a find, and so is an ``AssertionError``: a promise of ours that these octets break.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace
from multidict import CIMultiDict

from resolver.answer.candidates import find_places
from resolver.answer.choose import Redirect, alias_of, choose_answer
from resolver.answer.extras import NO_EXTRAS, inherits_from, read_location_data
from resolver.answer.formats import FORMATS, view_record
from resolver.answer.links import links_of, write_links
from resolver.answer.linkset import linkset_json, linkset_text
from resolver.answer.listing import show_value
from resolver.answer.locations import Circumstances
from resolver.answer.negotiation import Requester, language_matches, prefers_json, read_weighted
from resolver.answer.place_list import places_json, places_xml
from resolver.answer.plain import plain_target
from resolver.answer.preferences import Preferences
from resolver.answer.record_headers import read_record_headers
from resolver.answer.record_json import record_json, write_json
from resolver.answer.targets import DEFAULT_SCHEMES, Target, append_to_target
from resolver.answer.tombstone import tombstone_of
from resolver.cache.entry import decode_entry, encode_entry
from resolver.config import Network
from resolver.errors import InvalidHandleError, MessageFormatError, SignatureError
from resolver.model.handle import Handle
from resolver.model.namespace import Namespace
from resolver.model.record import HandleRecord, HandleValue
from resolver.protocol.bodies import ResolutionResponse
from resolver.protocol.envelope import decode_envelope
from resolver.protocol.fragments import MAX_DATAGRAM, Reassembly, split_message
from resolver.protocol.json_sites import key_from_json, key_to_json, site_to_json
from resolver.protocol.json_values import value_from_json, value_to_json
from resolver.protocol.keys import decode_public_key, encode_public_key
from resolver.protocol.locations import decode_locations
from resolver.protocol.message import decode_message, encode_message
from resolver.protocol.namespaces import decode_namespace
from resolver.protocol.sites import decode_site, encode_site
from resolver.protocol.values import decode_value_list
from resolver.trust.jws import read_claims, read_jws
from resolver.web.clients import read_origin, read_visitor_address
from resolver.web.identifiers import citation_url, encode_handle
from resolver.web.parse import (
    ApiRoute,
    BadRequestError,
    HandleRoute,
    LinksetRoute,
    handle_of_form,
    read_parameters,
    read_query,
    read_route,
    split_target,
)

__all__ = ["TARGETS"]

HANDLE = "20.500.12345/abc"
TRUSTED: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"),)

_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_URI = re.compile(r"[\x21-\x7e]+")


def message(octets: bytes) -> None:
    """A message of the handle protocol, whole and in datagrams; what was read is written, and read again, alike."""
    try:
        envelope = decode_envelope(octets)
        pieces = Reassembly()
        for datagram in split_message(octets)[:20]:
            pieces.feed(datagram[:MAX_DATAGRAM], envelope.request_id)
        read = decode_message(octets)
    except MessageFormatError:
        return
    if isinstance(read.body, ResolutionResponse):
        write_json(record_json(read.body.handle, read.body.values))
    try:
        again = decode_message(encode_message(read))
    except MessageFormatError:
        again = None
    # Octets that are no UTF-8 were replaced by longer ones, which need not fit any more.
    assert (again is not None and again == replace(read, envelope=again.envelope)) or "\ufffd" in repr(
        read
    ), "what was read is written as something else"


def site(octets: bytes) -> None:
    """A site record: read, shown as JSON, and written as it was unless its texts are no UTF-8."""
    try:
        read = decode_site(octets)
    except MessageFormatError:
        return
    write_json(site_to_json(read))
    written = encode_site(read)
    assert decode_site(written) == read, "what was written is read as something else"


def key(octets: bytes) -> None:
    """A public key: read, written, and taken through JSON without a change."""
    try:
        read = decode_public_key(octets)
    except MessageFormatError:
        return
    assert decode_public_key(encode_public_key(read)) == read, "what was written is read as something else"
    shown = key_to_json(read)
    if shown is not None:
        assert key_from_json(shown) == read, "JSON makes another key of it"


def locations(octets: bytes) -> None:
    """A ``10320/loc`` or ``10320/links`` document, and every answer that can be made of it."""
    try:
        decode_locations(octets)
    except MessageFormatError:
        return
    values = (HandleValue(1, "10320/loc", octets), HandleValue(2, "10320/links", octets))
    _answer(HandleRecord(HANDLE, values))


def namespace(octets: bytes) -> None:
    """An HS_NAMESPACE document."""
    try:
        read = decode_namespace(octets)
    except MessageFormatError:
        return
    inherits_from(read_location_data(HandleRecord(HANDLE, ())), (read,))
    show_value(HandleValue(1, "HS_NAMESPACE", octets))


def record(octets: bytes) -> None:
    """A record, as a list of values or as lines of type and data, and every answer that can be made of it."""
    try:
        values = decode_value_list(octets)
    except MessageFormatError:
        values = tuple(
            HandleValue(index, kind.decode("utf-8", "replace"), data)
            for index, line in enumerate(octets.split(b"\x1e")[:20], start=1)
            for kind, _, data in [line.partition(b"\x1f")]
        )
    for value in values:
        show_value(value)
        shown = value_to_json(value)
        value_from_json(shown)
    write_json(record_json(HANDLE, values), pretty=True)
    found = HandleRecord(HANDLE, values)
    view = view_record(HANDLE, citation_url(HANDLE), values, DEFAULT_SCHEMES)
    for form in FORMATS:
        form.write(view)
    alias, tombstone = alias_of(found, Preferences()), tombstone_of(found, None, DEFAULT_SCHEMES)
    _answer(found)
    plain = plain_target(found, DEFAULT_SCHEMES)
    if plain is not None:
        assert alias is tombstone is None, "not so plain"
        assert choose_answer(found, Preferences()) == Redirect(plain), "the short way leads elsewhere"


def _answer(found: HandleRecord) -> None:
    """Make every answer of a record, and check what would be put into headers."""
    own = read_location_data(found)
    own.included_handles()
    inherits_from(own, (Namespace(),))
    links = links_of(found.handle, own, NO_EXTRAS, DEFAULT_SCHEMES)
    assert _HEADER_VALUE.fullmatch(write_links(links, citation_url(found.handle))), "Link is no header"
    write_json(linkset_json("https://hdl.handle.net/x", links))
    linkset_text("https://hdl.handle.net/x", links)
    for name, value in read_record_headers(own.headers, found.handle).headers:
        assert _HEADER_VALUE.fullmatch(name + value), "a header of the record is none"
    places = find_places(found.handle, found.values, own, NO_EXTRAS, DEFAULT_SCHEMES)
    places_xml(places)
    write_json(places_json(found.handle, places))
    for circumstances in (
        Circumstances(requester=Requester("text/html", "de", "Mozilla/5.0"), country="de"),
        Circumstances(requester=Requester("application/json"), is_strict=True),
    ):
        for chance in (0.0, 0.999):
            answer = choose_answer(
                found, Preferences(), circumstances=circumstances, chance=lambda chance=chance: chance
            )
            if isinstance(answer, Redirect):
                _check_target(answer.target)
                assert 300 <= answer.status < 400, "a redirect that is none"


def _check_target(target: Target) -> None:
    assert _URI.fullmatch(target.uri), "a target that is no URI"
    assert target.uri.partition(":")[0].lower() in DEFAULT_SCHEMES, "a scheme that is not allowed"


def request_target(octets: bytes) -> None:
    """The target of a request: path and query, to what is asked and what would be linked to."""
    text = octets.decode("utf-8", "surrogateescape")
    try:
        path, query_text = split_target(text)
        route = read_route(path, ("localhost:8000",))
        parameters = read_parameters(query_text)
        match route:
            case HandleRoute(handle) | ApiRoute(handle) | LinksetRoute(handle):
                query = read_query(handle, parameters, for_api=isinstance(route, ApiRoute))
            case _:
                handle_of_form(path)
                return
    except (BadRequestError, InvalidHandleError):
        return
    read = query.handle
    assert read.cache_key == Handle(read.text).cache_key
    assert _URI.fullmatch(citation_url(read.text)), "a citation that is no URI"
    # A link to a handle leads to that handle, unless a label in front of it is taken off.
    linked = read_route("/" + encode_handle(read.text), ())
    if isinstance(linked, HandleRoute) and linked.text == read.text:
        assert read_query(linked.text, parameters, for_api=False).handle == read
    if query.preferences.url_append:
        longer = append_to_target(Target("https://user@example.org:8080/a"), query.preferences.url_append)
        if longer is not None:
            _check_target(longer)
            assert longer.uri.startswith("https://user@example.org:8080/a"), "appending changed the host"


def accept(octets: bytes) -> None:
    """What a request says about who asks: Accept and its kin, and the headers of proxies."""
    text = octets.decode("utf-8", "surrogateescape")
    for name in read_weighted(text):
        language_matches("de-CH", name)
        assert name == name.strip().lower()
    requester = Requester(text, text, text)
    prefers_json(requester)
    headers = CIMultiDict([("Host", text), ("Forwarded", text), ("X-Forwarded-For", text)])
    read_origin("127.0.0.1", "http", headers, TRUSTED)
    read_visitor_address("127.0.0.1", headers, TRUSTED)


def entry(octets: bytes) -> None:
    """What Redis holds under the key of a handle: ours as it was written, or refused."""
    try:
        read = decode_entry(HANDLE.upper(), octets)
    except MessageFormatError:
        return
    assert decode_entry(HANDLE.upper(), encode_entry(HANDLE.upper(), read)) == read


def signature(octets: bytes) -> None:
    """An HS_SIGNATURE or HS_CERT value: its claims, or that it has none."""
    try:
        read_claims(read_jws(octets))
    except SignatureError:
        return


TARGETS: dict[str, Callable[[bytes], Any]] = {
    "message": message,
    "site": site,
    "key": key,
    "locations": locations,
    "namespace": namespace,
    "record": record,
    "request_target": request_target,
    "accept": accept,
    "entry": entry,
    "signature": signature,
}
