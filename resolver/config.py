"""Settings: what an operator may choose, each with a default that works.

Each field of ``Settings`` is an option of ``serve`` (``--cache-max-ttl``), an environment variable
(``RESOLVER_CACHE_MAX_TTL``) and a key of the TOML file (``cache-max-ttl``); they count in that order. What
needs tables, such as the settings of single hosts, stands in the file only. This module is the only one that
knows these names. A value that cannot be used stops the start and is named in the way it was given.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resolver.errors import SettingsError
from resolver.model.site import Transport

__all__ = [
    "ENVIRON_PREFIX",
    "HostSettings",
    "Network",
    "RateCosts",
    "Settings",
    "command_line_fields",
    "field_of",
    "option_name",
    "read_settings",
    "unit_of",
    "unknown_variables",
]

ENVIRON_PREFIX = "RESOLVER_"
MAX_CONFIG_OCTETS = 1024 * 1024

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Parse = Callable[[Any], Any]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004 - all parsers fail in one way
    return value.strip()


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    folded = _text(value).lower()
    if folded in {"1", "true", "yes", "on"}:
        return True
    if folded in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError("must be true or false")


def _whole(low: int, high: int) -> Parse:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not re.fullmatch(r"\d{1,15}", str(value).strip()):
            raise ValueError(f"must be a whole number from {low} to {high}")
        number = int(str(value).strip())
        if not low <= number <= high:
            raise ValueError(f"must be from {low} to {high}")
        return number

    return parse


def _seconds(low: float, high: float) -> Parse:
    def parse(value: Any) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError("must be a number of seconds") from None
        if isinstance(value, bool) or not low <= number <= high:
            raise ValueError(f"must be from {low:g} to {high:g} seconds")
        return number

    return parse


def _number(low: float, high: float) -> Parse:
    def parse(value: Any) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"must be a number from {low:g} to {high:g}") from None
        if isinstance(value, bool) or not low <= number <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return number

    return parse


def _items(value: Any) -> list[str]:
    items = value if isinstance(value, list | tuple) else _text(value).split(",")
    return [_text(item) for item in items if _text(item)]


def _transports(value: Any) -> tuple[Transport, ...]:
    names = _items(value)
    known = ", ".join(transport.name.lower() for transport in Transport)
    try:
        found = tuple(dict.fromkeys(Transport[name.upper()] for name in names))
    except KeyError as error:
        raise ValueError(f"{error.args[0].lower()!r} is none of {known}") from None
    if not found:
        raise ValueError(f"must name at least one of {known}")
    return found


def _networks(value: Any) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(item, strict=False) for item in _items(value))


def _schemes(value: Any) -> tuple[str, ...]:
    schemes = tuple(item.lower().rstrip(":") for item in _items(value))
    for scheme in schemes:
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
            raise ValueError(f"{scheme!r} is no URI scheme")
        if scheme in {"javascript", "data", "vbscript", "file", "blob", "view-source", "about"}:
            raise ValueError(
                f"{scheme}: must never be redirected to, it runs or reads something on the visitor's side"
            )
    return schemes


def _file(value: Any) -> Path | None:
    text = _text(value)
    if not text:
        return None
    path = Path(text)
    if not path.is_file():
        raise ValueError("there is no such file")
    return path


def _folder(value: Any) -> Path | None:
    text = _text(value)
    if not text:
        return None
    path = Path(text)
    if not path.is_dir():
        raise ValueError("there is no such folder")
    return path


def _new_file(value: Any) -> Path | None:
    text = _text(value)
    if not text:
        return None
    path = Path(text)
    if "\0" in text or path.is_dir():
        raise ValueError("must be the name of a file")
    if not path.parent.is_dir():
        raise ValueError("there is no folder for it")
    return path


def _new_folder(value: Any) -> Path | None:
    text = _text(value)
    if not text:
        return None
    try:
        mode = os.stat(text).st_mode  # Path.is_dir() hides every reason, and a bad one may still be made good
    except FileNotFoundError:
        return Path(text)
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot be used: {getattr(error, 'strerror', None) or error}") from error
    if not stat.S_ISDIR(mode):
        raise ValueError("is not a folder")
    return Path(text)


def _base_url(value: Any) -> str:
    text = _text(value).rstrip("/")
    if text and not re.fullmatch(r"https?://[A-Za-z0-9.\-_\[\]:]+(/[A-Za-z0-9.\-_~/]*)?", text):
        raise ValueError("must be like https://hdl.example.org")
    return text


def _redis_url(value: Any) -> str:
    text = _text(value)
    if text and not re.match(r"(rediss?|unix)://", text):
        raise ValueError("must begin with redis://, rediss:// or unix://")
    return text


@dataclass(frozen=True)
class _OneOf:
    choices: tuple[str, ...]

    def __call__(self, value: Any) -> str:
        text = _text(value).lower()
        if text not in self.choices:
            raise ValueError(f"must be one of {', '.join(self.choices)}")
        return text


def _one_of(*choices: str) -> Parse:
    return _OneOf(choices)


def _parameter_names(value: Any) -> tuple[str, ...]:
    names = tuple(_items(value))
    for name in names:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", name):
            raise ValueError(f"{name!r} cannot be the name of a parameter")
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCosts:
    """What a client pays for work; the price of a request is paid for each, the others come on top."""

    hit: float = 1.0
    miss: float = 5.0
    auth: float = 20.0
    batch: float = 20.0

    def __str__(self) -> str:
        return ",".join(f"{name}={price:g}" for name, price in dataclasses.asdict(self).items())


def _rate_costs(value: Any) -> RateCosts:
    prices = {}
    parse = _number(0, 1_000_000)
    for item in _items(value):
        kind, _, price = item.partition("=")
        if kind not in RateCosts.__slots__:
            raise ValueError(f"{kind!r} is none of {', '.join(RateCosts.__slots__)}")
        prices[kind] = parse(price)
    return RateCosts(**prices)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """What differs for visitors who come to one host name; ``None`` where nothing does."""

    name: str
    base_url: str | None = None
    site_name: str | None = None
    contact: str | None = None
    templates: Path | None = None
    prefixes: tuple[str, ...] = ()
    """The only prefixes answered for; empty for all."""
    cache_max_ttl: float | None = None
    retry_auth: bool = False
    """Ask the primary for what a mirror does not know."""
    locatt_shortcuts: tuple[str, ...] = ()
    """In the place of those of all hosts."""

    def __str__(self) -> str:
        return self.name


def _hosts(value: Any) -> tuple[HostSettings, ...]:
    if not isinstance(value, Mapping):
        raise ValueError('must be tables, such as [hosts."hdl.example.org"]')  # noqa: TRY004 - as all parsers
    parsers: dict[str, Parse] = {
        "base_url": _base_url,
        "site_name": _text,
        "contact": _text,
        "templates": _folder,
        "prefixes": lambda given: tuple(_items(given)),
        "cache_max_ttl": _seconds(0, 172800),
        "retry_auth": _flag,
        "locatt_shortcuts": _parameter_names,
    }
    found = []
    for name, table in value.items():
        if not isinstance(table, Mapping):
            raise ValueError(f"{name!r} must be a table")  # noqa: TRY004 - as all parsers
        given = {}
        for key, text in table.items():
            field = str(key).replace("-", "_")
            if field not in parsers:
                raise ValueError(
                    f"{name!r} has no setting {key}; there are {', '.join(map(option_name, parsers))}"
                )
            try:
                given[field] = parsers[field](text)
            except ValueError as error:
                raise ValueError(f"{name!r}: {option_name(field)}={text!r}: {error}") from error
        found.append(HostSettings(name=str(name).lower(), **given))
    return tuple(found)


def _setting(
    default: Any, parse: Parse, text: str, shown: str | None = None, *, only_in_file: bool = False
) -> Any:
    metadata = {"parse": parse, "help": text, "shown": shown, "only_in_file": only_in_file}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is in force. Durations are in seconds."""

    host: str = _setting("127.0.0.1", _text, "Address of the public listener.")
    port: int = _setting(8000, _whole(0, 65535), "Port of the public listener; 0 takes any that is free.")
    admin_host: str = _setting("127.0.0.1", _text, "Address of the admin listener: metrics, health, cache.")
    admin_port: int = _setting(8001, _whole(0, 65535), "Port of the admin listener.")
    workers: int = _setting(1, _whole(1, 256), "Processes that share the public port.")
    base_url: str = _setting(
        "",
        _base_url,
        "Public address that links use, such as https://hdl.example.org.",
        "the Host of each request",
    )
    bootstrap: Path | None = _setting(
        None,
        _file,
        "A bootstrap_handles file that says where resolution begins.",
        "shipped data of the Global Handle Registry",
    )
    allow_private_addresses: bool = _setting(
        False, _flag, "Ask handle servers on loopback, private and link-local addresses too."
    )
    transports: tuple[Transport, ...] = _setting(
        (Transport.UDP, Transport.TCP, Transport.HTTP, Transport.HTTPS),
        _transports,
        "How handle servers are asked, in order of preference.",
    )
    deadline: float = _setting(8.0, _seconds(0.1, 60), "Time for one lookup, retries included.")
    local_info: Path | None = _setting(
        None,
        _file,
        "A local_info.json of Handle.Net: prefixes answered by given sites, without the registry.",
        "none",
    )
    gateway: Path | None = _setting(
        None, _file, "A resolver_site.json of Handle.Net: a site that is asked for everything.", "none"
    )
    preferred_root: str = _setting(
        "", _text, "A service handle of the registry, such as 0.GHR/86, whose sites are asked first.", "none"
    )
    state_dir: Path | None = _setting(
        None, _new_folder, "A folder in which fresh data of the registry are kept between starts.", "none"
    )
    refresh_registry: bool = _setting(True, _flag, "Whether the data of the registry are kept up to date.")
    redis: str = _setting(
        "", _redis_url, "Redis that workers and replicas share, such as redis://localhost:6379/0.", "none"
    )
    cache_max_ttl: float = _setting(
        3600.0, _seconds(0, 172800), "Longest time a record is kept without asking again."
    )
    cache_size: int = _setting(100_000, _whole(0, 100_000_000), "Records kept in the memory of each worker.")
    cache_bytes: int = _setting(128 * 2**20, _whole(0, 2**40), "Octets that these records may take.")
    stale_max: float = _setting(
        86400.0,
        _seconds(0, 2_592_000),
        "How long past its time a record may stand in for a failing upstream.",
    )
    not_found_ttl: float = _setting(
        30.0, _seconds(0, 3600), "How long a handle that does not exist is believed not to."
    )
    prefix_not_found_ttl: float = _setting(
        300.0, _seconds(0, 3600), "The same for a prefix that is not registered."
    )
    failure_ttl: float = _setting(1.0, _seconds(0, 300), "How long a failed lookup is not tried again.")
    max_lookups: int = _setting(
        512,
        _whole(1, 100_000),
        "Lookups under way in each worker; beyond that only what is remembered is answered.",
    )
    max_connections: int = _setting(
        0,
        _whole(0, 10_000_000),
        "Connections of each worker; 0 for four fifths of the files that it may open.",
    )
    rate_limit: float = _setting(
        0.0, _number(0, 1_000_000), "What each client may spend a second; 0 for any amount."
    )
    rate_burst: float = _setting(
        0.0, _number(0, 1_000_000_000), "What each client may spend at once; 0 for ten seconds' worth."
    )
    rate_costs: RateCosts = _setting(
        RateCosts(), _rate_costs, "Prices: of a request, and beside that of a lookup, one by auth, a batch."
    )
    allow_list: Path | None = _setting(
        None,
        _file,
        "A file of networks, one a line, that are never refused; read anew when it changes.",
        "none",
    )
    deny_list: Path | None = _setting(
        None, _file, "A file of networks that are refused unless the other list has them; likewise.", "none"
    )
    limits_dry_run: bool = _setting(
        False, _flag, "Only count who would be refused for its rate or its network, and refuse nobody."
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        (), _networks, "Networks of reverse proxies whose X-Forwarded headers are believed.", "none"
    )
    extra_schemes: tuple[str, ...] = _setting(
        (), _schemes, "URI schemes to redirect to beside the usual ones.", "none"
    )
    conneg: str = _setting(
        "lenient",
        _one_of("lenient", "strict"),
        "What a program gets that accepts nothing of what is offered: the next best, or 406.",
    )
    geoip: Path | None = _setting(
        None, _file, "A country database in MaxMind format, for places that depend on the country.", "none"
    )
    tombstones: Path | None = _setting(
        None,
        _file,
        "A list of handles whose things are gone: a handle, perhaps with *, and the reason a line.",
        "none",
    )
    forgive: str = _setting(
        "suggest",
        _one_of("off", "suggest", "redirect"),
        "What becomes of a missing handle that exists in a likely other spelling.",
    )
    locatt_shortcuts: tuple[str, ...] = _setting(
        (), _parameter_names, "Parameters that mean locatt: with lang, ?lang=de is ?locatt=lang:de.", "none"
    )
    hosts: tuple[HostSettings, ...] = _setting(
        (), _hosts, "What differs for single host names.", "none", only_in_file=True
    )
    templates: Path | None = _setting(
        None, _folder, "A folder whose files replace shipped templates of the same name.", "shipped templates"
    )
    site_name: str = _setting("Handle resolver", _text, "What the pages call this service.")
    contact: str = _setting(
        "", _text, "E-mail address of whoever runs this resolver, shown on error pages.", "none"
    )
    log_level: str = _setting(
        "info", _one_of("debug", "info", "warning", "error"), "Least severe messages that are logged."
    )
    log_format: str = _setting(
        "text", _one_of("text", "json"), "Form of these messages, which go to the error output."
    )
    access_log: str = _setting(
        "off",
        _one_of("off", "text", "json", "cnri"),
        "A line for each request: none, for people, for programs, or as the proxy of Handle.Net writes it.",
    )
    access_log_file: Path | None = _setting(
        None, _new_file, "File for these lines; opened anew once it has been moved away.", "standard output"
    )
    log_addresses: str = _setting(
        "truncated",
        _one_of("off", "truncated", "full"),
        "How much of a visitor's address is in these lines; truncated keeps 24 bits of IPv4, 48 of IPv6.",
    )
    log_referrers: bool = _setting(
        False, _flag, "Whether these lines say where visitors came from, and what program they use."
    )
    tracing: str = _setting(
        "off",
        _one_of("off", "otlp", "console"),
        "Where OpenTelemetry spans go; otlp reads the usual OTEL_ variables and needs the extra otel.",
    )

    def shown(self) -> list[tuple[str, str]]:
        """Return each setting with its value as an operator would write it; passwords are left out."""
        return [
            (option_name(field.name), _shown(field, getattr(self, field.name)))
            for field in dataclasses.fields(self)
        ]


