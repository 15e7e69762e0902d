"""Choosing among several places: by attribute, address, country, score and weight, as ``10320/loc`` describes.

The root element names the methods and their order (``chooseby``). Each method keeps some of the candidates;
one that would keep none is passed over; as soon as one candidate is left, it is the answer. What is looked
at on the way (request headers, the visitor's address, chance) is noted, since caches must know it, and so
is the method that removed each of the others, for whoever asks why.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from resolver.answer.negotiation import Requester, is_for_browsers, language_matches, read_weighted
from resolver.answer.targets import Target
from resolver.model.location import Location
from resolver.model.site import IPAddress

__all__ = ["DEFAULT_METHODS", "Candidate", "Choice", "Circumstances", "choose_location"]

DEFAULT_METHODS = ("locatt", "address", "country", "score", "weighted")

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})")


class Candidate(Struct, frozen=True):
    """A place that can be redirected to."""

    location: Location
    target: Target
    weight: float
    http_status: int | None = None
    """What its author, or that of its document, wants as status."""
    is_legacy: bool = False
    """Taken from a plain ``URL`` value."""
    origin: str = ""
    """The handle of the record it comes from, if not the one asked for."""


class Circumstances(Struct, frozen=True):
    """What the methods look at beside the candidates."""

    wanted_attributes: tuple[tuple[str, str | None], ...] = ()
    """From ``locatt=key:value``; ``None`` where any value will do."""
    requester: Requester = Requester()
    country: str | None = None
    """Two letters in lower case."""
    country_is_explicit: bool = False
    """From ``country=``, and so part of the URL."""
    address: IPAddress | None = None
    address_is_explicit: bool = False
    is_strict: bool = False
    """Whether a program that accepts nothing of what is offered is told so, in place of the next best."""


@dataclass(slots=True)
class Choice:
    """Which candidate it is, and how it came to that."""

    candidate: Candidate
    looked_at: set[str] = field(default_factory=set)
    """Request headers, in the spelling for ``Vary``."""
    is_personal: bool = False
    """Whether the visitor's address or chance decided, so that nobody else may be given the same answer."""
    removed: list[tuple[Candidate, str]] = field(default_factory=list)
    """Every other candidate, with the method that removed it."""
    unmet_types: tuple[str, ...] = ()
    """The media types on offer, if the program asked for others and got none of them."""


def choose_location(
    candidates: Sequence[Candidate],
    methods: Sequence[str],
    circumstances: Circumstances,
    chance: Callable[[], float],
) -> Choice:
    """Choose one of the candidates.

    Args:
        candidates: at least one.
        methods: their names in order; unknown ones are ignored.
        circumstances: what they look at.
        chance: gives a random number from 0 up to, but not including, 1.
    """
    choosing = _Choosing(list(candidates), circumstances)
    for method in methods:
        if len(choosing.left) == 1:
            break
        match method.strip().lower():
            case "locatt":
                choosing.by_attributes()
            case "address":
                choosing.by_address()
            case "country":
                choosing.by_country()
            case "score":
                choosing.by_score()
            case "weighted":
                break  # it leaves one; named or not, it comes last
            case _:
                continue
    return choosing.by_weight(chance)


