"""What visitors and scripts see, over real sockets and a real handle network: statuses, headers, pages, JSON."""

from __future__ import annotations

import json
import re
from email.utils import parsedate_to_datetime

import pytest

from resolver.demo.network import shipped_records
from resolver.model.record import HandleRecord, HandleValue
from resolver.protocol.codes import ResponseCode
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import ask, networks
from tests.raw_http import exchange, write_request

P = "20.500.12345"


async def test_one_url_redirects(demo_proxy: RunningProxy) -> None:
    """A handle with one URL answers 302 with exactly that URL, a lifetime, and a page for those who do not follow."""
    response = await ask(demo_proxy, f"/{P}/abc")
    assert response.status == 302
    assert response.header("Location") == "https://www.example.org/collections/abc"
    assert response.header("Cache-Control") is not None
    assert b'<a href="https://www.example.org/collections/abc">' in response.body


async def test_first_of_several_urls(demo_proxy: RunningProxy) -> None:
    """Of several URLs, the first in the order of the record is used."""
    assert (await ask(demo_proxy, f"/{P}/map-1482")).header("Location") == "https://maps.example.org/ulm/1482"


async def test_no_url_shows_the_record(demo_proxy: RunningProxy) -> None:
    """A handle without a URL answers 200 with a page of its values."""
    response = await ask(demo_proxy, f"/{P}/letter")
    assert response.status == 200
    assert response.header("Location") is None
    assert b"Letter of Flavia to Rudolf" in response.body


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        (f"/{P}/nothing-here", 404, "Handle not found"),
        ("/20.500.99/x", 404, "Prefix not found"),
        ("/20.500.56789/x", 502, "cannot be reached"),
        ("/20.500.11000/lost", 404, "ended in 2019"),
        (f"/{P}/round", 404, "Alias chain"),
        ("/%zz", 400, "percent sign"),
        (f"/{P}/{'x' * 2100}", 400, "2048"),
        (f"/{P}/{'x' * 8192}", 414, "longer"),
    ],
)
async def test_problems_are_explained(demo_proxy: RunningProxy, path: str, status: int, words: str) -> None:
    """Each kind of trouble has its own status and a page that says what happened."""
    response = await ask(demo_proxy, path)
    assert response.status == status
    assert words in response.body.decode()
    assert response.header("X-Request-ID") in response.body.decode()


async def test_not_found_names_whom_to_write_to(demo_proxy: RunningProxy) -> None:
    """The page of a missing handle, and of a service that is down, gives the contact of the prefix."""
    assert (
        b"mailto:handles@library.example?subject=Handle%20" in (await ask(demo_proxy, f"/{P}/missing")).body
    )
    assert b"mailto:operator@gone.example" in (await ask(demo_proxy, "/20.500.56789/y")).body
    assert b"mailto:rescue@library.example" in (await ask(demo_proxy, "/20.500.11000/lost")).body


async def test_alias_goes_on_to_our_own_url(demo_proxy: RunningProxy) -> None:
    """An alias answers 301 to this proxy's URL of the final handle, keeps the query, and does not last for ever."""
    response = await ask(demo_proxy, f"/{P}/old-name?urlappend=%2Fpage;x=1")
    assert response.status == 301
    assert response.header("Location") == f"{demo_proxy.url}/{P}/abc?urlappend=%2Fpage;x=1"
    assert re.fullmatch(r"public, max-age=\d+", response.header("Cache-Control") or "")


async def test_alias_for_scripts_is_not_followed(demo_proxy: RunningProxy) -> None:
    """The API and ignore_aliases show the alias itself."""
    shown = json.loads((await ask(demo_proxy, f"/api/handles/{P}/old-name")).body)
    assert [value["type"] for value in shown["values"]] == ["HS_ALIAS", "HS_ADMIN"]
    assert b"HS_ALIAS" in (await ask(demo_proxy, f"/{P}/old-name?ignore_aliases")).body


@pytest.mark.parametrize(
    "path", [f"/{P}/abc", f"/{P}/letter", f"/{P}/missing", f"/api/handles/{P}/abc", "/", "/help"]
)
async def test_head_is_get_without_a_body(demo_proxy: RunningProxy, path: str) -> None:
    """HEAD has the status and headers of GET, and no body."""
    get, head = await ask(demo_proxy, path), await ask(demo_proxy, path, "HEAD")
    changing = {"date", "x-request-id", "expires", "cache-control", "content-length"}
    assert head.status == get.status
    assert head.body == b""
    assert [pair for pair in head.headers if pair[0].lower() not in changing] == [
        pair for pair in get.headers if pair[0].lower() not in changing
    ]


