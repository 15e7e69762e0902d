"""What ``/api/openapi.json`` promises is what the API does, whatever it is asked."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from resolver.web.openapi import describe_api, operations_of
from tests.integration.proxy import RunningProxy

EXAMPLES = 40
OPERATIONS = operations_of(describe_api("", ""))

load_all_checks()
PROMISES = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)
# Handles that lead to every kind of answer; what the tool makes up hardly ever exists.
KNOWN = [
    *("20.500.12345/abc", "20.500.12345/everything", "20.500.11000/x", "10.99999/demo.2026.1"),
    *("20.500.56789/x", "20.500.12345/missing", "20.500.45678/poem"),
]
EXPECTED = {
    "getHandle": {200, 400, 404, 502},
    "postHandle": {200, 400, 404, 502},
    "postHandles": {200, 400},
    "getWhich": {200},
    "getExplanation": {200},
    "getPrefix": {200, 404},
    "getLinkset": {200, 404, 502},
    "getDescription": {200},
}
TYPES = ["*/*", "application/problem+json", "application/linkset"]
# The network behind the proxy may fail, and the proxy says so.
UPSTREAM_FAILED = {502, 503, 504}


@pytest.fixture(scope="module")
def schema(demo_proxy: RunningProxy) -> Any:
    """The description, as a tool reads it."""
    return schemathesis.openapi.from_url(f"{demo_proxy.url}/api/openapi.json")


@pytest.mark.parametrize("name", [operation.name for operation in OPERATIONS])
def test_no_answer_is_undocumented(schema: Any, name: str) -> None:
    """Whatever fits the description, and whatever just does not, gets an answer that the description knows."""
    operation = schema.find_operation_by_id(name)
    statuses = set()

    def visit(case: Any, accept: str) -> None:
        response = case.call(headers={"Accept": accept})
        statuses.add(response.status_code)
        failed = response.status_code in UPSTREAM_FAILED
        case.validate_response(response, checks=PROMISES[1:] if failed else PROMISES)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode)),
        st.sampled_from(TYPES),
    )
    def visit_anything(case: Any, accept: str) -> None:
        visit(case, accept)

    visit_anything()
    names = [parameter.name for parameter in operation.path_parameters]
    for handle, accept in itertools.product(KNOWN if names else (), TYPES):
        visit(operation.Case(path_parameters=dict.fromkeys(names, handle)), accept)
    assert statuses >= EXPECTED[name]
