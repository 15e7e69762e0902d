"""Finding out which service is responsible, without asking it."""

from __future__ import annotations

import pytest

from resolver.errors import HandleNotFoundError, ServiceNotFoundError, TransportError
from resolver.model.handle import Handle
from resolver.model.site import Site
from resolver.resolution.directory import Directory
from resolver.resolution.lookup import locate
from resolver.resolution.steps import Conversation, Event, Fetch, Question
from tests.fakes import record_of, service_value, site_value
from tests.unit.resolution.conversation import OTHER_SITE, REGISTRY, SITE, fetched

HANDLE = "10.1/abc"


def located(
    text: str, directory: Directory | None = None, **conditions: bool
) -> Conversation[tuple[Site, ...]]:
    """Begin to locate the service of a handle."""
    return locate(Question(Handle(text), **conditions), directory or Directory(REGISTRY))


def ending(conversation: Conversation[tuple[Site, ...]], event: Event | None = None) -> tuple[Site, ...]:
    """Say the last word, and return the sites."""
    with pytest.raises(StopIteration) as end:
        next(conversation) if event is None else conversation.send(event)
    sites: tuple[Site, ...] = end.value.value
    return sites


@pytest.mark.parametrize("handle", ["0.NA/10.1", "10.1"])
def test_registry(handle: str) -> None:
    """For what lives in the registry that is the registry, and nobody is asked."""
    assert ending(located(handle)) == REGISTRY


def test_service_of_the_operator() -> None:
    """Nor is anybody for a prefix whose service the operator names."""
    assert ending(located(HANDLE, Directory(REGISTRY, {"0.NA/10.1": (SITE,)}))) == (SITE,)


def test_record_of_the_prefix() -> None:
    """Otherwise the record of the prefix tells, and no server of the service is asked."""
    conversation = located(HANDLE)
    assert next(conversation) == Fetch(Handle("0.NA/10.1"), 1)
    assert ending(conversation, fetched(site_value(SITE), site_value(OTHER_SITE))) == (SITE, OTHER_SITE)


def test_service_handle() -> None:
    """The record of the prefix may lead to a service handle."""
    conversation = located(HANDLE)
    next(conversation)
    assert conversation.send(fetched(service_value("0.SERV/1"))) == Fetch(Handle("0.SERV/1"), 1)
    assert ending(conversation, fetched(site_value(OTHER_SITE))) == (OTHER_SITE,)


def test_conditions() -> None:
    """Who wants the primary's word, signed, has it for the record of the prefix as well."""
    conversation = located(HANDLE, authoritative=True, certified=True)
    assert next(conversation) == Fetch(Handle("0.NA/10.1"), 1, authoritative=True, certified=True)


def test_no_site() -> None:
    """A prefix whose record names no site has no service."""
    conversation = located(HANDLE)
    next(conversation)
    with pytest.raises(ServiceNotFoundError, match="names no site"):
        conversation.send(fetched(*record_of("0.NA/10.1").values))


def test_unknown_prefix() -> None:
    """So has one that is not registered."""
    conversation = located(HANDLE)
    next(conversation)
    with pytest.raises(ServiceNotFoundError, match="not registered"):
        conversation.throw(HandleNotFoundError("0.NA/10.1"))


def test_nobody_to_ask() -> None:
    """That nobody could be asked is no absence."""
    conversation = located(HANDLE)
    next(conversation)
    with pytest.raises(TransportError):
        conversation.throw(TransportError("refused"))