async def test_lifetime_counts_down(demo_proxy: RunningProxy) -> None:
    """max-age is what is left of the smallest TTL, and Expires names the same moment."""
    response = await ask(demo_proxy, f"/{P}/short")
    max_age = int((response.header("Cache-Control") or "").removeprefix("public, max-age="))
    assert 0 < max_age <= 20
    expires = parsedate_to_datetime(response.header("Expires") or "")
    sent = parsedate_to_datetime(response.header("Date") or "")
    assert abs((expires - sent).total_seconds() - max_age) <= 1


@pytest.mark.parametrize(
    "path", ["/", f"/{P}/abc", f"/{P}/missing", f"/api/handles/{P}/abc", "/api/none", "/robots.txt"]
)
async def test_any_origin_may_read(demo_proxy: RunningProxy, path: str) -> None:
    """Scripts on any page may read any answer and all of its headers."""
    response = await ask(demo_proxy, path, headers=[("Origin", "https://elsewhere.example")])
    assert response.header("Access-Control-Allow-Origin") == "*"
    assert response.header("Access-Control-Expose-Headers") == "*"
    assert response.header("Access-Control-Allow-Credentials") is None


async def test_preflight_is_answered_at_once(demo_proxy: RunningProxy) -> None:
    """OPTIONS on a handle is no redirect, and costs no lookup."""
    response = await ask(
        demo_proxy, f"/{P}/abc", "OPTIONS", headers=[("Access-Control-Request-Method", "GET")]
    )
    assert response.status == 204
    assert response.header("Location") is None
    assert "GET" in (response.header("Access-Control-Allow-Methods") or "")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", [f"/{P}/abc", f"/api/handles/{P}/abc"])
async def test_nothing_can_be_changed(demo_proxy: RunningProxy, method: str, path: str) -> None:
    """Other methods answer 405 and name those that work."""
    response = await ask(demo_proxy, path, method, body="")
    assert response.status == 405
    assert "GET" in (response.header("Allow") or "")


async def test_pages_run_nothing(demo_proxy: RunningProxy) -> None:
    """Pages forbid scripts, frames and foreign resources, and are not guessed to be something else."""
    for path in ("/", "/help", f"/{P}/trap", f"/{P}/missing"):
        response = await ask(demo_proxy, path)
        policy = response.header("Content-Security-Policy") or ""
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.header("X-Content-Type-Options") == "nosniff"
        assert response.header("Referrer-Policy")
        assert b"<script" not in response.body
        assert b"style=" not in response.body
    assert b"&lt;b&gt;markup&lt;/b&gt;" in (await ask(demo_proxy, f"/{P}/trap")).body
    assert b'href="javascript:' not in (await ask(demo_proxy, f"/{P}/trap")).body


async def test_errors_for_scripts_are_json(demo_proxy: RunningProxy) -> None:
    """Whatever goes wrong below /api/ is told as JSON with its responseCode."""
    for path, status, code in [
        (f"/api/handles/{P}/missing", 404, 100),
        ("/api/handles/20.500.99/x", 404, 100),
        ("/api/handles/20.500.56789/x", 502, 2),
        ("/api/handles", 400, 102),
        ("/api/handles/", 400, 102),
        ("/api/nothing", 404, 2),
        (f"/api/handles/{P}/abc?index=x", 400, 4),
        (f"/api/handles/{P}/abc?callback=a-b", 400, 4),
    ]:
        response = await ask(demo_proxy, path)
        assert response.status == status, path
        assert (response.header("Content-Type") or "").startswith("application/json")
        assert json.loads(response.body)["responseCode"] == code


