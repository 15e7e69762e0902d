"""What an operator may choose, in which way, and what he is told when it cannot be."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from resolver.cli import main
from resolver.config import (
    MAX_CONFIG_OCTETS,
    HostSettings,
    RateCosts,
    Settings,
    command_line_fields,
    field_of,
    option_name,
    read_settings,
)
from resolver.errors import SettingsError
from resolver.model.site import Transport

FIELDS = command_line_fields()
NAMES = [field.name for field in FIELDS]
ALL_NAMES = [field.name for field in dataclasses.fields(Settings)]

# A value for each setting that is not its default, as text, and what becomes of it.
GOOD: dict[str, tuple[str, Any]] = {
    "host": ("0.0.0.0", "0.0.0.0"),  # noqa: S104 - nothing listens
    "port": ("8080", 8080),
    "admin_host": (" ::1 ", "::1"),
    "admin_port": ("0", 0),
    "workers": ("4", 4),
    "base_url": ("https://hdl.example.org/", "https://hdl.example.org"),
    "allow_private_addresses": ("yes", True),
    "transports": ("tcp, UDP,tcp", (Transport.TCP, Transport.UDP)),
    "deadline": ("2.5", 2.5),
    "preferred_root": ("0.GHR/86", "0.GHR/86"),
    "refresh_registry": ("no", False),
    "redis": ("redis://localhost:6379/0", "redis://localhost:6379/0"),
    "cache_max_ttl": ("60", 60.0),
    "cache_size": ("0", 0),
    "cache_bytes": ("1048576", 1048576),
    "stale_max": ("0", 0.0),
    "not_found_ttl": ("1", 1.0),
    "prefix_not_found_ttl": ("2", 2.0),
    "failure_ttl": ("0.5", 0.5),
    "max_lookups": ("64", 64),
    "max_connections": ("10000", 10_000),
    "rate_limit": ("2.5", 2.5),
    "rate_burst": ("100", 100.0),
    "rate_costs": ("miss=7, auth=0.5", RateCosts(miss=7.0, auth=0.5)),
    "limits_dry_run": ("on", True),
    "trusted_proxies": (
        "10.0.0.1/8, 2001:db8::/32,192.0.2.1",
        (
            ipaddress.ip_network("10.0.0.0/8"),
            ipaddress.ip_network("2001:db8::/32"),
            ipaddress.ip_network("192.0.2.1/32"),
        ),
    ),
    "extra_schemes": ("IRC:, x-web+app", ("irc", "x-web+app")),
    "conneg": ("Strict", "strict"),
    "forgive": ("OFF", "off"),
    "locatt_shortcuts": ("lang, x.Mode", ("lang", "x.Mode")),
    "site_name": ("Our handles", "Our handles"),
    "contact": ("ops@example.org", "ops@example.org"),
    "log_level": ("DEBUG", "debug"),
    "log_format": ("JSON", "json"),
    "access_log": ("cnri", "cnri"),
    "log_addresses": ("full", "full"),
    "log_referrers": ("yes", True),
    "tracing": ("otlp", "otlp"),
}
PATHS = ["bootstrap", "local_info", "gateway", "state_dir", "geoip", "tombstones", "templates"]
PATHS += ["access_log_file", "allow_list", "deny_list"]

BAD: list[tuple[str, str, str]] = [
    ("port", "http", "must be a whole number from 0 to 65535"),
    ("port", "65536", "must be from 0 to 65535"),
    ("forgive", "maybe", "must be one of off, suggest, redirect"),
    ("locatt_shortcuts", "lang,a b", "cannot be the name of a parameter"),
    ("tombstones", "/no/such/list", "there is no such file"),
    ("conneg", "loose", "must be one of lenient, strict"),
    ("geoip", "/no/such/file.mmdb", "there is no such file"),
    ("port", "-1", "must be a whole number"),
    ("port", "80.5", "must be a whole number"),
    ("port", "", "must be a whole number"),
    ("port", "9" * 5000, "must be a whole number"),
    ("admin_port", "0x50", "must be a whole number"),
    ("workers", "0", "must be from 1 to 256"),
    ("workers", "257", "must be from 1 to 256"),
    ("base_url", "hdl.example.org", "must be like https://"),
    ("base_url", "ftp://hdl.example.org", "must be like https://"),
    ("base_url", "https://", "must be like https://"),
    ("base_url", "https://a b", "must be like https://"),
    ("base_url", "https://a/?q", "must be like https://"),
    ("base_url", "https://user@a", "must be like https://"),
    ("base_url", "javascript://a", "must be like https://"),
    ("base_url", "https://a\r\nX: y", "must be like https://"),
    ("bootstrap", "/no/such/file", "there is no such file"),
    ("bootstrap", "/", "there is no such file"),
    ("local_info", "/no/such/file", "there is no such file"),
    ("gateway", "/no/such/file", "there is no such file"),
    ("state_dir", "/etc/hosts", "is not a folder"),
    ("refresh_registry", "often", "must be true or false"),
    ("templates", "/no/such/folder", "there is no such folder"),
    ("templates", "/etc/hosts", "there is no such folder"),
    ("allow_private_addresses", "maybe", "must be true or false"),
    ("allow_private_addresses", "2", "must be true or false"),
    ("transports", "", "must name at least one of udp, tcp, http, https"),
    ("transports", " , ", "must name at least one of"),
    ("transports", "udp,smtp", "'smtp' is none of udp, tcp, http, https"),
    ("deadline", "fast", "must be a number of seconds"),
    ("deadline", "0", "must be from 0.1 to 60 seconds"),
    ("deadline", "61", "must be from 0.1 to 60 seconds"),
    ("deadline", "nan", "must be from 0.1 to 60 seconds"),
    ("deadline", "inf", "must be from 0.1 to 60 seconds"),
    ("deadline", "", "must be a number of seconds"),
    ("redis", "localhost:6379", "must begin with redis://"),
    ("redis", "http://localhost", "must begin with redis://"),
    ("cache_max_ttl", "-1", "must be from 0 to"),
    ("cache_max_ttl", "172801", "must be from 0 to 172800 seconds"),
    ("cache_size", "many", "must be a whole number"),
    ("cache_bytes", "1G", "must be a whole number"),
    ("stale_max", "2592001", "must be from 0 to"),
    ("log_format", "xml", "must be one of text, json"),
    ("access_log", "yes", "must be one of off, text, json, cnri"),
    ("access_log_file", "/tmp", "must be the name of a file"),  # noqa: S108
    ("access_log_file", "/no/such/folder/access.log", "there is no folder for it"),
    ("log_addresses", "some", "must be one of off, truncated, full"),
    ("log_referrers", "perhaps", "must be true or false"),
    ("tracing", "jaeger", "must be one of off, otlp, console"),
    ("not_found_ttl", "3601", "must be from 0 to 3600 seconds"),
    ("prefix_not_found_ttl", "x", "must be a number of seconds"),
    ("failure_ttl", "301", "must be from 0 to 300 seconds"),
    ("max_lookups", "0", "must be from 1 to 100000"),
    ("max_connections", "many", "must be a whole number"),
    ("rate_limit", "fast", "must be a number from 0 to"),
    ("rate_limit", "-1", "must be a number from 0 to"),
    ("rate_limit", "nan", "must be a number from 0 to"),
    ("rate_burst", "inf", "must be a number from 0 to"),
    ("rate_costs", "hit=1,hid=2", "'hid' is none of hit, miss, auth, batch"),
    ("rate_costs", "miss", "must be a number from 0 to"),
    ("limits_dry_run", "perhaps", "must be true or false"),
    ("allow_list", "/no/such/list", "there is no such file"),
    ("deny_list", "/no/such/list", "there is no such file"),
    ("trusted_proxies", "proxy.example.org", "does not appear to be an IPv4 or IPv6 network"),
    ("trusted_proxies", "10.0.0.0/33", "does not appear to be"),
    ("trusted_proxies", "10.0.0.0/8,all", "'all'"),
    ("extra_schemes", "1x", "'1x' is no URI scheme"),
    ("extra_schemes", "a b", "'a b' is no URI scheme"),
    ("extra_schemes", "https://", "is no URI scheme"),
    ("log_level", "loud", "must be one of debug, info, warning, error"),
    ("log_level", "", "must be one of"),
]


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"RESOLVER_{name.upper()}"


def written(folder: Path, text: str) -> Path:
    """Return a TOML file with this text."""
    path = folder / "resolver.toml"
    path.write_text(text, "utf-8")
    return path


def toml_string(text: str) -> str:
    """Return ``text`` as it stands in TOML."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\u{ord(c):04x}" for c in text) + '"'


