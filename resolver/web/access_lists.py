"""Networks that are never refused, and networks that always are: two files, read anew when they change."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Iterable
from pathlib import Path

from resolver.config import Network
from resolver.errors import SettingsError
from resolver.model.site import IPAddress

__all__ = ["AccessLists", "NetworkSet", "WatchedList", "read_network_list"]

logger = logging.getLogger(__name__)

MAX_LIST_OCTETS = 16 * 1024 * 1024
WATCH_PAUSE_S = 2.0
"""Between two looks at the files."""


class NetworkSet:
    """Tells whether an address lies in any of many networks, by one look for each length of prefix among them."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        found: dict[tuple[int, int], set[int]] = {}
        for network in networks:
            shift = network.max_prefixlen - network.prefixlen
            found.setdefault((network.version, shift), set()).add(int(network.network_address) >> shift)
        self._by_version: dict[int, tuple[tuple[int, set[int]], ...]] = {
            version: tuple((shift, numbers) for (v, shift), numbers in found.items() if v == version)
            for version in (4, 6)
        }

    def __len__(self) -> int:
        return sum(len(numbers) for lengths in self._by_version.values() for _, numbers in lengths)

    def __contains__(self, address: IPAddress) -> bool:
        number = int(address)
        return any(number >> shift in numbers for shift, numbers in self._by_version[address.version])


def read_network_list(text: str) -> NetworkSet:
    """Read networks, one a line; what follows ``#`` is a remark.

    Raises:
        ValueError: a line is no network; the message says which.
    """
    networks = []
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.partition("#")[0].strip()
        if entry:
            try:
                network = ipaddress.ip_network(entry, strict=False)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
            networks.append(_unwrapped(network))
    return NetworkSet(networks)


def _unwrapped(network: Network) -> Network:
    """Return IPv4 for IPv4 in the notation of IPv6, which is how addresses of visitors are read as well."""
    inner = getattr(network.network_address, "ipv4_mapped", None)
    if inner is None or network.prefixlen < 96:
        return network
    return ipaddress.ip_network(f"{inner}/{network.prefixlen - 96}")


class WatchedList:
    """The networks in a file, as it is now."""

    def __init__(self, path: Path | None) -> None:
        """Read the file; without one the list is empty.

        Raises:
            SettingsError: it cannot be read.
        """
        self.networks = NetworkSet()
        self._path = path
        self._seen: object = None
        try:
            self.reread()
        except (OSError, ValueError) as error:
            raise SettingsError(f"{path}: {getattr(error, 'strerror', None) or error}") from error

    def reread(self) -> bool:
        """Read the file if it is another one than before; return whether it is.

        Raises:
            OSError: it cannot be read; the networks stay what they were.
            ValueError: it can, and is no list of networks; likewise.
        """
        if self._path is None:
            return False
        facts = self._path.stat()
        seen = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
        if seen == self._seen:
            return False
        # Also if it turns out to be no list: it is complained about once, not at every look.
        self._seen = seen
        if facts.st_size > MAX_LIST_OCTETS:
            raise ValueError(f"larger than {MAX_LIST_OCTETS} octets")
        self.networks = read_network_list(self._path.read_text("utf-8"))
        return True

    def __str__(self) -> str:
        return str(self._path)


class AccessLists:
    """Both lists."""

    def __init__(self, allow: Path | None = None, deny: Path | None = None) -> None:
        """Read the files.

        Raises:
            SettingsError: one of them cannot be read.
        """
        self._allowed = WatchedList(allow)
        self._denied = WatchedList(deny)
        self.version = 0
        """Grows whenever a list has changed."""

    def allows(self, address: IPAddress) -> bool:
        """Whether an address is never refused, for whatever reason."""
        return address in self._allowed.networks

    def denies(self, address: IPAddress) -> bool:
        """Whether an address is refused, unless it is allowed."""
        return address in self._denied.networks

    async def watch(self, pause_s: float = WATCH_PAUSE_S) -> None:
        """Read the files anew when they change, for ever; meant for a background task."""
        complained: set[str] = set()
        while True:
            await asyncio.sleep(pause_s)
            for watched in (self._allowed, self._denied):
                try:
                    # In a thread: a long list on a slow disk would hold up everybody.
                    changed = await asyncio.to_thread(watched.reread)
                except (OSError, ValueError) as error:
                    if f"{watched} {error}" not in complained:
                        complained.add(f"{watched} {error}")
                        logger.warning("list of networks stays as it was file=%s error=%s", watched, error)
                    continue
                if changed:
                    complained.clear()
                    self.version += 1
                    logger.info(
                        "list of networks read anew file=%s networks=%d", watched, len(watched.networks)
                    )
