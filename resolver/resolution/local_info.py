"""Services that an operator names: for some prefixes without the registry, or a gateway for everything.

The files are those of Handle.Net clients: ``local_info.json`` is a list of ``{"nas": ["0.NA/20.500.1"], "site":
{…}}``, and ``resolver_site.json`` holds one site.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resolver.errors import InvalidHandleError, MessageFormatError, SettingsError
from resolver.model.handle import PREFIX_SPACE, Handle, fold_ascii
from resolver.model.site import Site
from resolver.protocol.json_sites import site_from_json

__all__ = ["load_gateway", "load_local_info"]

MAX_FILE_OCTETS = 16 * 1024 * 1024


def load_local_info(path: Path) -> Mapping[str, tuple[Site, ...]]:
    """Return the sites of each prefix that the file lists, by the folded handle of the prefix.

    Raises:
        SettingsError: the file cannot be read or used; the message says why.
    """
    content = _read(path)
    if not isinstance(content, list):
        raise SettingsError(f'{path}: must be a list of objects with "nas" and "site"')
    found: dict[str, tuple[Site, ...]] = {}
    for number, entry in enumerate(content, 1):
        try:
            match entry:
                case {"nas": list(names), "site": shown}:
                    site = site_from_json(shown)
                    for name in names:
                        key = _prefix_handle(name)
                        found[key] = (*found.get(key, ()), site)
                case _:
                    raise MessageFormatError('must be an object with "nas" and "site"')
        except (MessageFormatError, InvalidHandleError) as error:
            raise SettingsError(f"{path}: entry {number}: {error}") from error
    return found


def load_gateway(path: Path) -> tuple[Site, ...]:
    """Return the site, or the list of sites, that the file describes.

    Raises:
        SettingsError: the file cannot be read or used; the message says why.
    """
    content = _read(path)
    try:
        return tuple(site_from_json(shown) for shown in (content if isinstance(content, list) else [content]))
    except MessageFormatError as error:
        raise SettingsError(f"{path}: {error}") from error


def _prefix_handle(name: Any) -> str:
    if not isinstance(name, str):
        raise MessageFormatError(f"{name!r} is no prefix")
    folded = fold_ascii(Handle.parse(name.strip()).text)
    return folded if "/" in folded else f"{PREFIX_SPACE}/{folded}"


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_FILE_OCTETS:
            raise SettingsError(f"{path}: larger than {MAX_FILE_OCTETS} octets")
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is no JSON: {error}") from error