# --- defaults and precedence -----------------------------------------------------------------------------


def test_nothing_needs_to_be_set() -> None:
    """Without any setting the resolver starts, on loopback, with the defaults of the contract."""
    settings = read_settings({}, {})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.admin_host, settings.admin_port) == (
        *("127.0.0.1", 8000),
        *("127.0.0.1", 8001),
    )
    assert (settings.workers, settings.deadline, settings.redis) == (1, 8.0, "")
    assert (settings.cache_max_ttl, settings.cache_size, settings.stale_max) == (3600, 100_000, 86_400)
    assert not settings.allow_private_addresses
    assert settings.transports == tuple(Transport)
    assert (settings.trusted_proxies, settings.extra_schemes, settings.templates) == ((), (), None)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_explains_itself_and_has_a_default(name: str) -> None:
    """Each setting has a sentence of help, and a default that its own rules allow."""
    field = field_of(name)
    assert re.fullmatch(r"[A-Z].*\.", field.metadata["help"])
    assert field.default is not dataclasses.MISSING
    parse = field.metadata["parse"]
    if field.default is not None:
        assert (
            parse(field.default if isinstance(field.default, bool) else _as_text(field.default))
            == field.default
        )


def _as_text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(item.name if isinstance(item, Transport) else str(item) for item in value)
    return str(value)