async def test_form_leads_where_the_handle_leads(demo_proxy: RunningProxy) -> None:
    """Whatever is pasted into the form, with its check boxes, is resolved."""
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    for typed in (
        f"{P}/abc",
        f" hdl:{P}/abc ",
        f"https://hdl.handle.net/{P}/abc",
        f"{demo_proxy.url}/{P}/abc",
    ):
        body = "hdl=" + typed.replace(" ", "+").replace(":", "%3A").replace("/", "%2F")
        response = await ask(demo_proxy, "/", "POST", headers=form, body=body)
        assert response.header("Location") == "https://www.example.org/collections/abc", typed
    shown = await ask(demo_proxy, "/", "POST", headers=form, body=f"hdl={P}/abc&noredirect=yes")
    assert shown.status == 200
    assert (await ask(demo_proxy, "/", "POST", headers=form, body="hdl=")).status == 400


async def test_multipart_form_is_understood(demo_proxy: RunningProxy) -> None:
    """A form sent as multipart/form-data works like any other."""
    body = f'--x\r\nContent-Disposition: form-data; name="hdl"\r\n\r\n{P}/abc\r\n--x--\r\n'
    response = await ask(
        demo_proxy, "/", "POST", headers=[("Content-Type", "multipart/form-data; boundary=x")], body=body
    )
    assert response.status == 302


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", "{"),
        ("application/json", "[1]"),
        ("application/json", '{"type": {"a": 1}}'),
        ("multipart/form-data; boundary=x", "no boundary"),
        ("multipart/form-data", "no boundary"),
        ("application/x-www-form-urlencoded; charset=no-such", "hdl=x"),
    ],
)
async def test_a_bad_body_is_the_visitors_mistake(
    demo_proxy: RunningProxy, content_type: str, body: str
) -> None:
    """A body that is not what it says is answered with 400 and never with 500."""
    response = await ask(
        demo_proxy, f"/api/handles/{P}/abc", "POST", headers=[("Content-Type", content_type)], body=body
    )
    assert response.status in {400, 200}
    if response.status == 200:
        assert content_type.startswith("multipart") or "charset" in content_type


async def test_a_huge_body_is_refused(demo_proxy: RunningProxy) -> None:
    """A body beyond the limit answers 413."""
    response = await ask(
        demo_proxy, "/", "POST", headers=[("Content-Type", "application/json")], body="x" * 100_000
    )
    assert response.status == 413


async def test_parameters_in_a_json_body(demo_proxy: RunningProxy) -> None:
    """POST with a JSON object answers like GET with the same parameters."""
    headers = [("Content-Type", "application/json")]
    response = await ask(
        demo_proxy,
        f"/api/handles/{P}/map-1482",
        "POST",
        headers=headers,
        body='{"type": ["DESC"], "index": 2}',
    )
    assert [value["index"] for value in json.loads(response.body)["values"]] == [2, 4]


async def test_not_public_is_said_so(demo_proxy: RunningProxy) -> None:
    """publicOnly=false on a record with hidden values answers 401 with code 402, and spoils nothing for others."""
    refused = await ask(demo_proxy, f"/api/handles/{P}/everything?publicOnly=false")
    assert refused.status == 401
    assert json.loads(refused.body)["responseCode"] == 402
    shown = json.loads((await ask(demo_proxy, f"/api/handles/{P}/everything")).body)
    assert "HS_SECKEY" not in {value["type"] for value in shown["values"]}


async def test_static_files(demo_proxy: RunningProxy) -> None:
    """Style sheet, icon and robots.txt are there, may be kept, and are not sent twice."""
    for path, content_type in [
        ("/static/style.css", "text/css"),
        ("/static/icon.svg", "image/svg+xml"),
        ("/favicon.ico", "image/"),
        ("/robots.txt", "text/plain"),
    ]:
        response = await ask(demo_proxy, path)
        assert response.status == 200
        assert (response.header("Content-Type") or "").startswith(content_type)
        again = await ask(demo_proxy, path, headers=[("If-None-Match", response.header("ETag") or "")])
        assert (again.status, again.body) == (304, b"")
    for path in ("/static/none.css", "/static/../resolver/cli.py", "/static/%2e%2e/layout.html"):
        assert (await ask(demo_proxy, path)).status == 404


