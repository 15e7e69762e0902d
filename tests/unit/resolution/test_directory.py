"""Where a lookup begins: a gateway, a service that the operator names, the registry, or nowhere yet."""

from __future__ import annotations

import pytest

from resolver.model.handle import ROOT_HANDLE, Handle
from resolver.model.site import Site
from resolver.resolution.directory import Directory
from tests.fakes import site_at

REGISTRY = (site_at("192.0.2.1"), site_at("192.0.2.2"))
LOCAL, GATEWAY, OWN_ROOT = (site_at("198.51.100.1"),), (site_at("198.51.100.2"),), (site_at("198.51.100.3"),)
NOBODY: tuple[Site, ...] = ()


@pytest.mark.parametrize(
    "handle", ["0.NA/10.1", "0.na/10.1", "0.NA/0.NA", "0.0/0.0", "0/x", "10.1", "10", "0.TYPE/URL"]
)
def test_the_registry_answers_for_its_own(handle: str) -> None:
    """Handles below ``0.`` and ``0/``, and those without a slash, are the registry's."""
    assert Directory(REGISTRY).sites_for(Handle(handle)) == REGISTRY


@pytest.mark.parametrize("handle", ["10.1/abc", "1/x", "00/x", "20.500.12345/x/y", "/x", "10.1/"])
def test_prefixes_have_to_be_looked_up(handle: str) -> None:
    """For every other handle somebody has to be asked first."""
    assert Directory(REGISTRY).sites_for(Handle(handle)) == NOBODY


@pytest.mark.parametrize("handle", ["20.500.ABC/x", "20.500.abc/X", "20.500.aBc/"])
def test_service_of_the_operator(handle: str) -> None:
    """A service that the operator names is asked without the registry, however the prefix is spelled."""
    directory = Directory(REGISTRY, {"0.NA/20.500.ABC": LOCAL})
    assert directory.sites_for(Handle(handle)) == LOCAL


@pytest.mark.parametrize("handle", ["20.500.ABCD/x", "20.500/x", "20.500.ABC.1/x", "0.NA/20.500.ABC"])
def test_service_of_another_prefix(handle: str) -> None:
    """It answers for its prefix, and neither for longer or shorter ones, nor for the record that describes it."""
    assert Directory(REGISTRY, {"0.NA/20.500.ABC": LOCAL}).sites_for(Handle(handle)) != LOCAL


def test_registry_of_the_operator() -> None:
    """A service for the root handle takes the place of the registry, also for bare prefixes."""
    directory = Directory(REGISTRY, {ROOT_HANDLE: OWN_ROOT})
    for handle in ("0.NA/10.1", "0.NA/0.NA", "10.1", "0.0/0.0"):
        assert directory.sites_for(Handle(handle)) == OWN_ROOT
    assert directory.sites_for(Handle("10.1/x")) == NOBODY


@pytest.mark.parametrize("handle", ["10.1/abc", "0.NA/10.1", "10.1", "20.500.ABC/x"])
def test_gateway(handle: str) -> None:
    """A gateway is asked for everything."""
    assert Directory(REGISTRY, {"0.NA/20.500.ABC": LOCAL}, GATEWAY).sites_for(Handle(handle)) == GATEWAY
