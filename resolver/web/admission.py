"""Whether a visitor is served at all: decided first, in memory, from the address and what it has spent.

``Admission.admit`` is the one door. It never waits, keeps no address longer than it needs to, and does not
exist where an operator has set no limit. Clients are IPv4 addresses and networks of IPv6 (a household or a
rented server has a /64 and can change the rest at will).
"""

from __future__ import annotations

import functools
import ipaddress
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from multidict import MultiMapping

from resolver.config import Network
from resolver.errors import BarredError, ResolverError, TooManyRequestsError
from resolver.model.site import IPAddress
from resolver.observe import Observer
from resolver.resolution.toll import Kind
from resolver.web.access_lists import AccessLists
from resolver.web.buckets import Buckets, State
from resolver.web.clients import read_address, read_visitor_address

__all__ = ["FREE", "Admission", "Pass", "Refusal", "client_of"]

logger = logging.getLogger(__name__)

IPV6_CLIENT_BITS = 64
MAX_STANDINGS = 10_000
"""Addresses whose standing is remembered, to spare parsing them; forgotten all at once when there are more."""

DRY_RUN_LOG_PAUSE_S = 60.0

_NO_HEADERS: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Standing:
    client: str
    exempt: bool
    denied: bool


@dataclass(frozen=True, slots=True)
class Pass:
    """The visitor is served."""

    account: Callable[[Kind], None] | None = None
    """Pays for what the request causes; ``None`` where nothing is counted."""
    describe: Callable[[], tuple[tuple[str, str], ...]] | None = None

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What the answer says about the visitor's allowance, as it is now."""
        return _NO_HEADERS if self.describe is None else self.describe()


FREE = Pass()
"""Of whom nothing is counted."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The visitor is not served."""

    error: ResolverError
    status: int
    headers: tuple[tuple[str, str], ...]


def client_of(address: IPAddress | None) -> str:
    """Return whose bucket an address spends from; who cannot be told apart shares one."""
    if address is None:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        return f"{int(address) >> (128 - IPV6_CLIENT_BITS):x}"
    return str(address)


class Admission:
    """Decides who is served."""

    def __init__(
        self,
        lists: AccessLists,
        buckets: Buckets | None,
        costs: Mapping[Kind, float],
        *,
        trusted_proxies: Sequence[Network] = (),
        dry_run: bool = False,
        observer: Observer | None = None,
        clock: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            lists: who is always served, and who never.
            buckets: what clients have left; ``None`` if that is not limited.
            costs: what each kind of work takes out of a bucket.
            trusted_proxies: whose word about the visitor's address counts.
            dry_run: refuse nobody, and only count who would have been.
            observer: told of each refusal.
            clock: seconds, never set back.
        """
        self._lists = lists
        self._buckets = buckets
        self._costs = dict(costs)
        self._trusted = tuple(trusted_proxies)
        self._dry_run = dry_run
        self._observer = observer or Observer()
        self._clock = clock
        self._standings: dict[str | None, _Standing] = {}
        self._standings_of = 0
        self._unlogged = 0
        self._logged_at = -math.inf
        if buckets is not None:
            allowance = buckets.allowance
            self._policy = ("RateLimit-Policy", _policy(allowance.burst, allowance.window_s))

    def admit(self, peer: str | None, headers: MultiMapping[str]) -> Pass | Refusal:
        """Decide about a request, and take the price of a hit for it.

        Args:
            peer: address of whoever opened the connection.
            headers: of the request.
        """
        standing = self._standing(peer, headers)
        if standing.exempt:
            return FREE
        if standing.denied and not self._only_counts("denied"):
            return Refusal(BarredError("Your network is not served here."), 403, _NO_HEADERS)
        buckets, client = self._buckets, standing.client
        if buckets is None:
            return FREE
        state = buckets.spend(client, self._costs["hit"])
        if state.retry_after_s and not self._only_counts("rate"):
            error = self._too_many(state)
            return Refusal(error, 429, error.headers)
        return Pass(
            functools.partial(self._charge, buckets, client),
            functools.partial(self._look, buckets, client),
        )

    def lines(self, peer: str | None, headers: MultiMapping[str]) -> bytes | None:
        """Decide about a request whose answer is at hand, as ``admit`` does.

        Returns:
            Header lines to add, each after a line break; ``None`` if the visitor is not served.
        """
        passed = self.admit(peer, headers)
        if isinstance(passed, Refusal):
            return None
        return "".join(f"\r\n{name}: {value}" for name, value in passed.headers).encode("latin-1")

    def _charge(self, buckets: Buckets, client: str, kind: Kind) -> None:
        state = buckets.spend(client, self._costs[kind])
        if state.retry_after_s and not self._only_counts("rate"):
            raise self._too_many(state)

    def _look(self, buckets: Buckets, client: str) -> tuple[tuple[str, str], ...]:
        return self._describe(buckets.look(client))

    def _describe(self, state: State) -> tuple[tuple[str, str], ...]:
        """Return what draft-ietf-httpapi-ratelimit-headers has a server say."""
        left = f'"default";r={math.floor(state.left)};t={math.ceil(state.full_in_s)}'
        return (self._policy, ("RateLimit", left))

    def _too_many(self, state: State) -> TooManyRequestsError:
        retry_after = ("Retry-After", str(max(1, math.ceil(state.retry_after_s))))
        return TooManyRequestsError(
            "Too many requests from your network.", (*self._describe(state), retry_after)
        )

    def _standing(self, peer: str | None, headers: MultiMapping[str]) -> _Standing:
        if self._standings_of != self._lists.version or len(self._standings) > MAX_STANDINGS:
            self._standings.clear()
            self._standings_of = self._lists.version
        if self._trusted:
            address = read_visitor_address(peer, headers, self._trusted)
            peer = None if address is None else str(address)
        found = self._standings.get(peer)
        if found is None:
            address = read_address(peer)
            exempt = address is not None and self._lists.allows(address)
            denied = address is not None and self._lists.denies(address)
            found = self._standings[peer] = _Standing(client_of(address), exempt, denied)
        return found

    def _only_counts(self, reason: str) -> bool:
        """Count a refusal; return whether it is none, because nobody is refused."""
        self._observer.refused("dry_run" if self._dry_run else reason)
        if not self._dry_run:
            return False
        self._unlogged += 1
        if self._clock() - self._logged_at >= DRY_RUN_LOG_PAUSE_S:
            logger.info("would have been refused last=%s requests=%d", reason, self._unlogged)
            self._logged_at, self._unlogged = self._clock(), 0
        return True


def _policy(burst: float, window_s: float) -> str:
    return f'"default";q={math.floor(burst)};w={max(1, math.ceil(window_s))}'
