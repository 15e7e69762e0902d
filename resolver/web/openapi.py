"""The description of the API for programs (OpenAPI 3.1); the page for people is made of the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from resolver.web.problems import PROBLEM_TYPE

__all__ = ["ApiOperation", "describe_api", "operations_of"]

Json = dict[str, Any]

_CODES = """1 success · 2 error, the upstream gave no answer · 3 busy · 4 the request cannot be read · \
100 no such handle or prefix · 102 this is no handle · 200 the handle exists, with no such values"""


def describe_api(version: str, root: str) -> Json:
    """Return the description.

    Args:
        version: of this software.
        root: the address of the resolver; empty where it is that of each request.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Handle resolver",
            "version": version,
            "summary": "Records of the Handle System as JSON",
            "description": (
                "Compatible with the REST API of deployed proxies: a client that works with those works here. "
                "Aliases are not followed. Every answer may be read by pages of any origin, and says in "
                "`Cache-Control` how long it holds. Whoever accepts `application/problem+json` gets errors "
                "in that form (RFC 9457)."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": root or "/"}],
        "paths": {
            "/api/handles/{handle}": {
                "get": _record_operation("getHandle", "The record of a handle, or some of its values"),
                "post": {
                    **_record_operation("postHandle", "The same, with parameters in the body"),
                    "requestBody": {
                        "content": {
                            "application/json": {"schema": _ref("RecordParameters")},
                            "application/x-www-form-urlencoded": {"schema": _ref("RecordParameters")},
                        }
                    },
                },
            },
            "/api/handles": {"post": _BATCH},
            "/api/explain/{handle}": {"get": _EXPLAIN},
            "/api/which/{handles}": {"get": _WHICH},
            "/api/prefixes/{prefix}": {"get": _PREFIX},
            "/api/linkset/{handle}": {"get": _LINKSET},
            "/api/openapi.json": {
                "get": {
                    "operationId": "getDescription",
                    "summary": "This description",
                    "responses": {
                        "200": _json_answer("OpenAPI 3.1", {"type": "object"}),
                        **_errors(429, 503),
                    },
                }
            },
        },
        "components": {
            "schemas": _SCHEMAS,
            "responses": {
                "NotModified": {"description": "The visitor has it already (If-None-Match)"},
                **{f"Problem{status}": _problem(meaning) for status, meaning in _MEANINGS.items()},
            },
        },
    }


# --- for the page ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ApiOperation:
    """One thing that can be asked, as the page shows it."""

    name: str
    method: str
    path: str
    summary: str
    description: str
    parameters: tuple[tuple[str, str, str], ...]
    """Name, where it goes, and what it means."""
    example: str
    """A path or a command to try; may be empty."""
    answers: tuple[tuple[str, str], ...]
    """Statuses and what they mean."""


def operations_of(description: Mapping[str, Any]) -> tuple[ApiOperation, ...]:
    """Return what ``describe_api`` describes, in its order."""
    return tuple(
        _operation(description, method, path, content)
        for path, methods in description["paths"].items()
        for method, content in methods.items()
    )


def _operation(description: Mapping[str, Any], method: str, path: str, content: Json) -> ApiOperation:
    return ApiOperation(
        name=content["operationId"],
        method=method.upper(),
        path=path,
        summary=content["summary"],
        description=content.get("description", ""),
        parameters=tuple(
            (parameter["name"], parameter["in"], parameter["description"])
            for parameter in content.get("parameters", ())
        ),
        example=content.get("x-example", ""),
        answers=tuple(_answers(description, content["responses"])),
    )


def _answers(description: Mapping[str, Any], responses: Json) -> Iterable[tuple[str, str]]:
    shared = description["components"]["responses"]
    for status, answer in responses.items():
        name = answer.get("$ref", "").rpartition("/")[2]
        yield status, shared[name]["description"] if name else answer["description"]


# --- parts -----------------------------------------------------------------------------------------------


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


_MEANINGS = {
    400: "What was asked is no handle, or cannot be read",
    401: "Values that are not public were insisted on",
    403: "Values that are not public were insisted on, or this visitor is not served",
    404: "There is no such handle, or no such prefix",
    413: "The body is too long",
    414: "The address is longer than 8 KiB",
    429: "Too many requests; Retry-After says when to come again",
    500: "A mistake of this resolver",
    502: "The responsible service cannot be reached, or its answer cannot be used",
    503: "Busy, or about to stop; Retry-After says when to come again",
    504: "The responsible service stays silent; the handle may well exist",
}