def test_every_setting_is_tried_here() -> None:
    """A new setting comes with a value in the table above."""
    assert set(NAMES) == {*GOOD, *PATHS}
    assert {name for name, *_ in BAD} >= set(NAMES) - {
        "host",
        "admin_host",
        "site_name",
        "contact",
        "preferred_root",
    }


@pytest.mark.parametrize("name", GOOD)
def test_setting_is_read_from_each_place(name: str, tmp_path: Path) -> None:
    """An option, a variable and a key of the file mean the same, and change nothing else."""
    text, value = GOOD[name]
    expected = dataclasses.replace(Settings(), **{name: value})
    assert value != getattr(Settings(), name)
    assert read_settings({name: text}, {}) == expected
    assert read_settings({}, {variable(name): text}) == expected
    for key in (option_name(name), name):
        assert read_settings({}, {}, written(tmp_path, f"{key} = {toml_string(text)}")) == expected


def test_file_may_use_the_types_of_toml(tmp_path: Path) -> None:
    """Numbers, booleans and lists need no quotes in the file."""
    settings = read_settings(
        {},
        {},
        written(
            tmp_path,
            """
            port = 8080
            deadline = 2
            failure-ttl = 0.5
            allow-private-addresses = true
            transports = ["tcp", "http"]
            trusted-proxies = ["10.0.0.0/8"]
            extra-schemes = []
            """,
        ),
    )
    assert (settings.port, settings.deadline, settings.failure_ttl) == (8080, 2.0, 0.5)
    assert settings.allow_private_addresses
    assert settings.transports == (Transport.TCP, Transport.HTTP)
    assert settings.trusted_proxies == (ipaddress.ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize("name", GOOD)
def test_option_counts_before_environment_before_file(name: str, tmp_path: Path) -> None:
    """The nearer place wins, and a farther one that is overruled may even be nonsense."""
    text, value = GOOD[name]
    default = _as_text(getattr(Settings(), name))
    if isinstance(getattr(Settings(), name), bool):
        default = str(getattr(Settings(), name)).lower()
    file = written(tmp_path, f"{option_name(name)} = {toml_string(text)}")

    def found(options: dict[str, Any], environ: dict[str, str]) -> Any:
        return getattr(read_settings(options, environ, file), name)

    assert found({}, {}) == value
    # An empty variable is one that is not set.
    overruling = getattr(Settings(), name) if default else value
    assert found({}, {variable(name): default}) == overruling
    assert found({name: text}, {variable(name): default}) == value
    assert found({name: None}, {variable(name): default}) == overruling
    overruled = written(tmp_path, f'{option_name(name)} = "\\u0000 nonsense"')
    assert getattr(read_settings({name: text}, {variable(name): "nonsense"}, overruled), name) == value


def test_false_is_an_answer() -> None:
    """An option that switches something off overrules a variable that switches it on."""
    on = {"RESOLVER_ALLOW_PRIVATE_ADDRESSES": "1"}
    assert read_settings({}, on).allow_private_addresses
    assert not read_settings({"allow_private_addresses": False}, on).allow_private_addresses


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *(("1", True), ("true", True), ("YES", True), ("on", True), (" True ", True)),
        *(("0", False), ("false", False), ("No", False), ("off", False), ("", False)),
    ],
)
def test_flags_are_words(word: str, value: bool) -> None:
    """The usual words switch a flag on and off."""
    assert read_settings({}, {"RESOLVER_ALLOW_PRIVATE_ADDRESSES": word}).allow_private_addresses is value


