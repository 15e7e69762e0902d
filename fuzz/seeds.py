"""``python -m fuzz.seeds``: writes what fuzzing begins with: the vectors of the tests, and what was worth trying.

The inputs lie in ``corpus/<target>/`` under names that say what they are; what fuzzing finds lies beside them under
the digest of its octets.
"""

from __future__ import annotations

from collections.abc import Iterator

from fuzz.corpus import CORPUS
from fuzz.targets import HANDLE
from resolver.cache.entry import Absence, CachedRecord, encode_entry
from resolver.model.namespace import Namespace
from resolver.model.record import HandleRecord, HandleValue
from resolver.protocol.json_sites import key_from_json
from resolver.protocol.keys import encode_public_key
from resolver.protocol.values import encode_value_list
from tests.vectors import vectors

_KEY = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}

_LOCATIONS = {
    "plain": '<locations><location id="0" href="https://a.example/" weight="1"/></locations>',
    "country": '<locations chooseby="locatt,country,weighted"><location country="de" href="https://d.example/"/>'
    '<location href="https://e.example/" weight="0.5"/></locations>',
    "negotiated": '<locations><location http_role="conneg" ctype="application/json" href="https://j.example/"/>'
    '<location http_role="browser" href="https://b.example/" http_sc="303"/></locations>',
    "template": '<locations><loc_template href_template="https://t.example/{hdl}?x={hdl}"/></locations>',
    "includes": '<locations include="20.500.12345/x 20.500.12345/y" no_nslocs="true" nshdl="0.NA/1"/>',
    "addresses": '<locations><location addresses="10.0.0.0/8, 2001:db8::/32" score="-1" href="urn:x:y"/></locations>',
    "links": '<locations><location rel="cite-as describedby" type="text/html" hreflang="de" '
    'title="&quot;x&quot;" anchor="#a" href="https://l.example/&#228;"/></locations>',
    "script": '<locations><location href=" java&#9;script:alert(1)"/><location href="//evil.example"/></locations>',
    "doctype": '<!DOCTYPE x [<!ENTITY a "b">]><locations>&a;</locations>',
    "namespaced": '<x:locations xmlns:x="urn:x"><x:location x:href="https://n.example/"/></x:locations>',
}
_NAMESPACES = {
    "all": "<namespace><status>active</status><statusmsg>moved</statusmsg><contact>a@b.example</contact>"
    '<locs no_nslocs="1">20.500.12345/locs</locs></namespace>',
    "inactive": "<namespace><status> INACTIVE </status></namespace>",
    "template": '<namespace><template delimiter="@"><foreach><if value="type" test="equals" expression="URL">'
    '<value data="${data}"/></if></foreach></template></namespace>',
}
_RECORDS = {
    "url": [("URL", "https://www.example.org/a?b#c"), ("EMAIL", "a@b.example"), ("DESC", "<b>x</b>")],
    "iri": [("URL", "https://bücher.example/straße"), ("URL.mirror", "ftp://user:pw@[2001:db8::1]:21/x")],
    "schemes": [
        ("URL", "javascript:alert(1)"),
        ("URL", "mailto:a@b.example"),
        ("URL", "magnet:?xt=urn:btih:0"),
    ],
    "alias": [("HS_ALIAS", "20.500.12345/b"), ("HS_SERV", "0.NA/1")],
    "headers": [
        (
            "10320/headers",
            'X-One: 1\r\nSet-Cookie: a=b\nDOI: {hdl}\n<meta name="citation_title" content="T&amp;S"/>',
        ),
        ("10320/loc", _LOCATIONS["country"]),
        ("10320/links", _LOCATIONS["links"]),
    ],
    "gone": [("TOMBSTONE", "withdrawn"), ("ARCHIVED_AT", "https://web.archive.example/x"), ("URL", "x")],
    "structured": [
        ("HS_ADMIN", "\0\0\0\1a\0\0\0\0"),
        ("HS_SITE", ""),
        ("HS_NAMESPACE", _NAMESPACES["all"]),
        ("HS_PUBKEY", "\0"),
    ],
}
_TARGETS = (
    "/20.500.12345/abc",
    "/api/handles/10.1000/1?type=URL&index=1;index=-2&callback=a.b&pretty",
    "/api/linkset/hdl:10.1000/1",
    "/https://doi.org/10.1000/a%2Fb%20c?locatt=lang:de&action=showurls",
    "/urn:hdl:20.500.12345:abc?urlappend=%2Fx%3Fy&noredirect=false",
    "http://localhost:8000/doi:10.1000/%C3%A4+%E2%80%AE?auth&cert=report",
    "//evil.example/%2e%2e/%00?country=de&ip=::1",
    "/%zz",
    "/%ff?%ff=%ff",
    "/0.NA/10.1000?urlappend=@evil.example",
    "/static/../x",
    "/help#x",
)
_ACCEPTS = (
    "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
    "application/ld+json; profile=\"a,b;q=0\" ; q=0.5, application/json;q=.25, x/y;q=1.0000000000",
    "de-CH, fr;q=0.9, en;q=0.8, *;q=0.5",
    'for=192.0.2.60;proto=https;host="a.example", for="[2001:db8::1]:80"',
    "192.0.2.1, unknown, 10.0.0.1:80, [::1]:1",
    'a"b\\"c,d"e',
)  # fmt: skip
_SIGNATURES = (
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIzMDA6YS9iIiwic3ViIjoiYS9jIiwiZGlnZXN0cyI6eyJhbGciOiJTSEEtMjU2IiwiZGlnZXN0cyI6"
    "W3siaW5kZXgiOjEsImRpZ2VzdCI6IkFBQT0ifV19LCJleHAiOjE5MDAwMDAwMDAsIm5iZiI6MSwiaWF0IjoxfQ.AAAA",
    '{"payload":"e30","signatures":[{"protected":"eyJhbGciOiJSUzI1NiJ9","signature":"AA"}]}',
    "a.b.c",
)


