"""The command line: ``serve``, ``demo``, ``dig``, ``check-config`` and ``healthcheck``."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import dataclasses
import functools
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from resolver.config import (
    ENVIRON_PREFIX,
    Settings,
    command_line_fields,
    option_name,
    read_settings,
    unknown_variables,
)
from resolver.errors import SettingsError

__all__ = ["main"]

EXIT_NOT_FOUND = 1
EXIT_FAILED = 2
HEALTH_TIMEOUT_S = 3.0

Command = TypeVar("Command", bound=Callable[..., Any])


class _Failure(click.ClickException):
    """An error of ours, told in one line."""

    exit_code = EXIT_FAILED

    def format_message(self) -> str:
        return self.message


def _settings_options(command: Command) -> Command:
    """Add an option for every setting."""
    for field in reversed(command_line_fields()):
        default = _shown_default(field)
        text = f"{field.metadata['help']} {f'[{default}]' if default else ''}"
        flag = isinstance(field.default, bool)
        name = option_name(field.name)
        declared = f"--{name}/--no-{name}" if flag else f"--{name}"
        command = click.option(
            declared, field.name, default=None, help=text, metavar=None if flag else "VALUE"
        )(command)
    config = click.option(
        "--config",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        envvar=f"{ENVIRON_PREFIX}CONFIG",
        help="A TOML file with settings by the names of these options.",
    )
    return config(command)


def _shown_default(field: dataclasses.Field[Any]) -> str:
    if isinstance(field.default, bool):
        return ""
    return dict(Settings().shown())[option_name(field.name)]


def _read(config: Path | None, options: dict[str, Any]) -> Settings:
    try:
        return read_settings(options, os.environ, config)
    except SettingsError as error:
        raise _Failure(str(error)) from error


def _start_logging(settings: Settings) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )
    logging.captureWarnings(capture=True)


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    from resolver.web.server import new_event_loop

    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            return runner.run(work)
    except SettingsError as error:
        raise _Failure(str(error)) from error


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="handle-resolver", message="handle-resolver %(version)s")
def main() -> None:
    """Resolve handles of the Handle System over HTTP.

    Every option of serve is also an environment variable, RESOLVER_<NAME>, and a key of the TOML file that
    --config names; an option counts before the environment, the environment before the file.
    """


@main.command()
@_settings_options
def serve(config: Path | None, **options: Any) -> None:
    """Run the proxy."""
    settings = _read(config, options)
    _start_logging(settings)
    if settings.workers > 1:
        _prepare_shared_metrics()
    from resolver.web.server import bind, serve

    try:
        public = bind(settings.host, settings.port, "the public listener")
        admin = bind(settings.admin_host, settings.admin_port, "the admin listener")
    except SettingsError as error:
        raise _Failure(str(error)) from error

    def announce() -> None:
        click.echo(f"Resolving on {_url(public)}, metrics and health on {_url(admin)}")

    if settings.workers == 1:
        _run(serve(settings, public, admin, announce=announce))
        return
    from resolver.web.workers import Parent

    reread = functools.partial(read_settings, options, os.environ, config)
    sys.exit(Parent(settings, reread, public, admin, announce).run())


def _prepare_shared_metrics() -> None:
    """Choose a fresh folder in which workers leave their numbers; prometheus-client looks for it when imported."""
    folder = tempfile.mkdtemp(prefix="handle-resolver-metrics-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder


@main.command()
@click.option(
    "--records",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder with network.json and records, in place of the sample network.",
)
@_settings_options
def demo(config: Path | None, records: Path | None, **options: Any) -> None:
    """Run the proxy over a handle network of its own, on loopback.

    One registry and several services, with sample records, speaking the real protocol. Needs neither
    internet nor Redis. Not for production.
    """
    options["allow_private_addresses"] = True
    settings = _read(config, options)
    _start_logging(settings)
    from resolver.demo.run import run_demo

    _run(run_demo(settings, records))


@main.command()
@click.argument("handle")
@click.option("--json", "as_json", is_flag=True, help="Print the record as the API gives it.")
@click.option("--trace", is_flag=True, help="Print who was asked on the way, and how long it took.")
@click.option("--auth", is_flag=True, help="Ask the primary server.")
@click.option("--cert", is_flag=True, help="Take only answers signed by the servers responsible.")
@click.option("--server", metavar="ADDR:PORT", help="Ask this server, and nobody else.")
@click.option(
    "--all-sites", is_flag=True, help="Ask every site of the service, and show where they disagree."
)
@click.option(
    "--type", "types", multiple=True, metavar="TYPE", help="Only values of this type; may be repeated."
)
@click.option(
    "--index",
    "indexes",
    multiple=True,
    type=int,
    metavar="N",
    help="Only the value with this index; may be repeated.",
)
@_settings_options
def dig(config: Path | None, handle: str, **options: Any) -> None:
    """Resolve HANDLE and print its record.

    The exit status is 0 if it was found, 1 if it does not exist or sites disagree, 2 if nobody could tell.
    """
    from resolver.dig import Wishes, run_dig

    wishes = Wishes(**{field.name: options.pop(field.name) for field in dataclasses.fields(Wishes)})
    settings = _read(config, options)
    logging.basicConfig(level="ERROR", format="%(message)s")
    sys.exit(_run(run_dig(settings, handle, wishes)))


@main.command("check-config")
@_settings_options
def check_config(config: Path | None, **options: Any) -> None:
    """Print the settings in force, and whether they can be used."""
    settings = _read(config, options)
    for variable in unknown_variables(os.environ):
        click.echo(f"warning: {variable} is no setting; see handle-resolver serve --help", err=True)
    width = max(len(name) for name, _ in settings.shown())
    for name, value in settings.shown():
        click.echo(f"{name:<{width}}  {value}")
    from prometheus_client import CollectorRegistry

    from resolver.resolution.assembly import assemble
    from resolver.telemetry import Metrics
    from resolver.web.building import build_hosts
    from resolver.web.render import template_folders
    from resolver.web.static import load_static_files

    try:
        load_static_files(template_folders(settings.templates))
        assembly = assemble(settings, Metrics(CollectorRegistry(), ""))
        build_hosts(settings, assembly.resolver, version="", clock=float)
    except SettingsError as error:
        raise _Failure(str(error)) from error


@main.command()
@_settings_options
def healthcheck(config: Path | None, **options: Any) -> None:
    """Ask the admin listener whether the proxy is ready; exit with 0 if it is, else with 1."""
    settings = _read(config, options)
    import http.client

    # A listener on all addresses is asked on loopback.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.admin_host, settings.admin_host)  # noqa: S104
    connection = http.client.HTTPConnection(host, settings.admin_port, timeout=HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        text = answer.read(10_000).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        click.echo(f"no answer from {host}:{settings.admin_port}: {error}", err=True)
        sys.exit(1)
    finally:
        with contextlib.suppress(OSError):
            connection.close()
    click.echo(text, err=answer.status != 200)
    sys.exit(0 if answer.status == 200 else 1)


def _url(listener: Any) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