def test_files_and_folders_must_be_there(tmp_path: Path) -> None:
    """A path that exists is taken, an empty one stands for the default."""
    file = written(tmp_path, "")
    settings = read_settings({"bootstrap": str(file), "templates": str(tmp_path)}, {})
    assert (settings.bootstrap, settings.templates) == (file, tmp_path)
    assert read_settings({}, {"RESOLVER_BOOTSTRAP": "", "RESOLVER_TEMPLATES": " "}) == Settings()


def test_other_variables_are_none_of_ours() -> None:
    """The environment of a process holds much that means nothing to us."""
    assert read_settings({}, {"PATH": "/bin", "HOST": "x", "PORT": "y", "RESOLVER_CONFIG": "z"}) == Settings()


def test_settings_cannot_be_changed() -> None:
    """What was read at the start holds until the end."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]


# --- values that cannot be used --------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "text", "reason"), BAD)
def test_bad_value_is_named_as_it_was_given(name: str, text: str, reason: str, tmp_path: Path) -> None:
    """Whoever set a bad value finds the option, the variable or the key with the reason in the message."""
    file = written(tmp_path, f"{option_name(name)} = {toml_string(text)}")
    given: list[tuple[str, Callable[[], object]]] = [
        (f"--{option_name(name)}=", lambda: read_settings({name: text}, {})),
        (f"{variable(name)}=", lambda: read_settings({}, {variable(name): text})),
        (f"{file}: {option_name(name)}=", lambda: read_settings({}, {}, file)),
    ]
    for where, read in given:
        if not text and where.startswith(variable(name)):
            assert read() == Settings()  # an empty variable is one that is not set
            continue
        with pytest.raises(SettingsError) as caught:
            read()
        assert str(caught.value).startswith(where)
        assert reason in str(caught.value)
        assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "toml"),
    [
        *(
            (name, "[]")
            for name in ("host", "port", "deadline", "redis", "base-url", "log-level", "bootstrap")
        ),
        *(
            (name, "{a = 1}")
            for name in ("host", "port", "deadline", "transports", "extra-schemes", "templates")
        ),
        *((name, "true") for name in ("port", "deadline", "host", "transports", "trusted-proxies")),
        *((name, "1979-05-27") for name in ("port", "deadline", "contact", "redis")),
        *(("transports", "[1]"), ("trusted-proxies", "[1]"), ("extra-schemes", "[[]]"), ("port", "8000.0")),
        *(("host", "1"), ("site-name", "2.5"), ("allow-private-addresses", "1"), ("deadline", "nan")),
    ],
)
def test_file_with_the_wrong_type_is_refused(name: str, toml: str, tmp_path: Path) -> None:
    """A value of the wrong kind is an error with the key, never a trace."""
    file = written(tmp_path, f"{name} = {toml}")
    with pytest.raises(SettingsError, match=rf": {name}="):
        read_settings({}, {}, file)


SCRIPTS = ["javascript", "data", "vbscript", "file", "blob", "view-source", "about"]


@pytest.mark.parametrize("scheme", SCRIPTS)
def test_schemes_that_run_something_can_never_be_allowed(scheme: str) -> None:
    """Not even the operator can have visitors redirected to a script."""
    for text in (scheme, scheme.upper(), f" {scheme}: ", f"irc,{scheme}", f"{scheme}::"):
        with pytest.raises(SettingsError, match=f"{scheme}: must never be redirected to"):
            read_settings({"extra_schemes": text}, {})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("prot = 1", "prot is no setting"),
        ("Port = 1", "Port is no setting"),
        ("config = 'x'", "config is no setting"),
        ("[server]\nport = 1", "server is no setting"),
        ("port = ", "Invalid value"),
        ("port = 1\nport = 2", "Cannot overwrite"),
        ("\x00", "line 1"),
    ],
)
def test_file_that_cannot_be_used_is_named(text: str, reason: str, tmp_path: Path) -> None:
    """A key that nobody knows, or a file that is no TOML, stops the start with the name of the file."""
    file = written(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        read_settings({}, {}, file)
    assert str(caught.value).startswith(f"{file}: ")
    assert reason in str(caught.value)


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A file that is missing, a folder, too large or no UTF-8 stops the start with its name."""
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (MAX_CONFIG_OCTETS + 1))
    latin = tmp_path / "latin.toml"
    latin.write_bytes("contact = 'ü'".encode("latin-1"))
    for path, reason in (
        (tmp_path / "none.toml", "No such file"),
        (tmp_path, "Is a directory"),
        (large, f"larger than {MAX_CONFIG_OCTETS} octets"),
        (latin, "utf-8"),
    ):
        with pytest.raises(SettingsError) as caught:
            read_settings({}, {}, path)
        assert str(caught.value).startswith(f"{path}: ")
        assert reason in str(caught.value)


