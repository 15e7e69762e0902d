"""Whether a response is what a conformance case wants; every way in which it is not, in words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from tests.raw_http import RawResponse


def differences(response: RawResponse, want: dict[str, Any]) -> list[str]:
    """Return what is wrong with ``response``; nothing if it conforms."""
    if "one_of" in want:
        rest = {key: value for key, value in want.items() if key != "one_of"}
        tried = [differences(response, {**rest, **choice}) for choice in want["one_of"]]
        return (
            [] if any(not found for found in tried) else [f"none of {len(tried)} admitted answers: {tried}"]
        )
    return list(_differences(response, want))


def _differences(response: RawResponse, want: dict[str, Any]) -> Iterator[str]:
    if "status" in want and response.status not in _list(want["status"]):
        yield f"status {response.status}, not {want['status']}"
    if "location" in want:
        location = response.header("Location")
        if location not in _list(want["location"]):
            yield f"location {str(location)[:200]!r}, not {str(want['location'])[:200]!r}"
    if "content_type" in want:
        content_type = (response.header("Content-Type") or "").partition(";")[0].strip()
        if content_type not in _list(want["content_type"]):
            yield f"content type {content_type!r}, not {want['content_type']!r}"
    if {"json", "json_any"} & set(want):
        yield from _json_differences(response, want)
    if "xml" in want:
        yield from _xml_differences(response, want["xml"])
    items = [item.strip() for item in re.split(r",(?=\s*<)", response.header("Link") or "")]
    for link in want.get("links", ()):
        if link not in items:
            yield f"no link {link!r} among {items!r}"
    for name, rule in want.get("headers", {}).items():
        yield from _header_differences(name, response.header(name), rule)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _json_differences(response: RawResponse, want: dict[str, Any]) -> Iterator[str]:
    text = response.body.decode()
    callback = want.get("jsonp")
    if callback is not None:
        found = re.fullmatch(re.escape(callback) + r"\((.*)\);?\s*", text, re.DOTALL)
        if found is None:
            yield f"no call of {callback}: {text[:80]!r}"
            return
        text = found.group(1)
    try:
        shown = json.loads(text)
    except ValueError as error:
        yield f"no JSON: {error}"
        return
    if isinstance(shown, dict) and shown.get("responseCode") not in {1, 200}:
        shown.pop("message", None)
    free = want.get("json_top_order") is False
    candidates = [want["json"]] if "json" in want else want["json_any"]
    if not any(_same(shown, candidate, top_order_free=free) for candidate in candidates):
        yield f"json {json.dumps(shown)[:600]}, not {json.dumps(candidates)[:600]}"
    if "pretty" in want and ("\n" in text.strip()) is not want["pretty"]:
        yield f"{'not ' if want['pretty'] else ''}indented: {text[:80]!r}"


def _same(shown: Any, wanted: Any, *, top_order_free: bool = False) -> bool:
    """Compare JSON with the order of members."""
    if isinstance(wanted, dict) and isinstance(shown, dict):
        ordered = top_order_free or list(shown) == list(wanted)
        return ordered and set(shown) == set(wanted) and all(_same(shown[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list) and isinstance(shown, list):
        return len(shown) == len(wanted) and all(map(_same, shown, wanted))
    return type(shown) is type(wanted) and shown == wanted


def _xml_differences(response: RawResponse, want: list[Any]) -> Iterator[str]:
    try:
        root = ElementTree.fromstring(response.body)  # noqa: S314 - our own answer
    except ElementTree.ParseError as error:
        yield f"no XML: {error}"
        return
    shown = [[element.tag, _attributes(dict(element.attrib))] for element in root.iter()]
    wanted = [[tag, _attributes(attributes)] for tag, attributes in want]
    if shown != wanted:
        yield f"xml {shown}, not {wanted}"


def _attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        name: float(value) if name == "weight" else " ".join(str(value).split())
        for name, value in attributes.items()
    }


def _header_differences(name: str, value: str | None, rule: Any) -> Iterator[str]:
    if isinstance(rule, str):
        if value != rule:
            yield f"{name}: {value!r}, not {rule!r}"
        return
    tokens = {token.strip().lower() for token in (value or "").split(",")}
    if rule.get("present") and value is None:
        yield f"{name} is missing"
    if rule.get("absent") and value is not None:
        yield f"{name}: {value!r}, should be absent"
    for part in rule.get("contains", ()):
        if part not in (value or ""):
            yield f"{name}: {value!r} lacks {part!r}"
    for token in rule.get("tokens", ()):
        if token.lower() not in tokens:
            yield f"{name}: {value!r} lacks {token!r}"
    for token in rule.get("not_tokens", ()):
        if token.lower() in tokens:
            yield f"{name}: {value!r} has {token!r}"
    if "max_age" in rule:
        low, high = rule["max_age"]
        found = re.search(r"max-age=(\d+)", value or "")
        age = 0 if "no-store" in tokens else int(found.group(1)) if found else None
        if age is None or not low <= age <= high:
            yield f"{name}: {value!r}, max-age not within {low}..{high}"
