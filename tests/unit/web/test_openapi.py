"""The description of the API: complete, of a piece, and the same for people as for programs."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from resolver.web.openapi import describe_api, operations_of
from resolver.web.parse import (
    ApiDescriptionRoute,
    ApiPageRoute,
    ApiRoute,
    ExplainRoute,
    LinksetRoute,
    PrefixRoute,
    UnknownApiRoute,
    WhichRoute,
    read_route,
)

DESCRIPTION = describe_api("1.2.3", "https://hdl.example.org")
OPERATIONS = operations_of(DESCRIPTION)


def test_description_follows_the_standard() -> None:
    """What tools for OpenAPI 3.1 expect is there, and every reference leads somewhere."""
    OpenAPIV31SpecValidator(DESCRIPTION).validate()
    assert (DESCRIPTION["openapi"], DESCRIPTION["info"]["version"]) == ("3.1.0", "1.2.3")
    text = json.dumps(DESCRIPTION)
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in DESCRIPTION["components"]["schemas"]
    for name in re.findall(r'"#/components/responses/(\w+)"', text):
        assert name in DESCRIPTION["components"]["responses"]


def test_nothing_is_described_that_nobody_needs() -> None:
    """Every schema and every shared answer is used."""
    text = json.dumps(DESCRIPTION)
    for kind in ("schemas", "responses"):
        for name in DESCRIPTION["components"][kind]:
            assert f'"#/components/{kind}/{name}"' in text, name


@pytest.mark.parametrize(("root", "url"), [("", "/"), ("https://a.example/hdl", "https://a.example/hdl")])
def test_address_of_the_resolver(root: str, url: str) -> None:
    """Tools ask where the description came from, or at the address that the operator has set."""
    assert describe_api("", root)["servers"] == [{"url": url}]


def test_every_route_is_described() -> None:
    """What can be asked below ``/api/`` is described, and what is described can be asked."""
    routes = {type(read_route(re.sub(r"\{\w+\}", "10.1%2Fx", path))) for path in DESCRIPTION["paths"]}
    assert routes == {ApiRoute, ExplainRoute, LinksetRoute, PrefixRoute, WhichRoute, ApiDescriptionRoute}
    assert isinstance(read_route("/api/"), ApiPageRoute)
    assert isinstance(read_route("/api/unheard-of/x"), UnknownApiRoute)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_page_is_told_all(operation: Any) -> None:
    """Each operation has a name, words, parameters with meanings, and answers with meanings."""
    content = DESCRIPTION["paths"][operation.path][operation.method.lower()]
    assert operation.summary == content["summary"]
    assert [name for name, _, _ in operation.parameters] == [
        parameter["name"] for parameter in content.get("parameters", ())
    ]
    assert set(re.findall(r"\{(\w+)\}", operation.path)) == {
        name for name, place, _ in operation.parameters if place == "path"
    }
    assert [status for status, _ in operation.answers] == list(content["responses"])
    assert all(meaning for _, meaning in operation.answers)
    assert all(meaning for _, _, meaning in operation.parameters)


def test_names_are_different() -> None:
    """Programs that are generated from the description can tell its operations apart."""
    names = [operation.name for operation in OPERATIONS]
    assert len(set(names)) == len(names)
