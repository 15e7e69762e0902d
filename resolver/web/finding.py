"""What has to be found before there is anything to decide: the record at the end of all aliases, and its extras."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from resolver.answer.choose import alias_of
from resolver.answer.extras import Extras, LocationData, read_location_data
from resolver.model.handle import Handle
from resolver.model.namespace import Namespace
from resolver.model.record import HandleRecord, HandleValue, select_values
from resolver.resolution.aliases import Followed, follow_aliases
from resolver.web.extras import INCOMPLETE_LIFETIME_S, Fetched, fetch_extras
from resolver.web.lookups import Lookups
from resolver.web.parse import HandleQuery
from resolver.web.problems import NamespaceInactiveError
from resolver.web.render import Caching

__all__ = ["Finder", "Found"]


class Found(Struct, frozen=True):
    """A record, and what belongs to it."""

    followed: Followed
    values: tuple[HandleValue, ...]
    """Those that were asked for."""
    own: LocationData
    """The location data among them."""
    extras: Extras
    """Location data of other records that the record refers to."""
    caching: Caching

    @property
    def handle(self) -> Handle:
        """The one at the end of all aliases."""
        return self.followed.handle

    @property
    def record(self) -> HandleRecord:
        """The whole record."""
        return self.followed.resolved.record


class Finder:
    """Finds for one host."""

    def __init__(self, lookups: Lookups, *, max_age_s: float, clock: Callable[[], float]) -> None:
        self._lookups = lookups
        self._max_age_s = max_age_s
        self._clock = clock

    async def follow(self, query: HandleQuery) -> Followed:
        """Return the record at the end of all aliases.

        Raises:
            NamespaceInactiveError: the owner of its prefix has switched it off.
            ResolverError: there is no record, or nobody can tell.
        """
        followed = await follow_aliases(
            query.handle,
            lambda handle: self._lookups.resolve(handle, query),
            lambda record: None if query.ignore_aliases else alias_of(record, query.preferences),
        )
        namespace = followed.resolved.namespace
        if namespace is not None and namespace.is_inactive:
            raise NamespaceInactiveError(namespace)
        return followed

    def caching(self, query: HandleQuery, followed: Followed) -> Caching:
        """Return how long an answer made of nothing else may be kept."""
        return Caching(None if query.authoritative else followed.expires_at, self._max_age_s, followed.stale)

    async def find(self, query: HandleQuery, followed: Followed, *, with_extras: bool) -> Found:
        """Read the location data of a record, and fetch what it refers to if ``with_extras``."""
        preferences = query.preferences
        values = select_values(followed.resolved.record.values, preferences.types, preferences.indexes)
        own = read_location_data(followed.resolved.record, values)
        fetched = Fetched()
        if with_extras:
            fetched = await fetch_extras(
                self._lookups.resolver, followed.handle, own, self._namespaces(followed)
            )
        caching = self._narrowed(self.caching(query, followed), fetched)
        return Found(followed, values, own, fetched.extras, caching)

    def _namespaces(self, followed: Followed) -> Sequence[Namespace]:
        both = (followed.resolved.namespace, self._lookups.resolver.registry.namespace)
        return [namespace for namespace in both if namespace is not None]

    def _narrowed(self, caching: Caching, fetched: Fetched) -> Caching:
        expires_at = fetched.expires_at
        if not fetched.is_complete:
            expires_at = min(expires_at, self._clock() + INCOMPLETE_LIFETIME_S)
        return caching.until(expires_at)
