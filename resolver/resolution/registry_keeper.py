"""Keeps what is known of the Global Handle Registry up to date: fetched daily, verified, saved.

New data count only if every answer on the way was signed by the server that gave it, and the records by
somebody whom the root of trust of the *present* data allows to. If anything of that fails, the old data stay.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from pathlib import Path

from resolver.errors import InvalidHandleError, ResolverError, SettingsError, UpstreamError
from resolver.model.handle import ROOT_HANDLE, TRUST_ROOT_HANDLE, Handle, fold_ascii
from resolver.model.record import HandleRecord
from resolver.protocol.text import strict_text
from resolver.resolution.bootstrap import Registry, registry_from_records
from resolver.resolution.saved_registry import SavedRegistry, load_saved_registry, save_registry
from resolver.resolution.service import Resolver
from resolver.resolution.verification import judge
from resolver.tasks import Background
from resolver.trust.chain import verify_record

__all__ = ["RegistryKeeper"]

logger = logging.getLogger(__name__)

MAX_AGE_S = 23 * 3600.0
"""Age from which the data are fetched anew."""

PAUSE_S = 300.0
"""Between two attempts, whatever servers say."""

FIRST_DELAY_S = 10.0
"""Longest wait after the start, so that workers do not all ask at once."""

MAX_SERVICE_HANDLES = 50


class RegistryKeeper:
    """Refreshes the registry data of one resolver."""

    def __init__(
        self,
        resolver: Resolver,
        base: Registry,
        *,
        fetched_at: float,
        folder: Path | None,
        background: Background,
        clock: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            resolver: asked for the records, and told when there are newer ones.
            base: the data that the operator has decided to trust.
            fetched_at: age of what the resolver begins with, in seconds since 1970.
            folder: where to save, if anywhere.
            background: owns the work.
            clock: seconds since 1970.
        """
        self._resolver = resolver
        self._base = base
        self._fetched_at = fetched_at
        self._folder = folder
        self._background = background
        self._clock = clock
        self._wanted = asyncio.Event()

    def start(self) -> None:
        """Begin to keep the data fresh."""
        self._resolver.on_registry_outdated = self._wanted.set
        if self._base.trust_keys:
            self._background.start(self._keep(), name="registry-keeper")
        else:
            logger.info("registry data are not refreshed: they name no root of trust to verify newer ones by")

    async def _keep(self) -> None:
        await asyncio.sleep(random.random() * FIRST_DELAY_S)  # noqa: S311 - only spreads load
        while True:
            age_s = self._clock() - self._fetched_at
            if age_s >= MAX_AGE_S or self._wanted.is_set():
                self._wanted.clear()
                await self.refresh()
                await asyncio.sleep(PAUSE_S)
                continue
            try:
                async with asyncio.timeout(max(1.0, MAX_AGE_S - age_s)):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def refresh(self) -> bool:
        """Fetch, verify, adopt and save newer data; return whether that went well. Never raises ours."""
        try:
            if not self._adopt_saved():
                self._adopt(SavedRegistry(await self._fetch(), self._clock()))
        except (ResolverError, OSError) as error:
            logger.warning("registry data could not be refreshed, the old ones stay: %s", error)
            return False
        return True

    def _adopt_saved(self) -> bool:
        """Take over what another worker has saved meanwhile."""
        try:
            saved = load_saved_registry(self._folder, self._base) if self._folder else None
        except SettingsError as error:
            logger.warning("saved data of the registry are left aside: %s", error)
            return False
        if (
            saved is None
            or saved.fetched_at <= self._fetched_at
            or self._clock() - saved.fetched_at >= MAX_AGE_S
        ):
            return False
        self._resolver.adopt(saved.registry)
        self._fetched_at = saved.fetched_at
        return True

    def _adopt(self, fresh: SavedRegistry) -> None:
        self._resolver.adopt(fresh.registry)
        self._fetched_at = fresh.fetched_at
        logger.info("registry data are fresh sites=%d", len(fresh.registry.sites))
        if self._folder is not None:
            save_registry(self._folder, fresh, self._base)

    # --- fetching ----------------------------------------------------------------------------------------

    async def _fetch(self) -> Registry:
        known = self._resolver.registry
        records: dict[str, HandleRecord] = {}
        for name in (TRUST_ROOT_HANDLE, ROOT_HANDLE):
            records[name] = await self._record(Handle(name))
        waiting = [*_services(records[ROOT_HANDLE]), *filter(None, [known.preferred_service])]
        while waiting and len(records) < MAX_SERVICE_HANDLES:
            handle = waiting.pop(0)
            key = fold_ascii(handle.text)
            if key not in records:
                try:
                    records[key] = await self._record(handle)
                except ResolverError as error:
                    logger.warning("service %r of the registry is left out: %s", handle.text, error)
                    continue
                waiting += _services(records[key])
        verified = [record for record in records.values() if await self._is_trusted(record, records)]
        try:
            fresh = registry_from_records(verified, known.preferred_service)
        except SettingsError as error:
            raise UpstreamError(str(error)) from error
        if not fresh.trust_keys:
            raise UpstreamError("the new data have no root of trust")
        return fresh

    async def _record(self, handle: Handle) -> HandleRecord:
        resolved = await self._resolver.resolve(handle, authoritative=True, certified=True)
        return resolved.record

    async def _is_trusted(self, record: HandleRecord, records: dict[str, HandleRecord]) -> bool:
        async def fetch(handle: Handle) -> HandleRecord:
            return records.get(fold_ascii(handle.text)) or await self._record(handle)

        inquiry = verify_record(record, self._resolver.registry.trust_keys, self._clock())
        verdict = await judge(inquiry, fetch)
        if verdict.is_trusted:
            return True
        if fold_ascii(record.handle) in (ROOT_HANDLE, TRUST_ROOT_HANDLE):
            raise UpstreamError(f"the record of {record.handle} is not to be trusted: {verdict.reason}")
        logger.warning("service %r of the registry is left out: %s", record.handle, verdict.reason)
        return False


def _services(record: HandleRecord) -> Iterable[Handle]:
    for value in record.values:
        if value.type in ("HS_SERV", "HS_SERV.PREFIX"):
            text = (strict_text(value.data) or "").strip()
            try:
                handle = Handle.parse(text)
            except InvalidHandleError:
                continue
            if fold_ascii(handle.text) != ROOT_HANDLE:
                yield handle
