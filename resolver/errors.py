"""Every error this package raises on purpose, as one tree.

A class exists because somebody handles it differently: ``web/problems.py`` holds the table from class
to HTTP status, ``resolution/service.py`` answers an ``UpstreamError`` from an old record if it has one.
What is not in this tree is a bug.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

__all__ = [
    "AddressRefusedError",
    "AliasError",
    "BarredError",
    "CacheError",
    "ClosingError",
    "CrowdedError",
    "HandleNotFoundError",
    "InvalidHandleError",
    "LookupTimeoutError",
    "MessageFormatError",
    "NoServerAnsweredError",
    "RefusedError",
    "ResolverError",
    "ServiceNotFoundError",
    "SettingsError",
    "SignatureError",
    "TooManyRequestsError",
    "TransportError",
    "UdpUnsuitableError",
    "UpstreamError",
    "without_history",
]


class ResolverError(Exception):
    """Base of all errors of this package."""


class SettingsError(ResolverError):
    """A setting, or a file named by one, cannot be used; the message names it."""


class InvalidHandleError(ResolverError):
    """The text is no handle: empty, too long, or not UTF-8."""


class HandleNotFoundError(ResolverError):
    """The responsible service says that the handle does not exist (response code 100)."""

    def __init__(self, handle: str) -> None:
        super().__init__(f"handle not found: {handle!r}")
        self.handle = handle


class ServiceNotFoundError(HandleNotFoundError):
    """No service is registered for the prefix of the handle, or none that could be read."""

    def __init__(self, handle: str, prefix: str, reason: str) -> None:
        super().__init__(handle)
        self.prefix = prefix
        self.reason = reason

    def __str__(self) -> str:
        return f"no service for prefix {self.prefix!r}: {self.reason}"


class AliasError(ResolverError):
    """A chain of ``HS_ALIAS`` values loops, or is longer than the limit."""

    def __init__(self, chain: Sequence[str], reason: str) -> None:
        super().__init__(f"{reason}: {' -> '.join(chain)}")
        self.chain = tuple(chain)
        self.reason = reason


class ClosingError(ResolverError):
    """The resolver is shutting down or full and takes no new work; try again in a moment."""


class BarredError(ResolverError):
    """The operator does not serve the network that the visitor comes from."""


class TooManyRequestsError(ResolverError):
    """A visitor has spent its allowance; ``headers`` say when to come back, and how much it is."""

    def __init__(self, message: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.headers = headers


class CacheError(ResolverError):
    """The shared cache is not well; the request goes on as after a miss."""


class UpstreamError(ResolverError):
    """The handle network did not give an answer; an old record may stand in."""


class MessageFormatError(UpstreamError):
    """Octets that are no message of the handle protocol, or not the answer to what was asked."""


class TransportError(UpstreamError):
    """A server could not be reached, or did not answer in time."""


class UdpUnsuitableError(TransportError):
    """UDP will not do for this answer, and the same server is better asked by another transport."""


class CrowdedError(UpstreamError):
    """So many questions are on their way to a server that it is not asked another one; it is not at fault."""


class AddressRefusedError(TransportError):
    """A site record names an address that this resolver does not talk to."""


class SignatureError(UpstreamError):
    """An answer that had to be signed is not, or not by whom it should be."""


class RefusedError(UpstreamError):
    """A server refused the request for good; ``code`` is its response code (RFC 3652 section 2.2.2.2)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(
            f"server refused with code {code}: {message}" if message else f"server refused with code {code}"
        )
        self.code = code
        self.message = message


class LookupTimeoutError(UpstreamError):
    """The whole lookup took longer than its deadline."""


class NoServerAnsweredError(UpstreamError):
    """Every server that could be asked was asked; ``attempts`` says how each of them failed."""

    def __init__(self, attempts: Sequence[tuple[str, UpstreamError]]) -> None:
        told = "; ".join(f"{server}: {error}" for server, error in attempts) or "no server could be asked"
        super().__init__(told)
        self.attempts = tuple(attempts)

    @property
    def timed_out(self) -> bool:
        """Whether silence, rather than a bad answer, was the trouble with every server."""
        return self._every(LookupTimeoutError)

    @property
    def crowded(self) -> bool:
        """Whether nobody was asked because too many questions were under way already."""
        return self._every(CrowdedError)

    @property
    def unsigned(self) -> bool:
        """Whether an answer came and was refused for its signature."""
        return any(isinstance(error, SignatureError) for _, error in self.attempts)

    def _every(self, kind: type[UpstreamError]) -> bool:
        return bool(self.attempts) and all(isinstance(error, kind) for _, error in self.attempts)


Error = TypeVar("Error", bound=UpstreamError)


def without_history(error: Error) -> Error:
    """Return the same error without traceback and causes, which keep alive what every frame on the way held."""
    twin = type(error).__new__(type(error), *error.args)
    twin.__dict__.update(error.__dict__)
    if isinstance(twin, NoServerAnsweredError):
        twin.attempts = tuple((server, without_history(cause)) for server, cause in twin.attempts)
    return twin