@given(st.sampled_from(NAMES), st.text(st.characters(exclude_characters="\x00"), max_size=20))
def test_any_value_is_used_or_named(name: str, text: str) -> None:
    """No text in the environment does anything but set a setting or stop the start with its name."""
    try:
        read_settings({}, {variable(name): text})
    except SettingsError as error:
        assert str(error).startswith(f"{variable(name)}=")  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize("text", ["a\x00b", "a" * 300, "/".join(["a"] * 3000)])
@pytest.mark.parametrize("name", PATHS)
def test_path_that_cannot_be_is_named(name: str, text: str) -> None:
    """A path that no file system can hold is an error like a path that is not there."""
    with pytest.raises(SettingsError, match=variable(name)):
        read_settings({}, {variable(name): text})


# --- hosts -----------------------------------------------------------------------------------------------


def test_host_settings_are_read_from_tables(tmp_path: Path) -> None:
    """Each table is a host; what it does not name stays as it is for all hosts."""
    file = written(
        tmp_path,
        '[hosts."DOI.Example.org"]\nbase-url = "https://doi.example.org/"\nprefixes = ["10.1000", "10.2000"]\n'
        'cache-max-ttl = 60\nretry-auth = true\n[hosts."other.example:8080"]\nsite_name = "Other"\n',
    )
    assert read_settings({}, {}, file).hosts == (
        HostSettings(
            name="doi.example.org",
            base_url="https://doi.example.org",
            prefixes=("10.1000", "10.2000"),
            cache_max_ttl=60.0,
            retry_auth=True,
        ),
        HostSettings(name="other.example:8080", site_name="Other"),
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hosts = 1", "must be tables"),
        ("[hosts]\nx = 1", "'x' must be a table"),
        ('[hosts."x"]\nport = 1', "'x' has no setting port; there are base-url"),
        ('[hosts."x"]\nbase-url = "ftp://x"', "'x': base-url='ftp://x': must be like https://"),
        ('[hosts."x"]\ncache-max-ttl = -1', "'x': cache-max-ttl=-1: must be from 0"),
        ('[hosts."x"]\ntemplates = "/no/such"', "there is no such folder"),
    ],
)
def test_bad_host_settings_name_host_and_setting(text: str, reason: str, tmp_path: Path) -> None:
    """Whoever has many hosts in one file finds the one with the mistake."""
    with pytest.raises(SettingsError, match=re.escape(reason)):
        read_settings({}, {}, written(tmp_path, text))


# --- what is shown ---------------------------------------------------------------------------------------


def test_settings_are_shown_as_they_are_written() -> None:
    """What is shown can be given again: each setting by the name of its option, in the notation of its value."""
    shown = dict(read_settings({name: text for name, (text, _) in GOOD.items()}, {}).shown())
    assert list(shown) == [option_name(name) for name in ALL_NAMES]
    assert shown["transports"] == "tcp,udp"
    assert shown["trusted-proxies"] == "10.0.0.0/8,2001:db8::/32,192.0.2.1/32"
    assert shown["allow-private-addresses"] == "true"
    assert shown["deadline"] == "2.5"
    assert shown["extra-schemes"] == "irc,x-web+app"
    given = {
        name.replace("-", "_"): text
        for name, text in shown.items()
        if text and name.replace("-", "_") in GOOD
    }
    assert read_settings(given, {}) == read_settings({name: text for name, (text, _) in GOOD.items()}, {})


