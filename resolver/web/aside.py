"""Answers set aside where memory has no room for the records they were made of.

Such an answer is good for as long as the shared cache holds the very records it was made of. So these are asked
for each time, as the ordinary way would; what is spared is making the same of the same again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from aiohttp import hdrs, web
from multidict import CIMultiDict

from resolver.cache.entry import Entry
from resolver.cache.tiers import TieredCache, Watch
from resolver.web.render import Caching
from resolver.web.visit import Visit

__all__ = ["Aside"]

MAX_ANSWERS = 512
MAX_BODY_OCTETS = 8 * 1024


@dataclass(frozen=True, slots=True)
class _Answer:
    found: dict[str, Entry]
    status: int
    headers: CIMultiDict[str]
    body: bytes
    caching: Caching
    endpoint: str
    asked: str | None
    refresh_at: float


class Aside:
    """Keeps the latest answers, by name."""

    def __init__(self, cache: TieredCache) -> None:
        self._cache = cache
        self._answers: OrderedDict[bytes, _Answer] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def keep(
        self,
        name: bytes,
        visit: Visit,
        response: web.Response,
        caching: Caching,
        watch: Watch,
        refresh_at: float,
    ) -> None:
        """Set an answer aside that would be the same for everybody.

        Args:
            name: under which it is found.
            visit: to which it is the answer.
            response: before anything is added that is for this visitor alone.
            caching: what it says about how long it may be kept.
            watch: knows all that it was made of.
            refresh_at: seconds since 1970 from which the ordinary way has to be gone.
        """
        body = response.body
        if not isinstance(body, bytes) or len(body) > MAX_BODY_OCTETS:
            return
        self._answers[name] = _Answer(
            dict(watch.found),
            response.status,
            CIMultiDict(response.headers),
            body,
            caching,
            visit.endpoint,
            visit.asked,
            refresh_at,
        )
        self._answers.move_to_end(name)
        if len(self._answers) > MAX_ANSWERS:
            self._answers.popitem(last=False)

    async def again(self, name: bytes, visit: Visit, now: float) -> web.Response | None:
        """Return the answer of this name, if what it was made of still holds."""
        kept = self._answers.get(name)
        if (
            kept is None
            or now >= kept.refresh_at
            or (hdrs.ETAG in kept.headers and hdrs.IF_NONE_MATCH in visit.request.headers)
        ):
            return None
        for key, entry in kept.found.items():
            cached = await self._cache.get(key)
            if cached is None or cached.freshness != "fresh" or cached.entry != entry:
                self._answers.pop(name, None)
                return None
        visit.endpoint, visit.asked = kept.endpoint, kept.asked
        headers = CIMultiDict(kept.headers)
        headers.update(kept.caching.headers(now))
        return web.Response(body=kept.body, status=kept.status, headers=headers)
