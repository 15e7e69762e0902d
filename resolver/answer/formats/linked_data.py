"""Turtle and JSON-LD: the record for programs that join data from many places.

Standard types get terms of schema.org and Dublin Core; everything is there as well as plain handle values,
in a vocabulary that names the fields as RFC 3651 does.
"""

from __future__ import annotations

import re
from typing import Any

from resolver.answer.formats.view import RecordView, ShownValue
from resolver.answer.record_json import write_json
from resolver.model.handle import fold_ascii
from resolver.protocol.json_values import data_to_json

__all__ = ["write_json_ld", "write_turtle"]

VOCABULARY = "urn:ietf:rfc:3651#"

_PREFIXES = {
    "dcterms": "http://purl.org/dc/terms/",
    "schema": "https://schema.org/",
    "handle": VOCABULARY,
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
# Types whose data say something that common vocabularies have a word for.
_TEXTS = {"DESC": "dcterms:description", "TITLE": "dcterms:title"}


def write_json_ld(record: RecordView) -> bytes:
    """Return JSON-LD 1.1."""
    node: dict[str, Any] = {
        "@context": {
            **{name: uri for name, uri in _PREFIXES.items() if name != "xsd"},
            "changed": {"@id": "dcterms:modified", "@type": "http://www.w3.org/2001/XMLSchema#dateTime"},
        },
        "@id": record.citation_url,
        "dcterms:identifier": record.handle,
    }
    for term, shown in _statements(record):
        found = {"@id": shown.uri} if term == "schema:url" else shown.text
        node.setdefault(term, []).append(found)
    node["handle:value"] = [_json_value(shown) for shown in record.values]
    return write_json(node, pretty=True)


def _json_value(shown: ShownValue) -> dict[str, Any]:
    value: dict[str, Any] = {
        "handle:index": shown.value.index,
        "handle:type": shown.value.type,
        "handle:data": _data_text(shown),
    }
    if shown.changed:
        value["changed"] = shown.changed
    return value


def write_turtle(record: RecordView) -> bytes:
    """Return Turtle (RDF 1.1)."""
    lines = [f"@prefix {name}: <{uri}> ." for name, uri in _PREFIXES.items()]
    facts = [f"dcterms:identifier {_literal(record.handle)}"]
    for term, shown in _statements(record):
        said = f"<{_iri(shown.uri or '')}>" if term == "schema:url" else _literal(shown.text or "")
        facts.append(f"{term} {said}")
    for shown in record.values:
        parts = [
            f"handle:index {shown.value.index}",
            f"handle:type {_literal(shown.value.type)}",
            f"handle:data {_literal(_data_text(shown))}",
        ]
        if shown.changed:
            parts.append(f'dcterms:modified "{shown.changed}"^^xsd:dateTime')
        facts.append(f"handle:value [ {' ; '.join(parts)} ]")
    lines += ["", f"<{_iri(record.citation_url)}>\n    " + " ;\n    ".join(facts) + " .", ""]
    return "\n".join(lines).encode("utf-8", "replace")


def _statements(record: RecordView) -> list[tuple[str, ShownValue]]:
    found = []
    for shown in record.values:
        value_type = fold_ascii(shown.value.type)
        if value_type in {"URL", "0.TYPE/URL"} and shown.uri:
            found.append(("schema:url", shown))
        elif value_type in _TEXTS and shown.text:
            found.append((_TEXTS[value_type], shown))
    return found


def _data_text(shown: ShownValue) -> str:
    data = data_to_json(shown.value.type, shown.value.data)["value"]
    return data if isinstance(data, str) else write_json(data).decode()


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    escaped = escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    controls = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
    escaped = re.sub(controls, lambda found: f"\\u{ord(found.group()):04X}", escaped)
    return f'"{escaped}"'


def _iri(uri: str) -> str:
    return re.sub(r'[\x00-\x20<>"{}|^`\\]', lambda found: f"%{ord(found.group()):02X}", uri)