def test_defaults_are_shown_in_words() -> None:
    """A setting that is off or empty says what that means."""
    shown = dict(Settings().shown())
    assert shown["redis"] == shown["contact"] == shown["trusted-proxies"] == shown["extra-schemes"] == "none"
    assert shown["bootstrap"] == "shipped data of the Global Handle Registry"
    assert shown["templates"] == "shipped templates"
    assert shown["allow-private-addresses"] == "false"
    assert (shown["cache-max-ttl"], shown["stale-max"], shown["port"]) == ("3600", "86400", "8000")


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2@redis.example.org:6379/0",
        "redis://user:hunter2@redis.example.org",
        "rediss://user:hunter2@redis.example.org/1?ssl_cert_reqs=none",
        "unix://user:hunter2@/run/redis.sock?db=1",
        "redis://:x@hunter2@redis.example.org/0",
        "redis://:x/hunter2@redis.example.org/0",
        "redis://redis.example.org/0?password=hunter2",
        "unix:///run/redis.sock?db=1&password=hunter2",
    ],
)
def test_passwords_are_not_shown(url: str) -> None:
    """``check-config`` may be pasted into a ticket: wherever redis-py takes a password from, it is left out."""
    shown = dict(read_settings({"redis": url}, {}).shown())["redis"]
    assert "hunter2" not in shown
    assert shown.startswith(url.partition(":")[0])


def test_address_without_password_is_shown_whole() -> None:
    """Only what is secret is left out."""
    for url in ("redis://redis.example.org:6379/0", "unix:///run/redis.sock?db=1"):
        assert dict(read_settings({"redis": url}, {}).shown())["redis"] == url


def test_password_in_a_bad_value_is_not_told() -> None:
    """A message about a misspelled Redis URL ends up in logs: it does not repeat the password."""
    with pytest.raises(SettingsError) as caught:
        read_settings({}, {"RESOLVER_REDIS": "reids://:hunter2@redis.example.org/0"})
    assert "RESOLVER_REDIS" in str(caught.value)
    assert "hunter2" not in str(caught.value)


# --- the command line ------------------------------------------------------------------------------------