def seeds() -> Iterator[tuple[str, str, bytes]]:
    """Yield target, name and octets of each seed."""
    for directory in ("messages", "refused_messages"):
        for vector in vectors(directory):
            if len(vector.octets) <= 1024:
                yield "message", vector.name, vector.octets
    for directory in ("data", "refused_data"):
        for vector in vectors(directory):
            if "site" in vector.name:
                yield "site", vector.name, vector.octets
            elif "pubkey" in vector.name:
                yield "key", vector.name, vector.octets
            elif vector.name.startswith("value-"):
                yield "record", vector.name, (1).to_bytes(4, "big") + vector.octets
    yield "key", "short-rsa", encode_public_key(key_from_json(_KEY))
    for name, text in _LOCATIONS.items():
        yield "locations", name, text.encode()
    for name, text in _NAMESPACES.items():
        yield "namespace", name, text.encode()
    for name, pairs in _RECORDS.items():
        values = tuple(
            HandleValue(index, kind, data.encode()) for index, (kind, data) in enumerate(pairs, start=1)
        )
        yield "record", name, encode_value_list(values)
        lines = (kind.encode() + b"\x1f" + data.encode() for kind, data in pairs)
        yield "record", f"{name}-lines", b"\x1e".join(lines)
        remembered = CachedRecord(HandleRecord(HANDLE, values), 1.7e9, 3600.0, "udp://127.0.0.1:1")
        yield "entry", name, encode_entry(HANDLE.upper(), remembered)
    yield (
        "entry",
        "absence",
        encode_entry(HANDLE.upper(), Absence(1.7e9, 30.0, "20.500", "gone", Namespace())),
    )
    for target, texts in (
        ("request_target", _TARGETS),
        ("accept", _ACCEPTS),
        ("signature", _SIGNATURES),
    ):
        for number, text in enumerate(texts):
            yield target, f"{number:02}", text.encode()


def main() -> None:
    """Write them all."""
    for target, name, octets in seeds():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(octets)


if __name__ == "__main__":
    main()
