"""Builds what answers on each host name from the settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from resolver.answer.targets import DEFAULT_SCHEMES
from resolver.answer.tombstone import ListedTombstone, read_tombstone_list
from resolver.config import HostSettings, Settings
from resolver.errors import SettingsError
from resolver.resolution.service import Resolver
from resolver.web.api import Api
from resolver.web.batch import Batches
from resolver.web.countries import CountryOf, open_country_database
from resolver.web.explaining import Explainer
from resolver.web.finding import Finder
from resolver.web.handle_pages import HandlePages, Policy
from resolver.web.hosts import Host, Hosts
from resolver.web.linksets import Linksets
from resolver.web.lookups import Lookups
from resolver.web.native import Gateway
from resolver.web.render import Renderer, template_folders
from resolver.web.services import Services

__all__ = ["build_hosts"]

MAX_LIST_OCTETS = 64 * 1024 * 1024


def build_hosts(settings: Settings, resolver: Resolver, *, version: str, clock: Callable[[], float]) -> Hosts:
    """Build the usual host, and those with settings of their own.

    Raises:
        SettingsError: a file or a template that the settings name cannot be used.
    """
    policy = Policy(
        schemes=DEFAULT_SCHEMES | frozenset(settings.extra_schemes),
        strict_negotiation=settings.conneg == "strict",
        tombstones=_read_tombstones(settings.tombstones),
    )
    country_of = open_country_database(settings.geoip)

    def build(own: HostSettings) -> Host:
        return _build_host(settings, own, resolver, policy, country_of, version, clock)

    return Hosts(build(HostSettings(name="")), {own.name: build(own) for own in settings.hosts})


def _build_host(
    settings: Settings,
    own: HostSettings,
    resolver: Resolver,
    policy: Policy,
    country_of: CountryOf,
    version: str,
    clock: Callable[[], float],
) -> Host:
    max_age_s = settings.cache_max_ttl if own.cache_max_ttl is None else own.cache_max_ttl
    folders = template_folders(settings.templates)
    renderer = Renderer(
        [*([own.templates] if own.templates else []), *folders],
        site_name=settings.site_name if own.site_name is None else own.site_name,
        base_url=settings.base_url if own.base_url is None else own.base_url,
        contact=settings.contact if own.contact is None else own.contact,
        version=version,
        clock=clock,
    )
    if own.templates or settings.templates:
        # A mistake of the operator's stops the start; ours are read once it is over, see ``Hosts.prepare``.
        renderer.prepare()
    lookups = Lookups(resolver, prefixes=own.prefixes, retry_auth=own.retry_auth, clock=clock)
    api = Api(lookups, renderer, max_age_s=max_age_s)
    finder = Finder(lookups, max_age_s=max_age_s, clock=clock)
    pages = HandlePages(lookups, finder, renderer, policy, clock=clock, country_of=country_of)
    return Host(
        lookups=lookups,
        pages=pages,
        explainer=Explainer(lookups, finder, pages, renderer, clock=clock),
        api=api,
        batches=Batches(api, renderer),
        services=Services(lookups, renderer, clock=clock),
        linksets=Linksets(finder, renderer, policy.schemes),
        gateway=Gateway(lookups, renderer, clock=clock),
        renderer=renderer,
        max_age_s=max_age_s,
        locatt_shortcuts=frozenset(own.locatt_shortcuts or settings.locatt_shortcuts),
    )


def _read_tombstones(path: Path | None) -> tuple[ListedTombstone, ...]:
    if path is None:
        return ()
    try:
        if path.stat().st_size > MAX_LIST_OCTETS:
            raise SettingsError(f"{path}: larger than {MAX_LIST_OCTETS} octets")
        return read_tombstone_list(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
