"""Resolving handles from Python: the whole resolver without the web in front of it."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from resolver.config import Settings
from resolver.model.handle import Handle
from resolver.model.record import HandleRecord, select_values
from resolver.observe import Observer
from resolver.resolution.aliases import follow_aliases
from resolver.resolution.assembly import Assembly, assemble
from resolver.resolution.service import Resolved

__all__ = ["HandleClient"]


class HandleClient:
    """Resolves handles through the Handle System, with a memory of its own.

    ::

        async with HandleClient() as client:
            record = await client.resolve("10.1000/1")
            for value in record.values:
                print(value.index, value.type, value.data)
    """

    def __init__(self, settings: Settings | None = None) -> None:
        """Prepare; nothing is connected before the first lookup.

        Args:
            settings: what ``handle-resolver serve`` can be told as well: another registry, Redis, time limits.
        """
        self._settings = settings or Settings()
        self._assembly: Assembly | None = None

    async def __aenter__(self) -> HandleClient:
        """Begin.

        Raises:
            SettingsError: a file that the settings name cannot be used.
        """
        self._assembly = assemble(self._settings, Observer())
        self._assembly.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End, and give connections back."""
        if self._assembly is not None:
            await self._assembly.close()
            self._assembly = None

    async def resolve(
        self,
        handle: str,
        *,
        types: Sequence[str] = (),
        indexes: Sequence[int] = (),
        authoritative: bool = False,
        certified: bool = False,
        aliases: bool = False,
    ) -> HandleRecord:
        """Return the record of ``handle``, or those of its public values that are asked for.

        Args:
            handle: such as ``20.500.12345/abc``, without ``hdl:`` or the address of a resolver.
            types: only values of these types; ``URL.`` stands for all that begin with ``URL.``.
            indexes: only values with these indexes; with ``types``, either will do.
            authoritative: ask a primary server, whatever is remembered.
            certified: take only answers signed by the servers responsible.
            aliases: follow ``HS_ALIAS`` to the record it leads to.

        Raises:
            HandleNotFoundError: there is no such handle; as ``ServiceNotFoundError``, no such prefix.
            InvalidHandleError: ``handle`` is none.
            AliasError: aliases lead in a circle, or on and on.
            UpstreamError: no server gave an answer.
            RuntimeError: used outside ``async with``.
        """
        if self._assembly is None:
            raise RuntimeError("a HandleClient is used within “async with”")
        resolver = self._assembly.resolver

        async def look_up(wanted: Handle) -> Resolved:
            return await resolver.resolve(wanted, authoritative=authoritative, certified=certified)

        followed = await follow_aliases(
            Handle.parse(handle), look_up, _alias_of if aliases else lambda _record: None
        )
        record = followed.resolved.record
        values = select_values(record.values, tuple(types), tuple(indexes))
        return HandleRecord(followed.handle.text, values)


def _alias_of(record: HandleRecord) -> str | None:
    return next((value.data.decode("utf-8", "replace").strip() for value in record.of_type("HS_ALIAS")), None)