def _shown(field: dataclasses.Field[Any], value: Any) -> str:
    if value in (None, "", ()):
        return str(field.metadata["shown"] or "")
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case tuple():
            return ",".join(item.name.lower() if isinstance(item, Transport) else str(item) for item in value)
        case _:
            return _without_passwords(str(value))


def _without_passwords(text: str) -> str:
    text = re.sub(r"(://[^:/@]*:).*@", r"\1***@", text)
    return re.sub(r"([?&]password=)[^&]*", r"\1***", text)


def option_name(field_name: str) -> str:
    """Return ``cache-max-ttl`` for ``cache_max_ttl``."""
    return field_name.replace("_", "-")


# What stands for a value in the help, by the function that makes what reads it.
_UNITS = {
    "_whole": "NUMBER",
    "_number": "NUMBER",
    "_seconds": "SECONDS",
    "_text": "TEXT",
    "_file": "FILE",
    "_new_file": "FILE",
    "_folder": "FOLDER",
    "_new_folder": "FOLDER",
    "_base_url": "URL",
    "_redis_url": "URL",
}


def unit_of(field: dataclasses.Field[Any]) -> str:
    """Return what a value of a setting is, for its help: ``SECONDS``, ``FILE`` …, or what to choose from."""
    parse = field.metadata["parse"]
    if isinstance(parse, _OneOf):
        return "|".join(parse.choices)
    return _UNITS.get(parse.__qualname__.partition(".")[0], "LIST")