def _problem(meaning: str) -> Json:
    return {
        "description": meaning,
        "content": {
            "application/json": {"schema": _ref("Error")},
            PROBLEM_TYPE: {"schema": _ref("Problem")},
        },
    }


def _errors(*statuses: int) -> Json:
    return {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in (*statuses, 500)}


_RESOLVING_ERRORS = _errors(400, 401, 403, 404, 414, 429, 502, 503, 504)
_NOT_MODIFIED = {"304": {"$ref": "#/components/responses/NotModified"}}


def _json_answer(meaning: str, schema: Json) -> Json:
    return {"description": meaning, "content": {"application/json": {"schema": schema}}}


def _path_parameter(name: str, meaning: str, example: str) -> Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": meaning,
        "schema": {"type": "string", "minLength": 1},
        "example": example,
    }


def _flag(name: str, meaning: str) -> Json:
    schema = {"type": "string", "enum": ["", "true", "false", "yes", "no", "1", "0"]}
    return {"name": name, "in": "query", "description": meaning, "schema": schema, "allowEmptyValue": True}


_PRETTY = _flag("pretty", "Indented, for people.")

_CALLBACK = {
    "type": "string",
    "pattern": r"^[A-Za-z_$][A-Za-z0-9_$]*(\.[A-Za-z_$][A-Za-z0-9_$]*)*$",
    "maxLength": 128,
}

_RECORD_PARAMETERS = [
    {
        "name": "type",
        "in": "query",
        "description": "Only values of this type; with a dot at its end, its subtypes too. May be repeated.",
        "schema": {"type": "array", "items": {"type": "string"}},
        "explode": True,
    },
    {
        "name": "index",
        "in": "query",
        "description": "Only the value with this index; together with type, either will do. May be repeated.",
        "schema": {
            "type": "array",
            "items": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
        },
        "explode": True,
    },
    _flag("auth", "Ask the primary server, whatever is remembered, and remember its answer."),
    {
        "name": "cert",
        "in": "query",
        "description": (
            "Take only answers signed by the servers; with report, say what the signatures of the record are worth."
        ),
        "schema": {"type": "string", "enum": ["", "true", "false", "report"]},
        "allowEmptyValue": True,
    },
    _flag("publicOnly", "With false, insist on all values; refused if some are not public."),
    _PRETTY,
    {
        "name": "callback",
        "in": "query",
        "description": "JavaScript that calls the function of this name (JSONP).",
        "schema": _CALLBACK,
    },
]


def _record_operation(name: str, summary: str) -> Json:
    return {
        "operationId": name,
        "summary": summary,
        "parameters": [
            _path_parameter(
                "handle", "Such as 20.500.12345/abc; `hdl:` and its like are taken off.", "0.NA/0.NA"
            ),
            *_RECORD_PARAMETERS,
        ],
        "responses": {
            "200": {
                "description": "The record; without values if the handle has none of the kind asked for",
                "content": {
                    "application/json": {"schema": _ref("Record")},
                    "application/javascript": {"schema": {"type": "string"}},
                },
            },
            **_NOT_MODIFIED,
            **_RESOLVING_ERRORS,
            **({"413": {"$ref": "#/components/responses/Problem413"}} if name.startswith("post") else {}),
        },
        **({"x-example": "/api/handles/0.NA/0.NA?pretty"} if name.startswith("get") else {}),
    }


_BATCH: Json = {
    "operationId": "postHandles",
    "summary": "The records of up to 1000 handles",
    "description": (
        "Answered as NDJSON: a line for each handle, in the order in which answers arrive, each like the "
        "answer for one handle. What goes wrong with one of them is a line with its responseCode. A handle "
        "that was written with a label comes back without it, and as it was written in `asked`."
    ),
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _ref("Batch")}},
    },
    "responses": {
        "200": {
            "description": "A line for each handle",
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
        },
        **_errors(400, 403, 413, 414, 429, 503),
    },
    "x-example": (
        """curl -N -H 'Content-Type: application/json' -d '{"handles": ["0.NA/0.NA", "20.500.12345/abc"]}' """
        "…/api/handles"
    ),
}

_EXPLAIN: Json = {
    "operationId": "getExplanation",
    "summary": "How a handle is resolved, step by step",
    "description": (
        "What was read, remembered and asked, how long it took, which places the record offers, and why the "
        "visitor would be sent to one of them. The other parameters of a handle's own address count too."
    ),
    "parameters": [_path_parameter("handle", "Such as 20.500.12345/abc.", "0.NA/0.NA"), _PRETTY],
    "responses": {
        "200": _json_answer("The way to the answer, also where it ends without one", _ref("Explanation")),
        **_NOT_MODIFIED,
        **_RESOLVING_ERRORS,
    },
    "x-example": "/api/explain/0.NA/0.NA?pretty",
}

