"""A public client that nobody here wrote reads handles through our JSON."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from tests.integration.proxy import RunningProxy

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pyhandle.handleclient import RESTHandleClient

P = "20.500.12345"


@pytest.fixture
def client(demo_proxy: RunningProxy) -> Any:
    """PYHANDLE, told to use our proxy in place of hdl.handle.net."""
    return RESTHandleClient(handle_server_url=demo_proxy.url)


def test_record_as_json(client: Any) -> None:
    """The whole record arrives as PYHANDLE knows it from hdl.handle.net."""
    shown = client.retrieve_handle_record_json(f"{P}/map-1482")
    assert shown["responseCode"] == 1
    assert shown["handle"] == f"{P}/map-1482"
    assert [value["type"] for value in shown["values"]] == [
        "URL",
        "URL",
        "URL.iiif",
        "DESC",
        "EMAIL",
        "HS_ADMIN",
    ]


def test_record_as_dictionary(client: Any) -> None:
    """Values come by type, structured ones as text."""
    record = client.retrieve_handle_record(f"{P}/letter")
    assert record["EMAIL"] == "reading-room@library.example"
    assert "0.NA/20.500.12345" in record["HS_ADMIN"]


def test_single_value(client: Any) -> None:
    """One value can be had by its type."""
    assert client.get_value_from_handle(f"{P}/abc", "URL") == "https://www.example.org/collections/abc"
    assert client.get_value_from_handle(f"{P}/abc", "NO_SUCH_TYPE") is None


def test_handle_that_is_not_there(client: Any) -> None:
    """A missing handle is None and no exception, as PYHANDLE takes 404 with code 100."""
    assert client.retrieve_handle_record_json(f"{P}/missing") is None
    assert client.retrieve_handle_record(f"{P}/missing") is None


@pytest.mark.parametrize("name", ["Übersicht-日本", "abc"])
def test_any_spelling_comes_back_as_asked(client: Any, name: str) -> None:
    """The handle in the answer is the one that was asked for, to the letter."""
    assert client.retrieve_handle_record_json(f"{P}/{name}")["handle"] == f"{P}/{name}"