COMMANDS = ["serve", "demo", "dig", "check-config", "healthcheck"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the program within this process, in an environment without settings."""
    for name in [name for name in os.environ if name.startswith("RESOLVER_")]:
        monkeypatch.delenv(name)

    def invoke(*arguments: str, **environ: str) -> Result:
        return CliRunner().invoke(main, list(arguments), env=environ, prog_name="handle-resolver")

    return invoke


def test_help_lists_the_commands(run: Callable[..., Result]) -> None:
    """``--help`` names every command and how settings are given."""
    for flag in ("--help", "-h"):
        result = run(flag)
        assert result.exit_code == 0
        for word in (*COMMANDS, "RESOLVER_<NAME>", "--config"):
            assert word in result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_mentions_every_setting(run: Callable[..., Result], command: str) -> None:
    """Every command takes every setting, and says what it does and what its default is."""
    result = run(command, "--help")
    assert result.exit_code == 0
    text = " ".join(result.output.split())
    for field in FIELDS:
        assert f"--{option_name(field.name)} " in text
        assert " ".join(field.metadata["help"].split()) in text
    for default in ("[8000;", "[8001;", "[udp,tcp,http,https;", "[3600;", "[none;"):
        assert default in text
    for field in FIELDS:
        assert f"{variable(field.name)}]" in text
    assert "--deadline SECONDS" in text
    assert "--bootstrap FILE" in text
    assert "--access-log off|text|json|cnri" in text
    assert "--no-allow-private-addresses" in text


def test_options_of_dig_are_those_of_the_contract(run: Callable[..., Result]) -> None:
    """``dig`` has its own options beside the settings."""
    text = run("dig", "--help").output
    for option in ("--json", "--trace", "--auth", "--type", "--index", "HANDLE"):
        assert option in text


def test_version_is_told(run: Callable[..., Result]) -> None:
    """``--version`` names program and version."""
    result = run("--version")
    assert result.exit_code == 0
    assert re.fullmatch(r"handle-resolver \d+\.\d+\S*\n", result.output)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["serve", "--prot", "1"], "--prot"),
        (["check-config", "--prot", "1"], "--prot"),
        (["dig"], "HANDLE"),
        (["dig", "a/b", "--index", "x"], "--index"),
        (["serv"], "serv"),
        (["check-config", "--config", "/no/such/file"], "/no/such/file"),
        (["check-config", "extra"], "extra"),
    ],
)
def test_what_nobody_knows_is_named(run: Callable[..., Result], arguments: list[str], word: str) -> None:
    """A misspelled command or option is named, and the status is 2."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert word in result.stderr


def test_check_config_prints_what_is_in_force(run: Callable[..., Result], tmp_path: Path) -> None:
    """Every setting is printed with the value that counts, wherever it was given."""
    file = written(tmp_path, 'site-name = "From the file"\nport = 1\ncontact = "a@example.org"')
    result = run(
        *("check-config", "--config", str(file), "--port", "3"),
        RESOLVER_PORT="2",
        RESOLVER_CONTACT="b@example.org",
    )
    assert result.exit_code == 0, result.output
    shown = {
        name: value.strip() for name, _, value in (line.partition(" ") for line in result.stdout.splitlines())
    }
    assert list(shown) == [option_name(name) for name in ALL_NAMES]
    assert (shown["port"], shown["contact"], shown["site-name"]) == ("3", "b@example.org", "From the file")


def test_config_file_may_be_named_by_a_variable(run: Callable[..., Result], tmp_path: Path) -> None:
    """``RESOLVER_CONFIG`` is ``--config``."""
    file = written(tmp_path, "port = 4711")
    assert re.search(r"^port +4711$", run("check-config", RESOLVER_CONFIG=str(file)).stdout, re.MULTILINE)


@pytest.mark.parametrize("command", ["serve", "demo", "check-config", "healthcheck"])
@pytest.mark.parametrize(
    ("arguments", "environ", "message"),
    [
        (["--port", "http"], {}, "--port='http': must be a whole number"),
        ([], {"RESOLVER_PORT": "http"}, "RESOLVER_PORT='http': must be a whole number"),
        (["--extra-schemes", "javascript"], {}, "javascript: must never be redirected to"),
        (["--bootstrap", "/no/such/file"], {}, "--bootstrap='/no/such/file': there is no such file"),
    ],
)
def test_bad_setting_stops_every_command(
    run: Callable[..., Result], command: str, arguments: list[str], environ: dict[str, str], message: str
) -> None:
    """A bad value ends the program with one line that names it, and with status 2, before anything starts."""
    result = run(command, *arguments, **environ)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert len(result.stderr.splitlines()) == 1


def test_check_config_reads_the_files_too(run: Callable[..., Result], tmp_path: Path) -> None:
    """A bootstrap file that is there and cannot be used is found before a restart, not by it."""
    file = tmp_path / "bootstrap_handles"
    file.write_text("{}")
    result = run("check-config", "--bootstrap", str(file))
    assert result.exit_code == 2
    assert str(file) in result.stderr


def test_check_config_reads_the_templates_too(run: Callable[..., Result], tmp_path: Path) -> None:
    """A template of the operator's with a mistake in it is found before a restart, not by the first visitor."""
    (tmp_path / "help.html").write_text("{% block content %}")
    result = run("check-config", "--templates", str(tmp_path))
    assert result.exit_code == 2
    assert "help.html" in result.stderr


def test_check_config_hides_the_password(run: Callable[..., Result]) -> None:
    """What is printed may be pasted into a ticket."""
    result = run("check-config", "--redis", "redis://:hunter2@localhost:1/0")
    assert result.exit_code == 0, result.output
    assert "hunter2" not in result.output
    assert "redis://:***@localhost:1/0" in result.output


def test_healthcheck_fails_where_nobody_answers(run: Callable[..., Result]) -> None:
    """A container whose proxy is not there is not healthy, and the reason is told."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        result = run("healthcheck", "--admin-port", str(port), "--admin-host", "0.0.0.0")  # noqa: S104
    assert result.exit_code == 1
    assert f"no answer from 127.0.0.1:{port}" in result.stderr


def test_help_is_quick() -> None:
    """The program reads its arguments before it loads the parts it is made of."""
    code = "import sys, resolver.cli; sys.exit(bool({'aiohttp', 'redis', 'jinja2', 'cryptography'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
