"""From a request line to what is asked. Pure, and the only reader of request targets.

The path is read as octets: percent-decoded once, never normalised, so that ``//``, ``/../`` and ``%2F``
within a handle mean what they say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from msgspec import Struct

from resolver.answer.preferences import Action, Preferences
from resolver.errors import InvalidHandleError, ResolverError
from resolver.model.handle import Handle
from resolver.phrases import phrase
from resolver.protocol.codes import ResponseCode
from resolver.web.identifiers import strip_labels
from resolver.web.pasted import find_handle

__all__ = [
    "MAX_TARGET_LENGTH",
    "ApiDescriptionRoute",
    "ApiPageRoute",
    "ApiRoute",
    "BadRequestError",
    "ExplainRoute",
    "FormRoute",
    "HandleQuery",
    "HandleRoute",
    "HelpRoute",
    "LinksetRoute",
    "Parameters",
    "PrefixRoute",
    "Route",
    "StaticRoute",
    "UnknownApiRoute",
    "WhichRoute",
    "read_parameters",
    "read_query",
    "read_route",
    "split_target",
    "without_parameter",
]

MAX_TARGET_LENGTH = 8192
"""Longest request target that is read."""

_CALLBACK = re.compile(r"[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*", re.ASCII)
MAX_CALLBACK = 128
_INDEX = re.compile(r"-?\d{1,10}", re.ASCII)
_HEX = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class BadRequestError(ResolverError):
    """The request cannot be read, and the visitor can mend it."""

    def __init__(self, message: str, status: int = 400, code: int = ResponseCode.PROTOCOL_ERROR) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


# --- where it goes ---------------------------------------------------------------------------------------


class FormRoute(Struct, frozen=True):
    """The query form."""


class HelpRoute(Struct, frozen=True):
    """The page that explains the parameters."""


class StaticRoute(Struct, frozen=True):
    """A file of the pages: a style sheet, an icon, ``robots.txt``."""

    name: str


class HandleRoute(Struct, frozen=True):
    """A handle, for people: redirect or page."""

    text: str


class ApiRoute(Struct, frozen=True):
    """A handle, for scripts: JSON."""

    text: str


class LinksetRoute(Struct, frozen=True):
    """All links of a handle, for programs."""

    text: str


class ExplainRoute(Struct, frozen=True):
    """A handle, for programs: how it is resolved."""

    text: str


class PrefixRoute(Struct, frozen=True):
    """A prefix, for scripts: who runs its service, and where."""

    text: str


class WhichRoute(Struct, frozen=True):
    """Handles, for scripts: who is responsible for each."""

    texts: tuple[str, ...]


class ApiPageRoute(Struct, frozen=True):
    """What there is for scripts, explained to people."""


class ApiDescriptionRoute(Struct, frozen=True):
    """The same, for programs (OpenAPI)."""


class UnknownApiRoute(Struct, frozen=True):
    """Something below ``/api/`` that does not exist."""

    path: str


Route = (
    FormRoute
    | HelpRoute
    | StaticRoute
    | HandleRoute
    | ApiRoute
    | LinksetRoute
    | PrefixRoute
    | WhichRoute
    | ApiPageRoute
    | ApiDescriptionRoute
    | ExplainRoute
    | UnknownApiRoute
)

_BELOW_API: dict[str, Callable[[str], Route]] = {
    "handles": ApiRoute,
    "linkset": LinksetRoute,
    "prefixes": PrefixRoute,
    "explain": ExplainRoute,
}
_PAGES: dict[str, Route] = {
    "/help": HelpRoute(),
    "/help.html": HelpRoute(),
    "/api": ApiPageRoute(),
    "/api/": ApiPageRoute(),
    "/api/openapi.json": ApiDescriptionRoute(),
    "/robots.txt": StaticRoute("robots.txt"),
    "/favicon.ico": StaticRoute("favicon.ico"),
}


def split_target(target: str) -> tuple[str, str]:
    """Split a request target into path and query, both as they came.

    Scheme and host of an absolute target are taken off, and a fragment, which browsers never send.

    Raises:
        BadRequestError: too long, or not a path.
    """
    if len(target) > MAX_TARGET_LENGTH:
        raise BadRequestError(
            phrase("the address is longer than %(number)s characters", number=MAX_TARGET_LENGTH), status=414
        )
    target = target.partition("#")[0]
    absolute = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?]*", target)
    if absolute is not None:
        target = target[absolute.end() :]
        if not target.startswith("/"):
            target = f"/{target}"
    path, _, query = target.partition("?")
    if not path.startswith("/"):
        raise BadRequestError("the address must begin with a slash")
    return path, query


def read_route(path: str, own_hosts: tuple[str, ...] = ()) -> Route:
    """Return what a path leads to.

    Args:
        path: as it came, percent-encoded.
        own_hosts: host names under which this resolver is reached, for pasted URLs.

    Raises:
        BadRequestError: an escape is cut short, or the octets are no UTF-8.
    """
    page = _PAGES.get(path)
    if page is not None:
        return page
    if path == "/api" or path.startswith("/api/"):
        name, _, rest = path.removeprefix("/api").removeprefix("/").partition("/")
        if name in _BELOW_API:
            return _BELOW_API[name](strip_labels(_decode_path(rest).lstrip("/"), own_hosts).lstrip("/"))
        if name == "which":
            # A comma that belongs to a handle is written as %2C.
            texts = (strip_labels(_decode_path(part).lstrip("/"), own_hosts) for part in rest.split(","))
            return WhichRoute(tuple(text.lstrip("/") for text in texts))
        return UnknownApiRoute(path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    if path.startswith("/static/"):
        return StaticRoute(path.removeprefix("/static/"))
    text = strip_labels(_decode_path(path).lstrip("/"), own_hosts).lstrip("/")
    return HandleRoute(text) if text else FormRoute()


def _decode_path(path: str) -> str:
    octets = path.encode("utf-8", "surrogateescape")
    if _HEX.search(octets):
        raise BadRequestError(
            "a percent sign must be followed by two hexadecimal digits", code=ResponseCode.INVALID_HANDLE
        )
    decoded = re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes((int(found.group(1), 16),)), octets)
    try:
        return decoded.decode()
    except UnicodeDecodeError as error:
        raise BadRequestError("the address is not valid UTF-8", code=ResponseCode.INVALID_HANDLE) from error


# --- under which conditions ------------------------------------------------------------------------------


class Parameters:
    """Names with their values, in the order in which they came."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = tuple(pairs)

    def __or__(self, other: Parameters) -> Parameters:
        """Return both; where only one value counts, it is the left one's."""
        return Parameters((*self._pairs, *other._pairs))

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of ``name``."""
        return tuple(value for key, value in self._pairs if key == name)

    def first(self, name: str) -> str | None:
        """Return the first value of ``name``."""
        return next((value for key, value in self._pairs if key == name), None)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Whether ``name`` is set: present, and not ``false``, ``no`` or ``0``."""
        value = self.first(name)
        return default if value is None else value.strip().lower() not in {"false", "no", "0"}


