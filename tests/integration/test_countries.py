"""Places that depend on where the visitor is: a country database, addresses, and whom to believe about them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mmdb_writer
import netaddr
import pytest

from resolver.config import read_settings
from resolver.demo.network import shipped_records
from resolver.errors import SettingsError
from resolver.web.app import create_apps
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import ask, lists, max_age_of, networks, put_record

P = "20.500.12345"
PORTRAIT = f"/{P}/portrait"
GERMAN, FRENCH = (f"https://museum.example.org/{language}/portrait" for language in ("de", "fr"))
ELSEWHERE = {"https://museum.example.org/portrait", "https://mirror.example.org/portrait"}
IN_GERMANY, IN_FRANCE, IN_ITALY, UNKNOWN = "192.0.2.7", "2001:db8:f::7", "198.51.100.7", "203.0.113.7"
COUNTRIES = {"192.0.2.0/24": "DE", "2001:db8:f::/48": "FR", "198.51.100.0/24": "IT"}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A country database in MaxMind format, of three networks."""
    path = tmp_path_factory.mktemp("geoip") / "countries.mmdb"
    writer = mmdb_writer.MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Test-Country")
    for network, country in COUNTRIES.items():
        writer.insert_network(netaddr.IPSet([network]), {"country": {"iso_code": country}})
    writer.to_db_file(str(path))
    return path


@pytest.fixture(scope="module")
def proxy(database: Path) -> Iterator[RunningProxy]:
    """A proxy that knows countries, and believes the reverse proxies at 127.0.0.0/8 and 10.0.0.0/8."""
    trusted = networks("127.0.0.0/8", "10.0.0.0/8")
    with run_proxy(shipped_records(), geoip=database, trusted_proxies=trusted) as running:
        yield running


@pytest.fixture(scope="module")
def open_proxy(database: Path) -> Iterator[RunningProxy]:
    """A proxy that knows countries, and stands in the open: nobody's word counts."""
    with run_proxy(shipped_records(), geoip=database) as running:
        yield running


def via(*addresses: str) -> list[tuple[str, str]]:
    """Return what a reverse proxy says about who came."""
    return [("X-Forwarded-For", ", ".join(addresses))]


@pytest.mark.parametrize(
    ("headers", "places"),
    [
        (via(IN_GERMANY), {GERMAN}),
        (via(IN_FRANCE), {FRENCH}),
        (via(IN_GERMANY, "10.1.2.3"), {GERMAN}),
        (via(IN_FRANCE, IN_GERMANY), {GERMAN}),
        (via(f"{IN_GERMANY}:4711"), {GERMAN}),
        (via(f"[{IN_FRANCE}]:4711"), {FRENCH}),
        (via(f"::ffff:{IN_GERMANY}"), {GERMAN}),
        ([("Forwarded", f'for="[{IN_FRANCE}]";proto=https')], {FRENCH}),
        (via(IN_ITALY), ELSEWHERE),
    ],
)
async def test_the_visitors_country_decides(
    proxy: RunningProxy, headers: list[tuple[str, str]], places: set[str]
) -> None:
    """Each visitor gets the place of his country, else one that is for no country, and no cache keeps either."""
    for _ in range(3):
        answer = await ask(proxy, PORTRAIT, headers=headers)
        assert answer.header("Location") in places
        assert answer.header("Cache-Control") == "private, max-age=0"


@pytest.mark.parametrize("headers", [via(UNKNOWN), via("unknown"), via("10.1.2.3"), via("nonsense,,"), []])
async def test_an_unknown_place_is_no_obstacle(proxy: RunningProxy, headers: list[tuple[str, str]]) -> None:
    """A visitor whose country nobody knows is redirected too, and the answer is for him alone."""
    answer = await ask(proxy, PORTRAIT, headers=headers)
    assert answer.status == 302
    assert answer.header("Location") in ELSEWHERE
    assert answer.header("Cache-Control") == "private, max-age=0"