_WHICH: Json = {
    "operationId": "getWhich",
    "summary": "Who is responsible for handles",
    "description": (
        "A list with an object for each handle. For a DOI it says which registration agency (`RA`), or in "
        "`status` why not, as doiRA of doi.org does. The agency is the service under 10.SERV that the record "
        "of the prefix names (HS_SERV)."
    ),
    "parameters": [
        _path_parameter(
            "handles",
            "Up to 100 handles with commas in between; a comma within a handle is %2C.",
            "0.NA/0.NA",
        ),
        _PRETTY,
    ],
    "responses": {
        "200": _json_answer("An object for each handle", {"type": "array", "items": _ref("Responsibility")}),
        **_NOT_MODIFIED,
        **_errors(400, 403, 414, 429, 503),
    },
    "x-example": "/api/which/0.NA/0.NA?pretty",
}

_PREFIX: Json = {
    "operationId": "getPrefix",
    "summary": "The service of a prefix: status, contact, sites, servers",
    "parameters": [_path_parameter("prefix", "Such as 20.500.12345.", "0.NA"), _PRETTY],
    "responses": {
        "200": _json_answer("The service", _ref("Service")),
        **_NOT_MODIFIED,
        **_errors(400, 403, 404, 414, 429, 502, 503, 504),
    },
    "x-example": "/api/prefixes/0.NA?pretty",
}

_LINKSET: Json = {
    "operationId": "getLinkset",
    "summary": "All links of a handle (RFC 9264)",
    "description": "Aliases are followed.",
    "parameters": [_path_parameter("handle", "Such as 20.500.12345/abc.", "0.NA/0.NA"), _PRETTY],
    "responses": {
        "200": {
            "description": "The links",
            "content": {
                "application/linkset+json": {"schema": {"type": "object", "required": ["linkset"]}},
                "application/linkset": {"schema": {"type": "string"}},
            },
        },
        **_NOT_MODIFIED,
        **_RESOLVING_ERRORS,
    },
    "x-example": "/api/linkset/0.NA/0.NA?pretty",
}

_CODE = {"type": "integer", "description": _CODES}
_TEXTS = {"type": "array", "items": {"type": "string"}}

