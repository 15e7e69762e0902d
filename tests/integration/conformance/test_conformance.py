"""The conformance set: requests with the answers ours must give, over the records of one test network.

The format of the cases: ``send`` is what goes over the socket, ``want`` what must come back, ``why`` names
the rule where ours differs from the reference proxy on purpose. ``${HOST}``, ``${BASE}`` and ``${PORT}``
are the address of the proxy.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conformance.expectations import differences
from tests.integration.proxy import RunningProxy
from tests.raw_http import exchange, write_request

CASES = Path(__file__).parent / "cases"


def _load() -> list[Any]:
    found = []
    for path in sorted(CASES.glob("*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            case = json.loads(line)
            found.append(pytest.param(case, id=f"{path.stem}-{case['id']}"))
    return found


@pytest.mark.parametrize("case", _load())
async def test_answer(case: dict[str, Any], conformance_proxy: RunningProxy) -> None:
    """The request gets the answer that scripts and links rely on."""
    places = {
        "${HOST}": f"{conformance_proxy.host}:{conformance_proxy.port}",
        "${BASE}": conformance_proxy.url,
        "${PORT}": str(conformance_proxy.port),
        **conformance_proxy.placeholders,
    }
    send = _fill(case["send"], places)
    host = send.get("host", places["${HOST}"])
    headers = [("Host", host)] if host is not None else []
    headers += [(name, value) for name, value in send.get("headers", ())] + [("Connection", "close")]
    request = write_request(
        send["method"],
        send["target"],
        version=send.get("version", "HTTP/1.1"),
        headers=headers,
        body=send.get("body"),
    )
    response = await exchange(conformance_proxy.host, conformance_proxy.port, request)
    assert differences(response, _fill(case["want"], places)) == [], case["what"]


def _fill(shown: Any, places: dict[str, Any]) -> Any:
    match shown:
        case dict():
            return {key: _fill(value, places) for key, value in shown.items()}
        case list():
            return [_fill(value, places) for value in shown]
        case str() if shown in places:
            return places[shown]
        case str():
            for name, value in places.items():
                if isinstance(value, str):
                    shown = shown.replace(name, value)
            return shown
        case _:
            return shown
