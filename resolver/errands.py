"""What commands ask of a resolver that runs: the wishes of ``handle-resolver cache``, over its admin listener."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from resolver.config import Settings
from resolver.errors import SettingsError

__all__ = ["AdminClient", "handle_path"]

TIMEOUT_S = 60.0


def _admin_host(settings: Settings) -> str:
    """Return where the admin listener is reached from here; one on all addresses is asked on loopback."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.admin_host, settings.admin_host)  # noqa: S104


class AdminClient:
    """Talks to the admin listener."""

    def __init__(self, settings: Settings, *, timeout_s: float = TIMEOUT_S) -> None:
        self._host, self._port = _admin_host(settings), settings.admin_port
        self._timeout_s = timeout_s

    def ask(self, method: str, path: str) -> tuple[int, Any]:
        """Send a request without a body, and return the status and the JSON of the answer.

        Raises:
            SettingsError: nobody answers, or not with JSON.
        """
        with self._answer(method, path) as answer:
            octets = answer.read()
        try:
            return answer.status, json.loads(octets)
        except ValueError as error:
            raise SettingsError(f"{self._place} answers {answer.status}, and not with JSON") from error

    def warm(self, handles: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Have handles fetched, and tell of each how that went, as soon as it is known.

        Raises:
            SettingsError: nobody answers, or breaks off.
        """
        body = json.dumps({"handles": list(handles)}).encode()
        with self._answer("POST", "/cache/warm", body) as answer:
            if answer.status != 200:
                raise SettingsError(
                    f"{self._place} answers {answer.status}: {answer.read(1000).decode(errors='replace')}"
                )
            for line in answer:
                yield json.loads(line)

    @property
    def _place(self) -> str:
        return f"{self._host}:{self._port}"

    @contextlib.contextmanager
    def _answer(
        self, method: str, path: str, body: bytes | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, path, body, headers)
            with connection.getresponse() as answer:
                yield answer
        except (OSError, http.client.HTTPException) as error:
            raise SettingsError(f"no answer from {self._place}: {error}") from error
        finally:
            connection.close()


def handle_path(handle: str) -> str:
    """Return where the admin listener tells about a handle."""
    return f"/cache/handles/{quote(handle, safe='', errors='surrogateescape')}"