async def test_what_strangers_get_is_not_kept_for_compatriots(proxy: RunningProxy) -> None:
    """Also where no chance is involved: the answer for an unknown country is not the one for Germany."""
    places = (
        '<locations><location href="https://de.example/" country="de" weight="0"/>'
        '<location href="https://all.example/"/></locations>'
    )
    put_record(proxy, f"{P}/one-country", ("10320/loc", places))
    for headers, place in [
        (via(UNKNOWN), "https://all.example/"),
        (via(IN_ITALY), "https://all.example/"),
        (via(IN_GERMANY), "https://de.example/"),
    ]:
        answer = await ask(proxy, f"/{P}/one-country", headers=headers)
        assert answer.header("Location") == place
        assert max_age_of(answer) == -1


@pytest.mark.parametrize(
    "headers", [via(IN_GERMANY), [("Forwarded", f"for={IN_GERMANY}")], [("X-Real-IP", IN_GERMANY)]]
)
async def test_nobody_can_claim_to_be_elsewhere(
    open_proxy: RunningProxy, headers: list[tuple[str, str]]
) -> None:
    """What somebody who is no trusted proxy says about addresses changes nothing."""
    for _ in range(3):
        assert (await ask(open_proxy, PORTRAIT, headers=headers)).header("Location") in ELSEWHERE


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("country=de", GERMAN),
        ("country=FR", FRENCH),
        (f"ip={IN_FRANCE}", FRENCH),
        (f"ip={IN_GERMANY}", GERMAN),
        (f"ip={IN_FRANCE}&country=de", GERMAN),
    ],
)
async def test_the_address_of_the_page_may_say_where(
    proxy: RunningProxy, open_proxy: RunningProxy, query: str, place: str
) -> None:
    """With country= or ip= the URL itself decides, over any address: everybody gets the same, and it may be kept."""
    for running, headers in ((proxy, via(IN_ITALY)), (open_proxy, [])):
        answer = await ask(running, f"{PORTRAIT}?{query}", headers=headers)
        assert answer.header("Location") == place
        assert max_age_of(answer) > 0


async def test_language_comes_before_country_where_the_record_says_so(proxy: RunningProxy) -> None:
    """The record's own order of methods holds: who asks for French in Germany gets French, and that may be kept."""
    answer = await ask(proxy, PORTRAIT, headers=[*via(IN_GERMANY), ("Accept-Language", "fr")])
    assert answer.header("Location") == FRENCH
    assert lists(answer, "Vary") == ["Accept-Language"]
    assert max_age_of(answer) > 0


async def test_networks_decide_as_well(proxy: RunningProxy) -> None:
    """A place for certain networks, such as a campus, is for those who come from there; ip= shows what they get."""
    handle = f"{P}/licensed"
    places = (
        '<locations><location href="https://campus.example/" addresses="192.0.2.0/28 2001:db8:f::/48"/>'
        '<location href="https://public.example/"/></locations>'
    )
    put_record(proxy, handle, ("10320/loc", places))
    for headers, query, place, is_kept in [
        (via(IN_GERMANY), "", "https://campus.example/", False),
        (via(IN_FRANCE), "", "https://campus.example/", False),
        (via("192.0.2.17"), "", "https://public.example/", False),
        ([], f"?ip={IN_GERMANY}", "https://campus.example/", True),
        (via(IN_GERMANY), f"?ip={UNKNOWN}", "https://public.example/", True),
    ]:
        answer = await ask(proxy, f"/{handle}{query}", headers=headers)
        assert answer.header("Location") == place
        assert (max_age_of(answer) > 0) is is_kept


async def test_a_handle_with_one_place_is_for_everybody(proxy: RunningProxy) -> None:
    """Where the country makes no difference the answer may be kept, with a database as without."""
    assert max_age_of(await ask(proxy, f"/{P}/abc", headers=via(IN_GERMANY))) > 0


def test_a_file_that_is_no_database_stops_the_start(tmp_path: Path) -> None:
    """An operator who names the wrong file learns so at once, with its name."""
    path = tmp_path / "countries.csv"
    path.write_text("192.0.2.0/24,DE\n", "utf-8")
    with pytest.raises(SettingsError, match=r"countries\.csv"):
        create_apps(read_settings({"geoip": str(path)}, {}))