class _Choosing:
    """The candidates that are left, and what happened to the others."""

    def __init__(self, left: list[Candidate], circumstances: Circumstances) -> None:
        self.left = left
        self._circumstances = circumstances
        self._looked_at: set[str] = set()
        self._is_personal = False
        self._removed: list[tuple[Candidate, str]] = []
        self._unmet_types: tuple[str, ...] = ()

    def _keep(self, method: str, wanted: Callable[[Candidate], bool]) -> bool:
        """Keep the wanted ones, if there are any; return whether there were."""
        kept = [candidate for candidate in self.left if wanted(candidate)]
        if not kept:
            return False
        self._removed += [(candidate, method) for candidate in self.left if not wanted(candidate)]
        self.left = kept
        return True

    # --- methods -----------------------------------------------------------------------------------------

    def by_attributes(self) -> None:
        """Keep what the URL asks for by attribute, then what the request's headers ask for."""
        for name, value in self._circumstances.wanted_attributes:
            self._keep(
                "locatt",
                lambda candidate, name=name, value=value: (  # type: ignore[misc]  # mypy cannot infer defaults of a lambda
                    candidate.location.has(name) if value is None else candidate.location.get(name) == value
                ),
            )
        self._by_media_type()
        self._by_language()

    def _by_media_type(self) -> None:
        if len(self.left) == 1 or not any(_negotiates(candidate) for candidate in self.left):
            return
        self._looked_at.add("Accept")
        requester = self._circumstances.requester
        accepted = read_weighted(requester.accept)
        if not accepted or set(accepted) == {"*/*"}:
            self._looked_at.add("User-Agent")
            if requester.is_browser:
                self._for_browsers()
            elif not self._keep("Accept", _has_role("no_conneg")):
                self._keep("Accept", lambda candidate: candidate.location.get("http_role") != "conneg")
        elif is_for_browsers(accepted[0]):
            self._for_browsers()
        else:
            self._for_tools(accepted)

    def _for_browsers(self) -> None:
        if self._keep("Accept", _has_role("browser")):
            return
        if not self._keep("Accept", lambda candidate: any(map(is_for_browsers, _media_types(candidate)))):
            self._keep("Accept", lambda candidate: candidate.location.get("http_role") != "conneg")

    def _for_tools(self, accepted: Sequence[str]) -> None:
        for media_type in accepted:
            if "*" in media_type:
                break
            if self._keep("Accept", lambda candidate, wanted=media_type: wanted in _media_types(candidate)):  # type: ignore[misc]  # mypy cannot infer defaults of a lambda
                return
        offered = {media_type for candidate in self.left for media_type in _media_types(candidate)}
        if self._keep("Accept", _has_role("conneg")) and self._keep("Accept", _decides_itself):
            return
        if not any(_accepts(pattern, media_type) for pattern in accepted for media_type in offered):
            self._unmet_types = tuple(sorted(offered))

    def _by_language(self) -> None:
        if len(self.left) == 1 or not any(candidate.location.has("language") for candidate in self.left):
            return
        self._looked_at.add("Accept-Language")
        for wanted in read_weighted(self._circumstances.requester.accept_language):
            if wanted == "*":
                return
            if self._keep(
                "Accept-Language",
                lambda candidate, wanted=wanted: _is_in_language(candidate, wanted),  # type: ignore[misc]  # mypy cannot infer defaults of a lambda
            ):
                return

    def by_address(self) -> None:
        """Keep the places meant for the visitor's network, else those meant for no network in particular."""
        if not any(candidate.location.has("addresses") for candidate in self.left):
            return
        self._is_personal |= not self._circumstances.address_is_explicit
        address = self._circumstances.address
        if address is None:
            return
        if not self._keep("address", lambda candidate: _covers(candidate.location.get("addresses"), address)):
            self._keep("address", lambda candidate: not candidate.location.has("addresses"))

    def by_country(self) -> None:
        """Keep the places meant for the visitor's country, else those meant for no country in particular."""
        if not any(candidate.location.has("country") for candidate in self.left):
            return
        # Also where the visitor's country is not known: somebody else's is, and he must not get this answer.
        self._is_personal |= not self._circumstances.country_is_explicit
        country = self._circumstances.country
        if country is None:
            return
        if not self._keep("country", lambda candidate: _is_country(candidate, country)):
            self._keep("country", lambda candidate: not candidate.location.has("country"))

    def by_score(self) -> None:
        """Keep those with the best score; those without one count as zero, and a negative score never wins."""
        scores = [_number(candidate.location.get("score"), 0.0) for candidate in self.left]
        best = max(scores)
        if best < 0 or not any(candidate.location.has("score") for candidate in self.left):
            return
        self._keep("score", lambda candidate: _number(candidate.location.get("score"), 0.0) == best)

    def by_weight(self, chance: Callable[[], float]) -> Choice:
        """Draw one, in proportion to the weights; without positive weights all are equal."""
        positive = [candidate for candidate in self.left if candidate.weight > 0]
        if positive:
            self._keep("weighted", lambda candidate: candidate.weight > 0)
        chosen = self.left[0]
        if len(self.left) > 1:
            self._is_personal = True
            weights = [candidate.weight if positive else 1.0 for candidate in self.left]
            chosen = self.left[_draw(weights, chance())]
            self._removed += [(candidate, "weighted") for candidate in self.left if candidate is not chosen]
        return Choice(chosen, self._looked_at, self._is_personal, self._removed, self._unmet_types)


def _draw(weights: Sequence[float], chance: float) -> int:
    left = chance * sum(weights)
    for position, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return position
    return len(weights) - 1


def _negotiates(candidate: Candidate) -> bool:
    return any(candidate.location.has(name) for name in ("http_role", "ctype", "media-type"))


def _has_role(role: str) -> Callable[[Candidate], bool]:
    return lambda candidate: candidate.location.get("http_role") == role


def _decides_itself(candidate: Candidate) -> bool:
    """Whether the place names no type of its own, and so finds out itself what it can give."""
    return not _media_types(candidate)


def _media_types(candidate: Candidate) -> tuple[str, ...]:
    texts = (candidate.location.get("ctype"), candidate.location.get("media-type"))
    return tuple(text.partition(";")[0].strip().lower() for text in texts if text)


def _accepts(pattern: str, media_type: str) -> bool:
    """Whether an item of ``Accept``, perhaps with a wildcard, means this type."""
    return pattern == "*/*" or pattern == media_type or pattern == f"{media_type.partition('/')[0]}/*"


def _is_in_language(candidate: Candidate, wanted: str) -> bool:
    offered = candidate.location.get("language")
    return bool(offered) and language_matches(offered or "", wanted)


def _is_country(candidate: Candidate, country: str) -> bool:
    return (candidate.location.get("country") or "").strip().lower() == country


def _covers(networks: str | None, address: IPAddress) -> bool:
    for text in re.split(r"[\s,;]+", networks or ""):
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue
        if network.version == address.version and address in network:
            return True
    return False


def _number(text: str | None, default: float) -> float:
    return float(text) if text is not None and _NUMBER.fullmatch(text.strip()) else default