async def test_requests_on_one_connection(demo_proxy: RunningProxy) -> None:
    """Several requests sent at once over one connection are answered in their order."""
    host = ("Host", f"{demo_proxy.host}:{demo_proxy.port}")
    requests = [
        write_request("GET", f"/{P}/{name}", headers=[host]) for name in ("abc", "map-1482", "missing")
    ]
    requests.append(write_request("GET", f"/{P}/letter", headers=[host, ("Connection", "close")]))
    reader_response = await exchange(demo_proxy.host, demo_proxy.port, b"".join(requests))
    whole = reader_response.body.decode("latin-1")
    assert reader_response.status == 302
    assert re.findall(r"HTTP/1\.1 (\d+)", whole) == ["302", "404", "200"]


async def test_proxy_headers_count_only_from_trustednetworks() -> None:
    """X-Forwarded-Proto and -Host shape our links if, and only if, the operator trusts who sends them."""
    headers = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "hdl.example.org")]
    with run_proxy(shipped_records(), trusted_proxies=networks("127.0.0.0/8")) as trusting:
        response = await ask(trusting, f"/{P}/old-name", headers=headers)
        assert response.header("Location") == f"https://hdl.example.org/{P}/abc"
    with run_proxy(shipped_records(), base_url="https://id.example.org") as fixed:
        response = await ask(fixed, f"/{P}/old-name", headers=headers)
        assert response.header("Location") == f"https://id.example.org/{P}/abc"


async def test_an_old_record_stands_in() -> None:
    """When the service fails, a record past its time is answered, marked as stale; auth gets the error."""
    with run_proxy(shipped_records()) as proxy:
        assert (await ask(proxy, f"/{P}/abc")).status == 302
        service = proxy.network.services["LIBRARY"]
        proxy.clock.offset_s += 3700
        service.behaviour.code = ResponseCode.ERROR
        response = await ask(proxy, f"/{P}/abc")
        assert response.status == 302
        assert response.header("Cache-Control") == "max-age=30"
        assert response.header("Warning") == '110 - "Response is Stale"'
        assert json.loads((await ask(proxy, f"/api/handles/{P}/abc")).body)["stale"] is True
        assert b"may be out of date" in (await ask(proxy, f"/{P}/abc?noredirect")).body
        assert (await ask(proxy, f"/{P}/abc?auth")).status == 502
        service.behaviour.code = None
        proxy.clock.offset_s += 10
        assert (await ask(proxy, f"/{P}/abc")).header("Warning") is None


async def test_a_filter_does_not_damage_what_is_remembered() -> None:
    """Asking for one value, or one that is not there, changes nothing for who asks next."""
    with run_proxy(shipped_records()) as proxy:
        assert (
            json.loads((await ask(proxy, f"/api/handles/{P}/map-1482?index=77")).body)["responseCode"] == 200
        )
        assert (
            len(json.loads((await ask(proxy, f"/api/handles/{P}/map-1482?type=EMAIL")).body)["values"]) == 1
        )
        assert len(json.loads((await ask(proxy, f"/api/handles/{P}/map-1482")).body)["values"]) == 6


async def test_a_change_is_seen_after_its_time() -> None:
    """A record is asked for again once its TTL is over."""
    with run_proxy(shipped_records()) as proxy:
        handle = f"{P}/changing"
        store = proxy.network.stores["library"]
        store.put(HandleRecord(handle, (HandleValue(1, "URL", b"https://old.example/"),)))
        assert (await ask(proxy, f"/{handle}")).header("Location") == "https://old.example/"
        store.put(HandleRecord(handle, (HandleValue(1, "URL", b"https://new.example/"),)))
        assert (await ask(proxy, f"/{handle}")).header("Location") == "https://old.example/"
        proxy.clock.offset_s += 3601
        assert (await ask(proxy, f"/{handle}")).header("Location") == "https://new.example/"


async def test_every_link_of_the_demo_works(demo_proxy: RunningProxy) -> None:
    """Each link that the demo prints answers as it says there."""
    statuses = {
        **dict.fromkeys(("does not exist", "full stop", "not registered", "closed"), 404),
        "withdrawn": 410,
        **dict.fromkeys(("switched off", "wrong key"), 502),
    }
    links = json.loads((shipped_records() / "links.json").read_text("utf-8"))
    for path, what in links:
        if "silent" in what:
            continue  # it takes as long as a silent service does; a scenario of its own
        response = await ask(demo_proxy, path)
        expected = next((status for words, status in statuses.items() if words in what), None)
        assert response.status == expected or (expected is None and response.status < 400), (
            path,
            response.status,
        )