_SCHEMAS: Json = {
    "RecordParameters": {
        "type": "object",
        "properties": {
            "type": {"oneOf": [{"type": "string"}, _TEXTS]},
            "index": {
                "oneOf": [
                    {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
                    {
                        "type": "array",
                        "items": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
                    },
                ]
            },
            "auth": {"type": "boolean"},
            "cert": {"oneOf": [{"type": "boolean"}, {"const": "report"}]},
            "publicOnly": {"type": "boolean"},
            "pretty": {"type": "boolean"},
            "callback": _CALLBACK,
        },
    },
    "Batch": {
        "type": "object",
        "required": ["handles"],
        "properties": {
            "handles": {**_TEXTS, "minItems": 1, "maxItems": 1000},
            "type": {"oneOf": [{"type": "string"}, _TEXTS]},
            "index": {
                "oneOf": [
                    {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
                    {
                        "type": "array",
                        "items": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
                    },
                ]
            },
            "auth": {"type": "boolean"},
            "cert": {"oneOf": [{"type": "boolean"}, {"const": "report"}]},
            "publicOnly": {"type": "boolean"},
        },
    },
    "Record": {
        "type": "object",
        "required": ["responseCode", "handle", "values"],
        "properties": {
            "responseCode": {"enum": [1, 200]},
            "handle": {"type": "string"},
            "values": {"type": "array", "items": _ref("Value")},
            "stale": {"const": True, "description": "Past its time, and given since the upstream fails"},
            "namespaceStatus": {
                "type": "string",
                "description": "Where the owner has switched off the prefix",
            },
            "verification": {"type": "object", "description": "What the signatures are worth (cert=report)"},
        },
    },
    "Value": {
        "type": "object",
        "required": ["index", "type", "data", "ttl", "timestamp"],
        "properties": {
            "index": {"type": "integer"},
            "type": {"type": "string"},
            "data": {
                "type": "object",
                "required": ["format", "value"],
                "properties": {
                    "format": {"enum": ["string", "base64", "admin", "vlist", "site", "key"]},
                    "value": {},
                },
            },
            "ttl": {
                "type": ["integer", "string"],
                "description": "Seconds, or the moment at which the value ends",
            },
            "timestamp": {"type": "string"},
            "permissions": {"type": "string"},
            "references": {"type": "array", "items": _ref("Reference")},
        },
    },
    "Reference": {
        "type": "object",
        "required": ["handle", "index"],
        "properties": {"handle": {"type": "string"}, "index": {"type": "integer"}},
    },
    "Responsibility": {
        "type": "object",
        "required": ["responseCode", "handle"],
        "properties": {
            "DOI": {"type": "string"},
            "RA": {"type": "string", "description": "The registration agency of the DOI"},
            "status": {"enum": ["Invalid DOI", "DOI does not exist", "Unknown"]},
            "agency": {
                "type": "string",
                "description": "The agency of the prefix of a DOI that does not exist",
            },
            "responseCode": _CODE,
            "message": {"type": "string"},
            "handle": {"type": "string"},
            "prefix": {"type": "string"},
            "exists": {"type": ["boolean", "null"], "description": "null if its service does not say"},
            "namespaceStatus": {"type": "string"},
            "namespaceMessage": {"type": "string"},
            "contact": {"type": ["string", "null"]},
            "serviceHandles": _TEXTS,
            "operators": {**_TEXTS, "description": "What the operators of its sites call them"},
        },
    },
    "Explanation": {
        "type": "object",
        "required": ["handle", "parse", "cache", "service", "steps", "decision"],
        "properties": {
            "handle": {"type": "string"},
            "parse": {"type": "object"},
            "cache": {"type": "object"},
            "service": {"type": ["object", "null"]},
            "steps": {"type": "array", "items": {"type": "object"}},
            "aliases": {"type": "array"},
            "finalHandle": {"type": ["string", "null"]},
            "values": {"type": ["integer", "null"]},
            "candidates": {"type": "array", "items": {"type": "object"}},
            "decision": {"type": "object"},
        },
    },
    "Service": {
        "type": "object",
        "required": ["responseCode", "prefix", "handle", "namespaceStatus", "contact", "sites"],
        "properties": {
            "responseCode": {"const": 1},
            "prefix": {"type": "string"},
            "handle": {"type": "string", "description": "The handle whose record describes the prefix"},
            "namespaceStatus": {"type": "string", "description": "active, inactive …"},
            "namespaceMessage": {"type": "string"},
            "contact": {"type": ["string", "null"]},
            "serviceHandles": {**_TEXTS, "description": "Services that its record names (HS_SERV)"},
            "locationHandles": {**_TEXTS, "description": "Handles whose places hold for the whole prefix"},
            "hasTemplate": {"type": "boolean", "description": "Records of unregistered handles are computed"},
            "sites": {"type": "array", "items": _ref("Site")},
            "answeredBy": {"type": "string"},
            "stale": {"const": True},
        },
    },
    "Site": {
        "type": "object",
        "required": ["version", "protocolVersion", "serialNumber", "primarySite", "multiPrimary", "servers"],
        "properties": {
            "version": {"type": "integer"},
            "protocolVersion": {"type": "string"},
            "serialNumber": {"type": "integer"},
            "primarySite": {"type": "boolean"},
            "multiPrimary": {"type": "boolean"},
            "hashOption": {"type": "integer"},
            "hashFilter": {"type": "string"},
            "attributes": {"type": "array", "items": {"type": "object"}},
            "servers": {"type": "array", "items": _ref("Server")},
        },
    },
    "Server": {
        "type": "object",
        "required": ["serverId", "address", "interfaces"],
        "properties": {
            "serverId": {"type": "integer"},
            "address": {"type": "string"},
            "publicKey": {"type": "object"},
            "interfaces": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["query", "admin", "protocol", "port"],
                    "properties": {
                        "query": {"type": "boolean"},
                        "admin": {"type": "boolean"},
                        "protocol": {"type": ["string", "integer"]},
                        "port": {"type": "integer"},
                    },
                },
            },
        },
    },
    "Error": {
        "type": "object",
        "required": ["responseCode"],
        "properties": {
            "responseCode": _CODE,
            "message": {"type": "string"},
            "handle": {"type": "string"},
        },
    },
    "Problem": {
        "type": "object",
        "required": ["type", "title", "status", "detail", "responseCode"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "responseCode": _CODE,
            "handle": {"type": "string"},
        },
    },
}
