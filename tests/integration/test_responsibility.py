"""Who is responsible: for a prefix, for a handle, and which agency for a DOI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from resolver.demo.network import shipped_records
from tests.integration.proxy import RunningProxy, run_proxy
from tests.integration.visiting import ask, max_age_of, put_record

P = "20.500.12345"


@pytest.fixture(scope="module")
def proxy() -> Iterator[RunningProxy]:
    """A proxy over a network to which these tests add prefixes."""
    with run_proxy(shipped_records()) as running:
        put_record(running, "10.SERV/CROSSREF", ("DESC", "a service"), store="registry")
        for prefix, service in [
            ("10.70001", "10.SERV/CROSSREF"),
            ("10.70002", "10.serv/datacite"),
            ("10.70003", "10.SERV/KISTI"),
            ("10.70004", "10.SERV/ETH"),
        ]:
            put_record(
                running,
                f"0.NA/{prefix}",
                ("HS_SERV", service),
                ("HS_SERV", "0.SERV/LIBRARY"),
                store="registry",
            )
            put_record(running, f"{prefix}/known", ("URL", "https://example.org/"))
            running.network.services["LIBRARY"]._homed.add(prefix)
        yield running


async def which(proxy: RunningProxy, *handles: str, query: str = "") -> list[dict[str, Any]]:
    """Return what is said of each handle."""
    path = ",".join(quote(handle, safe="/") for handle in handles)
    response = await ask(proxy, f"/api/which/{path}{query}")
    assert response.status == 200
    shown: list[dict[str, Any]] = json.loads(response.body)
    return shown


# --- which -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("doi", "agency"),
    [
        ("10.70001/known", "Crossref"),
        ("10.70002/known", "DataCite"),
        ("10.70003/known", "KISTI"),
        ("10.70004/known", "DataCite"),
    ],
)
async def test_agency_of_a_doi(proxy: RunningProxy, doi: str, agency: str) -> None:
    """What reads ``doiRA`` of doi.org reads this: a list of DOI and RA."""
    (said,) = await which(proxy, doi)
    assert {"DOI": doi, "RA": agency}.items() <= said.items()
    assert "status" not in said
    assert said["exists"] is True


@pytest.mark.parametrize(
    ("doi", "status"),
    [
        ("10.70001/unknown", "DOI does not exist"),
        ("10.7/unregistered", "DOI does not exist"),
        ("10.99999/demo.2026.1", "Unknown"),
        ("10.70001", "Invalid DOI"),
        ("10.70001/", "Invalid DOI"),
        ("10.x/y", "Invalid DOI"),
    ],
)
async def test_doi_without_an_agency(proxy: RunningProxy, doi: str, status: str) -> None:
    """Why there is no RA is said in the words of doi.org."""
    (said,) = await which(proxy, doi)
    assert (said["DOI"], said["status"]) == (doi, status)
    assert "RA" not in said


async def test_many_at_once_in_their_order(proxy: RunningProxy) -> None:
    """Commas separate, a comma within a handle is escaped; answers are in the order of the questions."""
    said = await which(proxy, f"{P}/abc", "10.70001/a,b", "hdl:20.500.34567/article-7", "nothing")
    assert [entry["handle"] for entry in said] == [
        f"{P}/abc",
        "10.70001/a,b",
        "20.500.34567/article-7",
        "nothing",
    ]
    assert [entry["responseCode"] for entry in said] == [1, 1, 1, 102]


async def test_what_is_said_of_a_handle(proxy: RunningProxy) -> None:
    """Prefix, contact, operators, service handles, and whether the prefix is in service."""
    there, inactive, derived = await which(proxy, f"{P}/abc", "20.500.11000/x", "20.500.45678/poem")
    assert there == {
        "responseCode": 1,
        "handle": f"{P}/abc",
        "prefix": P,
        "exists": True,
        "namespaceStatus": "active",
        "contact": "handles@library.example",
        "serviceHandles": [],
        "operators": ["National Library of Ruritania"],
    }
    assert inactive["namespaceStatus"] == "inactive"
    assert "ended in 2019" in inactive["namespaceMessage"]
    assert derived["serviceHandles"] == ["0.SERV/LIBRARY"]


async def test_service_that_does_not_say(proxy: RunningProxy) -> None:
    """Whether a handle exists is left open where its service does not answer; who is responsible is known."""
    (said,) = await which(proxy, "20.500.56789/x")
    assert said["exists"] is None
    assert (said["responseCode"], said["contact"]) == (1, "operator@gone.example")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/which/", 400, 102),
        ("/api/which", 400, 102),
        ("/api/which/,", 400, 102),
        ("/api/which/" + ",".join(["a/b"] * 101), 400, 4),
        ("/api/which/%zz", 400, 102),
    ],
)
async def test_which_needs_handles(proxy: RunningProxy, path: str, status: int, code: int) -> None:
    """No handle, or too many, is a mistake of whoever asks."""
    response = await ask(proxy, path)
    assert (response.status, json.loads(response.body)["responseCode"]) == (status, code)


async def test_answers_may_be_kept(proxy: RunningProxy) -> None:
    """What is known holds for minutes; what is missing may be registered any moment."""
    assert max_age_of(await ask(proxy, f"/api/which/{P}/abc")) > 200
    assert 0 < max_age_of(await ask(proxy, "/api/which/10.7/unregistered")) <= 30
    first = await ask(proxy, f"/api/which/{P}/abc")
    again = await ask(proxy, f"/api/which/{P}/abc", headers=[("If-None-Match", first.header("ETag") or "")])
    assert (again.status, again.body) == (304, b"")


# --- prefixes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [P, f"0.NA/{P}", f"{P}/abc", f"hdl:{P}"])
async def test_service_of_a_prefix(proxy: RunningProxy, text: str) -> None:
    """However the prefix is written: its status, contact, sites, servers and their interfaces."""
    response = await ask(proxy, f"/api/prefixes/{text}")
    assert response.status == 200
    assert max_age_of(response) > 200
    said = json.loads(response.body)
    assert (said["responseCode"], said["prefix"], said["handle"]) == (1, P, f"0.NA/{P}")
    assert (said["namespaceStatus"], said["contact"]) == ("active", "handles@library.example")
    (site,) = said["sites"]
    assert site["primarySite"] is True
    (server,) = site["servers"]
    port = proxy.network.placeholders["LIBRARY"]["port"]
    assert {"query": True, "admin": False, "protocol": "UDP", "port": port} in server["interfaces"]


async def test_service_by_handles(proxy: RunningProxy) -> None:
    """A prefix whose record names a service shows the sites of that service."""
    said = json.loads((await ask(proxy, "/api/prefixes/20.500.45678")).body)
    assert said["serviceHandles"] == ["0.SERV/LIBRARY"]
    assert len(said["sites"]) == 1
    said = json.loads((await ask(proxy, "/api/prefixes/20.500.23456")).body)
    assert [site["primarySite"] for site in said["sites"]] == [True, False]


async def test_policy_of_a_prefix(proxy: RunningProxy) -> None:
    """What the owner of a prefix says about all its handles is shown."""
    said = json.loads((await ask(proxy, "/api/prefixes/20.500.11000")).body)
    assert said["namespaceStatus"] == "inactive"
    said = json.loads((await ask(proxy, "/api/prefixes/10.99999")).body)
    assert said["locationHandles"] == ["10.99999/locations"]


async def test_registry_itself(proxy: RunningProxy) -> None:
    """The prefix of all prefixes has a service as well."""
    said = json.loads((await ask(proxy, "/api/prefixes/0.NA")).body)
    assert said["sites"][0]["attributes"] == [{"name": "desc", "value": "Demo registry"}]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("20.500.99", 404, 100), ("", 400, 102), ("/", 400, 102), ("%00", 400, 102), ("0.NA/a/b", 400, 102)],
)
async def test_prefix_that_is_none(proxy: RunningProxy, path: str, status: int, code: int) -> None:
    """A prefix that is not registered is told apart from what is no prefix."""
    response = await ask(proxy, f"/api/prefixes/{path}")
    assert (response.status, json.loads(response.body)["responseCode"]) == (status, code)


async def test_host_with_prefixes_of_its_own(tmp_path: Any) -> None:
    """A host that answers for some prefixes only says nothing about others here either."""
    from resolver.config import HostSettings

    hosts = (HostSettings(name="only.example", prefixes=("20.500.34567",)),)
    with run_proxy(shipped_records(), hosts=hosts) as own:
        host = [("Host", "only.example")]
        assert (await ask(own, "/api/prefixes/20.500.34567", headers=host)).status == 200
        assert (await ask(own, f"/api/prefixes/{P}", headers=host)).status == 404
        (said,) = json.loads((await ask(own, f"/api/which/{P}/abc", headers=host)).body)
        assert said["responseCode"] == 100
