"""Reading the hostile list: requests in ``cases/requests-*.jsonl``, records in ``cases/records.jsonl``.

Each line is a case: a name, what is sent or what the record holds, and ``answers``: for each response that
comes back its status, and its media type and ``Location`` where it has them. Texts stand for octets, one
character each; ``${ab*9000}`` stands for 9000 times ``ab``, and ``times`` for as many equal values.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from resolver.model.record import HandleRecord, HandleValue
from tests.integration.hostile.wire import Conversation

__all__ = ["HOST", "octets_of", "read_cases", "record_of_case", "requests_for", "summary", "write_get"]

CASES = Path(__file__).parent / "cases"
HOST = "hdl.example.org"
TIMESTAMP = 1_767_225_600


def read_cases(name: str) -> list[dict[str, Any]]:
    """Return the cases of one file, each with an ``id`` of its own."""
    cases = [json.loads(line) for line in (CASES / f"{name}.jsonl").read_text("utf-8").splitlines()]
    return [{**case, "id": f"{name}: {case['name']}"} for case in cases]


def _expanded(text: str) -> str:
    return re.sub(r"(?s)\$\{(.+?)\*(\d+)\}", lambda found: found.group(1) * int(found.group(2)), text)


def octets_of(case: dict[str, Any]) -> bytes:
    """Return the request of a case."""
    if "raw" in case:
        return _expanded(case["raw"]).encode("latin-1")
    body = _expanded(case["body"]).encode("latin-1") if "body" in case else None
    lines = [f"{case.get('method', 'GET')} {_expanded(case['target'])} HTTP/1.1", f"Host: {HOST}"]
    lines += [f"{name}: {value}" for name, value in case.get("headers", ())]
    if not any(name == "Connection" for name, _ in case.get("headers", ())):
        lines.append("Connection: close")
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def write_get(target: str, *headers: tuple[str, str]) -> bytes:
    """Return an ordinary request."""
    lines = [f"GET {target} HTTP/1.1", f"Host: {HOST}", "Connection: close"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers), "", ""]).encode()


def record_of_case(case: dict[str, Any], handle: str) -> HandleRecord:
    """Return the record of a case."""
    values = tuple(
        HandleValue(index, _expanded(kind), _data(data, handle), ttl=3600, timestamp=TIMESTAMP)
        for index, (kind, data) in enumerate(case["values"] * case.get("times", 1), start=1)
    )
    return HandleRecord(handle, values)


def _data(shown: Any, handle: str) -> bytes:
    if isinstance(shown, dict):
        return bytes.fromhex(shown["hex"])
    return _expanded(shown).replace("20.500.12345/hostile-SELF", handle).encode()


def requests_for(handle: str) -> dict[str, bytes]:
    """Return every way to look at a record, the way of the usual visitor first."""
    return {
        "redirect": write_get(f"/{handle}", ("Accept", "text/html")),
        "page": write_get(f"/{handle}?noredirect", ("Accept", "text/html")),
        "places": write_get(f"/{handle}?action=showurls&format=json"),
        "places in XML": write_get(f"/{handle}?action=showurls&format=xml"),
        "API": write_get(f"/api/handles/{handle}?pretty"),
        "JSONP": write_get(f"/api/handles/{handle}?callback=a.b"),
        "link set": write_get(f"/api/linkset/{handle}"),
        "tool": write_get(f"/{handle}", ("Accept", "application/json")),
        **{
            form: write_get(f"/{handle}?noredirect&format={form}") for form in ("txt", "csv", "ttl", "jsonld")
        },
    }


def summary(conversation: Conversation) -> list[dict[str, Any]]:
    """Return what the list says about the responses of a conversation."""
    shown = []
    for answer in conversation.answers:
        one: dict[str, Any] = {"status": answer.status}
        if answer.media_type:
            one["type"] = answer.media_type
        if answer.first("location"):
            location = answer.first("location")
            one["location"] = location if len(location) <= 300 else f"{location[:60]}… {len(location)} octets"
        shown.append(one)
    return shown
