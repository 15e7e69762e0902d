"""The cold path: a redirect for a handle that memory does not know, without a request object and without a task.

Beside the fast path, which needs an answer that was given before, this is for the first visitor of a plain
handle: no parameters, a record in which one URL decides, a server that answers by a datagram. Whatever is in any
way unusual is left to the ordinary way, before the lookup or after it; this path must not be told apart from it.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

from resolver.answer.plain import has_no_say, plain_target
from resolver.cache.entry import CachedRecord, Entry
from resolver.model.handle import Handle
from resolver.telemetry import Metrics
from resolver.web.draining import Draining
from resolver.web.hosts import Host
from resolver.web.redirect_form import RedirectForm, redirect_form

__all__ = ["ColdPath", "OnAnswer", "open_cold_path"]

OnAnswer = Callable[[bytes | None], None]
"""Told once of a whole response, or of ``None`` where the ordinary way has to be gone."""

logger = logging.getLogger(__name__)

MAX_TARGET = 256
MAX_UNUSUAL = 4096
"""Targets kept in mind for which the ordinary way had to be gone."""

# A handle and nothing else: no label, nothing to decode, no dots or slashes that would move.
_PLAIN = re.compile(r"/[0-9][0-9A-Za-z]*(?:\.[0-9A-Za-z]+)*(?:/[0-9A-Za-z_~-][0-9A-Za-z._~-]*)+")


class ColdPath:
    """Answers for one host."""

    def __init__(
        self,
        host: Host,
        forms: tuple[RedirectForm, RedirectForm],
        metrics: Metrics,
        *,
        new_request_id: Callable[[], bytes],
        draining: Draining,
        clock: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            host: whose rules hold.
            forms: for handles that are cited as DOIs, and for others.
            metrics: count what is answered.
            new_request_id: gives an id for each.
            draining: whether connections are to end.
            clock: seconds since 1970.
        """
        self._resolver = host.lookups.resolver
        self._schemes = host.pages.policy.schemes
        self._max_age_s = host.max_age_s
        self._doi_form, self._form = forms
        self._metrics = metrics
        self._new_request_id = new_request_id
        self.draining = draining
        self._clock = clock
        self._unusual: dict[str, None] = {}

    def begin(self, target: str, on_answer: OnAnswer) -> bool:
        """Begin to answer a plain GET that came by HTTP/1.1; return whether that could be done."""
        if (
            len(target) > MAX_TARGET
            or self.draining.is_on
            or target in self._unusual
            or _PLAIN.fullmatch(target) is None
        ):
            return False
        began = time.perf_counter()
        text = target[1:]

        def arrive(entry: Entry | None) -> None:
            self._metrics.ended()
            answer = None if entry is None else self._answer_if_possible(text, entry)
            if answer is not None:
                self._metrics.answered_one("redirect", "ok", time.perf_counter() - began)
            elif entry is not None:
                self._keep_in_mind(target)
            on_answer(answer)

        if not self._resolver.straight_way.set_out(Handle(text), arrive):
            return False
        self._metrics.began()
        return True

    def _answer_if_possible(self, text: str, entry: Entry) -> bytes | None:
        try:
            return self._answer(text, entry)
        except Exception:
            logger.exception("cold path failed handle=%r", text)
            return None

    def _answer(self, text: str, entry: Entry) -> bytes | None:
        if (
            not isinstance(entry, CachedRecord)
            or not has_no_say(entry.namespace)
            or not has_no_say(self._resolver.registry.namespace)
        ):
            return None
        target = plain_target(entry.record, self._schemes)
        if target is None:
            return None
        now = self._clock()
        form = self._doi_form if text.startswith("10.") else self._form
        return form.fill(
            text,
            target.uri,
            max_age_s=max(0, int(min(entry.expires_at - now, self._max_age_s))),
            now=int(now),
            request_id=self._new_request_id().decode(),
            closes=self.draining.is_on,
        )

    def _keep_in_mind(self, target: str) -> None:
        if len(self._unusual) >= MAX_UNUSUAL:
            self._unusual.clear()
        self._unusual[target] = None


def open_cold_path(
    host: Host,
    metrics: Metrics,
    *,
    new_request_id: Callable[[], bytes],
    draining: Draining,
    clock: Callable[[], float],
) -> ColdPath | None:
    """Return the cold path of a host, unless its operator's choices leave none."""
    doi_form, form = redirect_form(host.renderer, "10.1/2"), redirect_form(host.renderer, "1/2")
    if doi_form is None or form is None or host.lookups.is_particular or host.pages.policy.tombstones:
        return None
    return ColdPath(
        host, (doi_form, form), metrics, new_request_id=new_request_id, draining=draining, clock=clock
    )