def command_line_fields() -> list[dataclasses.Field[Any]]:
    """Return the fields of ``Settings`` that are options and environment variables as well."""
    return [field for field in dataclasses.fields(Settings) if not field.metadata["only_in_file"]]


def field_of(name: str) -> dataclasses.Field[Any]:
    """Return the field of ``Settings`` with this name.

    Raises:
        KeyError: there is none.
    """
    return {field.name: field for field in dataclasses.fields(Settings)}[name]


def read_settings(
    options: Mapping[str, Any], environ: Mapping[str, str], config: Path | None = None
) -> Settings:
    """Combine options, environment and file into settings.

    Args:
        options: by field name; ``None`` stands for an option that was not given.
        environ: variables, of which those that begin with ``RESOLVER_`` count.
        config: the TOML file, if there is one.

    Raises:
        SettingsError: a value cannot be used, or a name is not known; the message says which, and why.
    """
    given: dict[str, tuple[str, Any]] = {}
    given.update(_from_file(config))
    given.update(_from_environ(environ))
    given.update(
        {name: (f"--{option_name(name)}", value) for name, value in options.items() if value is not None}
    )
    values = {}
    for name, (where, value) in given.items():
        try:
            values[name] = field_of(name).metadata["parse"](value)
        except (ValueError, OSError) as error:
            shown = _without_passwords(repr(value))
            raise SettingsError(f"{where}={shown}: {getattr(error, 'strerror', None) or error}") from error
    return Settings(**values)


def _from_environ(environ: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    return {
        field.name: (variable, environ[variable])
        for field in command_line_fields()
        # An empty variable is how compose files write one that is not set.
        if environ.get(variable := ENVIRON_PREFIX + field.name.upper())
    }


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return the variables that look like settings and are none: perhaps mistyped."""
    known = {ENVIRON_PREFIX + field.name.upper() for field in command_line_fields()} | {
        f"{ENVIRON_PREFIX}CONFIG"
    }
    return sorted(name for name in environ if name.startswith(ENVIRON_PREFIX) and name not in known)


def _from_file(config: Path | None) -> dict[str, tuple[str, Any]]:
    if config is None:
        return {}
    try:
        if config.stat().st_size > MAX_CONFIG_OCTETS:
            raise SettingsError(f"{config}: larger than {MAX_CONFIG_OCTETS} octets")
        content = tomllib.loads(config.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{config}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{config}: {error}") from error
    found = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        try:
            field_of(name)
        except KeyError:
            raise SettingsError(f"{config}: {key} is no setting; see handle-resolver serve --help") from None
        found[name] = (f"{config}: {key}", value)
    return found
