"""Visitors who come without pause while something fails, over connections of their own and over kept ones."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlsplit

from tests.integration.faults.servers import place_of

__all__ = ["Traffic"]

PATIENCE_S = 15.0


class Traffic:
    """Visitors in threads, until the block ends."""

    def __init__(
        self, url: str, handles: Sequence[str], *, visitors: int = 4, pause_s: float = 0.003
    ) -> None:
        where = urlsplit(url)
        self._host, self._port = where.hostname or "", where.port
        self._handles = handles
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.seen: Counter[str] = Counter()
        """How often what was seen: ``right``, a status, ``refused`` where nobody listened, or ``lost``."""
        self.slowest_s = 0.0
        self._threads = [threading.Thread(target=self._visit, args=(number,)) for number in range(visitors)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int) -> None:
        """Wait until so many more answers have come."""
        wanted = sum(self.seen.values()) + more
        ends_at = time.monotonic() + PATIENCE_S
        while sum(self.seen.values()) < wanted and time.monotonic() < ends_at:
            time.sleep(0.01)

    def _visit(self, number: int) -> None:
        kept: http.client.HTTPConnection | None = None
        asked = number
        while not self._stop.is_set():
            asked += 1
            handle = self._handles[asked % len(self._handles)]
            connection = kept or http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE_S)
            was_kept = kept is not None
            started = time.monotonic()
            try:
                # A parameter that means nothing: no answer to another request can be given again.
                connection.request("GET", f"/{handle}?visit={number}.{asked}")
                response = connection.getresponse()
                response.read()
                right = response.status == 302 and response.headers["Location"] == place_of(handle)
                seen = "right" if right else str(response.status)
                # Every other visitor keeps the connection as long as the program does.
                kept = connection if number % 2 and not response.will_close else None
            except ConnectionRefusedError:
                seen = "refused"
                kept = None
            except (OSError, http.client.HTTPException):
                # On a kept connection every client asks once more: the server may have closed it meanwhile (RFC 9112).
                seen = "again" if was_kept else "lost"
                kept = None
            if kept is None:
                connection.close()
            if seen == "again":
                connection.close()
                asked -= 1
                continue
            with self._lock:
                self.seen[seen] += 1
                self.slowest_s = max(self.slowest_s, time.monotonic() - started)
            time.sleep(self._pause_s)
        if kept is not None:
            kept.close()
