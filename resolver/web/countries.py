"""From a visitor's address to a country, by a database in MaxMind format that the operator provides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from resolver.errors import SettingsError
from resolver.model.site import IPAddress

__all__ = ["CountryOf", "open_country_database"]

CountryOf = Callable[[IPAddress | None], str | None]


def open_country_database(path: Path | None) -> CountryOf:
    """Return a function from an address to two letters in lower case, or ``None`` where it is not known.

    Raises:
        SettingsError: the file is no such database, or the package ``maxminddb`` is missing.
    """
    if path is None:
        return lambda _: None
    try:
        import maxminddb
    except ImportError as error:
        raise SettingsError(
            "geoip needs the package maxminddb: pip install 'handle-resolver[geo]'"
        ) from error
    try:
        # The whole file in memory: lookups then need no system call, and a file replaced under way does no harm.
        database = maxminddb.open_database(str(path), maxminddb.MODE_MEMORY)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise SettingsError(f"geoip: {path} cannot be used: {error}") from error

    def country_of(address: IPAddress | None) -> str | None:
        if address is None:
            return None
        try:
            return _code_in(database.get(address))
        except (ValueError, maxminddb.InvalidDatabaseError):
            return None  # IPv6 in a database for IPv4, or a damaged one

    return country_of


def _code_in(found: Any) -> str | None:
    match found:
        case {"country": {"iso_code": str(code)}} | {"registered_country": {"iso_code": str(code)}}:
            return code.lower()
        case {"country_code": str(code)} | {"country": str(code)}:
            return code.lower()
        case _:
            return None
