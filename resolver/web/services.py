"""Who is responsible: for a prefix, with its sites and servers; and for handles, with the agency behind a DOI."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from resolver.answer.record_json import error_json
from resolver.answer.visible import visible_text
from resolver.errors import HandleNotFoundError, InvalidHandleError, ResolverError, ServiceNotFoundError
from resolver.model.handle import PREFIX_SPACE, Handle, fold_ascii
from resolver.model.namespace import ACTIVE, Namespace
from resolver.model.record import HandleRecord
from resolver.model.site import Site
from resolver.protocol.codes import ResponseCode
from resolver.protocol.json_sites import site_to_json
from resolver.protocol.namespaces import namespace_of
from resolver.protocol.text import strict_text
from resolver.resolution.service import Resolved
from resolver.web.conditional import unless_known
from resolver.web.contact import find_contact
from resolver.web.lookups import Lookups
from resolver.web.parse import BadRequestError
from resolver.web.problems import problem_of
from resolver.web.render import Caching, Renderer
from resolver.web.visit import Visit

__all__ = ["MAX_HANDLES", "Services", "agency_of"]

MAX_HANDLES = 100
LOOKUPS_AT_ONCE = 8
MAX_AGE_S = 300.0
FAILED_MAX_AGE_S = 30.0
MAX_SERVICE_HANDLES = 20

AGENCY_SPACE = "10.SERV/"
"""Where the services of DOI registration agencies live: the record of each DOI prefix names one by HS_SERV."""

_AGENCIES: Mapping[str, str] = {
    "AIRITI": "Airiti",
    "CROSSREF": "Crossref",
    "DATACITE": "DataCite",
    "DEFAULT": "Crossref",
    "ETH": "DataCite",
    "JALC": "JaLC",
    "MEDRA": "mEDRA",
}
"""As doi.org spells them, where that is not how the service handle does."""

_DOI_PREFIX = re.compile(r"10\.[0-9A-Za-z.]*")
_DOI = re.compile(r"10(\.[0-9]+)+/.+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Service:
    """What is known of the service of a prefix."""

    prefix: str
    resolved: Resolved | None
    """The record of the prefix; ``None`` where it is served without one, by settings of the operator."""
    sites: tuple[Site, ...]
    contact: str

    @property
    def namespace(self) -> Namespace | None:
        """The policy of the prefix."""
        return namespace_of(self.resolved.record.values) if self.resolved else None

    @property
    def service_handles(self) -> tuple[str, ...]:
        """The handles of services that its record names (HS_SERV)."""
        return _service_handles(self.resolved.record) if self.resolved else ()


class Services:
    """Answers who is responsible, on one host."""

    def __init__(self, lookups: Lookups, renderer: Renderer, *, clock: Callable[[], float]) -> None:
        self._lookups = lookups
        self._renderer = renderer
        self._clock = clock

    async def prefix(self, visit: Visit, text: str) -> web.Response:
        """Answer with the service of a prefix, however it is written: ``10.1000``, its record, a handle of it.

        Raises:
            ResolverError: there is none, or nobody can tell.
        """
        handle = Handle.parse(text)
        prefix = handle.described_prefix if handle.is_prefix_handle else handle.prefix
        if not prefix or "/" in prefix:
            raise InvalidHandleError("a prefix is what comes before the first slash of a handle")
        visit.asked = f"{PREFIX_SPACE}/{prefix}"
        service = await self._describe(prefix)
        expires_at = self._clock() + MAX_AGE_S
        if service.resolved is not None:
            expires_at = min(expires_at, service.resolved.expires_at)
        caching = Caching(
            expires_at, MAX_AGE_S, stale=service.resolved is not None and service.resolved.stale
        )
        pretty = visit.parameters.flag("pretty")
        return unless_known(
            visit.request, self._renderer.json(_service_json(service), caching, pretty=pretty)
        )

    async def which(self, visit: Visit, texts: Sequence[str]) -> web.Response:
        """Answer with a list that says of each handle who is responsible.

        Raises:
            BadRequestError: too many at once, or none.
        """
        if not any(texts):
            raise InvalidHandleError("no handle is given")
        if len(texts) > MAX_HANDLES:
            raise BadRequestError(f"{len(texts)} handles are asked for, at most {MAX_HANDLES} may be")
        turn = asyncio.Semaphore(LOOKUPS_AT_ONCE)

        async def answer(text: str) -> dict[str, Any]:
            async with turn:
                return await self._responsible(text)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(answer(text)) for text in texts]
        shown = [task.result() for task in tasks]
        is_whole = all(entry["responseCode"] == ResponseCode.SUCCESS for entry in shown)
        max_age_s = MAX_AGE_S if is_whole else FAILED_MAX_AGE_S
        caching = Caching(self._clock() + max_age_s, max_age_s)
        pretty = visit.parameters.flag("pretty")
        return unless_known(visit.request, self._renderer.json(shown, caching, pretty=pretty))

    async def _describe(self, prefix: str) -> Service:
        """Find out about a prefix.

        Raises:
            ServiceNotFoundError: it is not registered.
            ResolverError: nobody can tell.
        """
        described = Handle.parse(f"{PREFIX_SPACE}/{fold_ascii(prefix)}")
        self._lookups.check_prefix(described)
        resolver = self._lookups.resolver
        resolved = missing = None
        try:
            resolved = await resolver.resolve(described)
        except HandleNotFoundError as error:
            missing = error  # an operator may have settled it in another way
        sites: tuple[Site, ...] = ()
        try:
            sites = await resolver.locate(Handle.parse(f"{prefix}/"))
        except ServiceNotFoundError as error:
            if resolved is None:
                raise ServiceNotFoundError(described.text, prefix, error.reason) from missing
        contact = await find_contact(resolver, f"{prefix}/")
        return Service(prefix, resolved, sites, contact)

    async def _responsible(self, text: str) -> dict[str, Any]:
        """Say who is responsible for one handle; what goes wrong is part of what is said."""
        try:
            handle = Handle.parse(text)
            if not handle.has_slash and not _DOI_PREFIX.match(text):
                raise InvalidHandleError("a handle has a slash between prefix and suffix")
        except InvalidHandleError as error:
            return error_json(ResponseCode.INVALID_HANDLE, str(error), text)
        is_doi = _DOI_PREFIX.match(text) is not None
        if is_doi and not _DOI.fullmatch(text):
            shown = error_json(ResponseCode.INVALID_HANDLE, "a DOI is like 10.1000/182", text)
            return {"DOI": text, "status": "Invalid DOI", **shown}
        try:
            service = await self._describe(handle.prefix)
            exists = await self._exists(handle)
        except ResolverError as error:
            problem = problem_of(error)
            is_missing = isinstance(error, HandleNotFoundError)
            status = "DOI does not exist" if is_missing else "Unknown"
            shown = error_json(problem.code, problem.what, text)
            return {"DOI": text, "status": status, **shown} if is_doi else shown
        shown = _responsibility_json(handle, service, exists=exists)
        if not is_doi:
            return shown
        agency = agency_of(service.service_handles)
        if exists is False:
            return {
                "DOI": text,
                "status": "DOI does not exist",
                **({"agency": agency} if agency else {}),
                **shown,
            }
        return {"DOI": text, **({"RA": agency} if agency else {"status": "Unknown"}), **shown}

    async def _exists(self, handle: Handle) -> bool | None:
        """Return whether there is such a handle; ``None`` if its service does not say."""
        try:
            await self._lookups.resolver.resolve(handle)
        except HandleNotFoundError:
            return False
        except ResolverError:
            return None
        return True


def agency_of(service_handles: Sequence[str]) -> str | None:
    """Return the DOI registration agency whose service is among these, or ``None``."""
    for handle in service_handles:
        folded = fold_ascii(handle)
        if folded.startswith(AGENCY_SPACE):
            name = folded.removeprefix(AGENCY_SPACE)
            return _AGENCIES.get(name, visible_text(name))
    return None


def _service_handles(record: HandleRecord) -> tuple[str, ...]:
    found = (strict_text(value.data) for value in record.values if fold_ascii(value.type) == "HS_SERV")
    return tuple(text.strip() for text in found if text)[:MAX_SERVICE_HANDLES]


def _service_json(service: Service) -> dict[str, Any]:
    namespace = service.namespace
    shown: dict[str, Any] = {
        "responseCode": int(ResponseCode.SUCCESS),
        "prefix": service.prefix,
        "handle": f"{PREFIX_SPACE}/{service.prefix}",
        **_namespace_json(namespace),
        "contact": service.contact or None,
        "serviceHandles": list(service.service_handles),
        "locationHandles": list(namespace.location_handles) if namespace else [],
        "hasTemplate": namespace is not None and namespace.has_template,
        "sites": [site_to_json(site) for site in service.sites],
    }
    if service.resolved is not None:
        shown["answeredBy"] = service.resolved.answered_by
        if service.resolved.stale:
            shown["stale"] = True
    return shown


def _responsibility_json(handle: Handle, service: Service, *, exists: bool | None) -> dict[str, Any]:
    return {
        "responseCode": int(ResponseCode.SUCCESS),
        "handle": handle.text,
        "prefix": service.prefix,
        "exists": exists,
        **_namespace_json(service.namespace),
        "contact": service.contact or None,
        "serviceHandles": list(service.service_handles),
        "operators": list(dict.fromkeys(site.description for site in service.sites if site.description)),
    }


def _namespace_json(namespace: Namespace | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"namespaceStatus": namespace.status if namespace else ACTIVE}
    if namespace is not None and namespace.status_message:
        shown["namespaceMessage"] = namespace.status_message
    return shown