def read_parameters(query: str) -> Parameters:
    """Read a query string: ``&`` and ``;`` separate, ``+`` is a plus, unknown names are kept and ignored."""
    pairs = []
    for part in re.split("[&;]", query):
        if part:
            name, _, value = part.partition("=")
            pairs.append((_decode(name), _decode(value)))
    return Parameters(pairs)


def without_parameter(query: str, name: str) -> str:
    """Return a query string without the parameter ``name``, and with nothing in it that a link must not hold."""
    kept = [part for part in re.split("[&;]", query) if part and _decode(part.partition("=")[0]) != name]
    return quote("&".join(kept), safe="%&=/:@!$'()*+,?~", errors="replace")


def _decode(text: str) -> str:
    return unquote(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"), errors="replace")


def parameters_from_json(content: Any) -> Parameters:
    """Read parameters from the JSON body of a POST: an object, with lists for those that repeat.

    Raises:
        BadRequestError: not an object, or a value that is neither text, number, boolean nor a list of them.
    """
    if not isinstance(content, Mapping):
        raise BadRequestError("the JSON body must be an object with parameters")
    pairs = []
    for name, values in content.items():
        for value in values if isinstance(values, Sequence) and not isinstance(values, str) else [values]:
            match value:
                case bool():
                    pairs.append((name, str(value).lower()))
                case None:
                    pairs.append((name, ""))
                case str() | int() | float():
                    pairs.append((name, str(value)))
                case _:
                    raise BadRequestError(f"parameter {name!r} must be text, a number, or a list of them")
    return Parameters(pairs)


class HandleQuery(Struct, frozen=True):
    """What is asked about a handle."""

    handle: Handle
    authoritative: bool = False
    certified: bool = False
    """Only answers signed by the servers that gave them count."""
    wants_report: bool = False
    """Whether it shall be said what the signatures are worth."""
    public_only: bool = True
    ignore_aliases: bool = False
    preferences: Preferences = Preferences()
    callback: str | None = None
    pretty: bool = False


def read_query(
    text: str, parameters: Parameters, *, for_api: bool, shortcuts: frozenset[str] = frozenset()
) -> HandleQuery:
    """Combine a handle and parameters.

    Args:
        text: the handle.
        parameters: from the query string and the body.
        for_api: whether a script asks: then a bad parameter is an error, where a person's is ignored.
        shortcuts: names of parameters that stand for an attribute of a location, as in ``locatt``.

    Raises:
        InvalidHandleError: the handle is empty or too long.
        BadRequestError: a bad index, or a callback that is no name.
    """
    handle = Handle.parse(text)
    action = Action.API if for_api else _read_action(parameters)
    callback = parameters.first("callback") if action is Action.API else None
    if callback is not None and (len(callback) > MAX_CALLBACK or not _CALLBACK.fullmatch(callback)):
        raise BadRequestError("callback must be the name of a JavaScript function")
    return HandleQuery(
        handle=handle,
        authoritative=parameters.flag("auth"),
        certified=parameters.flag("cert"),
        wants_report=parameters.first("cert") == "report",
        public_only=parameters.flag("publicOnly", default=True),
        ignore_aliases=action is Action.API or parameters.flag("ignore_aliases"),
        preferences=Preferences(
            action=action,
            types=tuple(value for value in parameters.all("type") if value),
            indexes=tuple(_read_indexes(parameters, strict=action is Action.API)),
            url_append=parameters.first("urlappend") or "",
            redirection_headers=parameters.flag("redirectionHeaders"),
            wanted_attributes=tuple(_read_wanted_attributes(parameters, action, shortcuts)),
            country=(parameters.first("country") or "").strip().lower()[:2] or None,
            address=(parameters.first("ip") or "").strip() or None,
        ),
        callback=callback,
        pretty=parameters.flag("pretty"),
    )


def _read_wanted_attributes(
    parameters: Parameters, action: Action, shortcuts: frozenset[str]
) -> Iterable[tuple[str, str | None]]:
    if action is Action.METADATA:
        yield "role", "metadata"
    for value in parameters.all("locatt"):
        name, colon, wanted = value.partition(":")
        if name:
            yield name, wanted if colon else None
    for name in sorted(shortcuts):
        for value in parameters.all(name):
            yield name, value or None


def _read_action(parameters: Parameters) -> Action:
    word = (parameters.first("action") or "").lower()
    try:
        return Action(word)
    except ValueError:
        return Action.SHOW_VALUES if parameters.flag("noredirect") else Action.REDIRECT


def _read_indexes(parameters: Parameters, *, strict: bool) -> Iterable[int]:
    for value in parameters.all("index"):
        text = value.strip()
        if _INDEX.fullmatch(text) and -(2**31) <= int(text) < 2**31:
            yield int(text)
        elif strict:
            raise BadRequestError(phrase("index %(text)s is no number", text=repr(value)))


def handle_of_form(text: str, own_hosts: tuple[str, ...] = ()) -> str:
    """Return the handle that somebody typed or pasted into the form.

    Raises:
        InvalidHandleError: nothing was typed.
    """
    handle = find_handle(text, own_hosts)
    if not handle:
        raise InvalidHandleError("no handle was typed")
    return handle
