"""The command line: ``handle-resolver`` and what it can do."""

from __future__ import annotations

import asyncio
import atexit
import dataclasses
import functools
import gc
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

import click

from resolver.answer.visible import visible_text
from resolver.config import read_settings, unknown_variables
from resolver.errors import SettingsError
from resolver.logs import start_logging
from resolver.options import EXIT_FAILED, Failure, SettingsCommand, read_options, settings_options

__all__ = ["main"]

EXIT_NOT_FOUND = 1
HEALTH_TIMEOUT_S = 3.0

WARMED_TOGETHER = 1000
"""Handles sent to the proxy in one request."""

_ADMIN_LISTENER = ("admin_host", "admin_port")


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    from resolver.web.server import new_event_loop

    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            return runner.run(work)
    except SettingsError as error:
        raise Failure(str(error)) from error


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="handle-resolver", message="handle-resolver %(version)s")
def main() -> None:
    """Resolve handles of the Handle System over HTTP.

    Every setting is an option, an environment variable, RESOLVER_<NAME>, and a key of the TOML file that
    --config names; an option counts before the environment, the environment before the file. Behind what a
    setting means, its help says what holds without it, and the name of the variable: [8000; RESOLVER_PORT].

    The exit status is 0 if all went well, 1 if there is no such handle or the proxy is not ready, 2 if a
    setting cannot be used or nobody could tell.
    """


@main.command(cls=SettingsCommand)
@settings_options()
def serve(config: Path | None, **options: Any) -> None:
    """Run the proxy.

    Serves until SIGTERM or SIGINT, and then answers what it has in hand first. With several workers, SIGHUP
    replaces them one by one by such that have read settings, templates and lists anew; no request is lost. The
    exit status is 2 if a setting cannot be used.

    \b
    handle-resolver serve
    handle-resolver serve --workers 4 --redis redis://localhost:6379/0 --base-url https://hdl.example.org
    RESOLVER_PORT=8080 handle-resolver serve --config /etc/handle-resolver.toml --access-log json
    """  # noqa: D301 - click reads this escape
    # What a start makes stays: to look through it for garbage, again and again, takes nearly a tenth of its time.
    gc.disable()
    settings = read_options(config, options)
    start_logging(settings.log_level, settings.log_format)
    if settings.workers > 1:
        _prepare_shared_metrics()
    from resolver.service_manager import tell_ready
    from resolver.web.server import bind, serve

    try:
        public = bind(settings.host, settings.port, "the public listener")
        admin = bind(settings.admin_host, settings.admin_port, "the admin listener")
    except SettingsError as error:
        raise Failure(str(error)) from error

    def announce() -> None:
        click.echo(f"Resolving on {_url(public)}, metrics and health on {_url(admin)}")
        tell_ready()

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


@main.command(cls=SettingsCommand)
@click.option(
    "--records",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder with network.json and records, in place of the sample network.",
)
@settings_options()
def demo(config: Path | None, records: Path | None, **options: Any) -> None:
    """Run the proxy over a handle network of its own, on loopback.

    One registry and several services, with sample records, speaking the real protocol. Needs neither
    internet nor Redis. Not for production.
    """
    options["allow_private_addresses"] = True
    settings = read_options(config, options)
    start_logging(settings.log_level, settings.log_format)
    from resolver.demo.run import run_demo

    _run(run_demo(settings, records))


@main.command(cls=SettingsCommand)
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
@settings_options()
def dig(config: Path | None, handle: str, **options: Any) -> None:
    """Resolve HANDLE and print its record.

    The exit status is 0 if it was found, 1 if it does not exist or sites disagree, 2 if nobody could tell.
    """
    from resolver.dig import Wishes, run_dig

    wishes = Wishes(**{field.name: options.pop(field.name) for field in dataclasses.fields(Wishes)})
    settings = read_options(config, options)
    logging.basicConfig(level="ERROR", format="%(message)s")
    sys.exit(_run(run_dig(settings, handle, wishes)))


@main.command("check-config", cls=SettingsCommand)
@settings_options()
def check_config(config: Path | None, **options: Any) -> None:
    """Print the settings in force, and whether they can be used."""
    settings = read_options(config, options)
    for variable in unknown_variables(os.environ):
        click.echo(f"warning: {variable} is no setting; see handle-resolver serve --help", err=True)
    width = max(len(name) for name, _ in settings.shown())
    for name, value in settings.shown():
        click.echo(f"{name:<{width}}  {value}")
    from resolver.web.app import create_apps

    try:
        # All of it is built, as for serving; only the log is not opened, since that would make its file.
        create_apps(dataclasses.replace(settings, access_log="off"))
    except SettingsError as error:
        raise Failure(str(error)) from error


@main.command(cls=SettingsCommand)
@settings_options()
def healthcheck(config: Path | None, **options: Any) -> None:
    """Ask the admin listener whether the proxy is ready; exit with 0 if it is, else with 1."""
    settings = read_options(config, options)
    from resolver.errands import AdminClient

    try:
        status, content = AdminClient(settings, timeout_s=HEALTH_TIMEOUT_S).ask("GET", "/readyz")
    except SettingsError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    click.echo(json.dumps(content), err=status != 200)
    sys.exit(0 if status == 200 else 1)


# --- the cache of a proxy that runs ----------------------------------------------------------------------


@main.group()
def cache() -> None:
    """Look into, empty or fill the cache of a proxy that runs.

    Each of these talks to its admin listener; name it with --admin-host and --admin-port if it is not the
    usual one.
    """


@cache.command("show", cls=SettingsCommand)
@click.argument("handle", required=False)
@settings_options(only=_ADMIN_LISTENER)
def cache_show(config: Path | None, handle: str | None, **options: Any) -> None:
    """Print what memory holds of HANDLE, or, without one, how much it holds at all.

    The output is JSON, with an object for each worker. The exit status is 1 if no worker holds the handle.
    """
    from resolver.errands import handle_path

    status, content = _ask_admin(config, options, "GET", handle_path(handle) if handle else "/cache")
    click.echo(json.dumps(content, indent=2))
    sys.exit(0 if status == 200 else EXIT_NOT_FOUND if status == 404 else EXIT_FAILED)


@cache.command("flush", cls=SettingsCommand)
@click.argument("handles", nargs=-1, metavar="[HANDLE]...")
@click.option("--prefix", metavar="PREFIX", help="All handles of this prefix, and of those derived from it.")
@click.option("--all", "everything", is_flag=True, help="Everything that is remembered.")
@settings_options(only=_ADMIN_LISTENER)
def cache_flush(
    config: Path | None, handles: Sequence[str], prefix: str | None, everything: bool, **options: Any
) -> None:
    """Forget handles, in every worker, in Redis, and in all that share the Redis.

    The next visitor's question goes to the handle servers again. What is being looked up at this moment is
    not kept either.
    """
    from resolver.errands import handle_path

    if sum((bool(handles), bool(prefix), everything)) != 1:
        raise Failure("say what to forget: handles, --prefix or --all")
    paths = [handle_path(handle) for handle in handles]
    if prefix:
        paths = [f"/cache?prefix={quote(prefix, safe='')}"]
    elif everything:
        paths = ["/cache?all"]
    for path in paths:
        status, content = _ask_admin(config, options, "DELETE", path)
        troubles = [worker.get("trouble") or worker.get("error") for worker in content.get("workers", ())]
        if status != 200 or any(troubles):
            raise Failure(next(filter(None, troubles), None) or str(content.get("error", f"status {status}")))
        if not content["workers"]:
            raise Failure("no worker answers")
        if not handles:
            click.echo(f"{max(worker['entries'] for worker in content['workers'])} entries forgotten")


@cache.command("warm", cls=SettingsCommand)
@click.argument("file", type=click.File("r", encoding="utf-8", errors="surrogateescape"), default="-")
@settings_options(only=_ADMIN_LISTENER)
def cache_warm(config: Path | None, file: TextIO, **options: Any) -> None:
    """Fetch the handles in FILE, one a line, so that the first visitors need not wait.

    Without FILE they are read from standard input; empty lines and those that begin with # are left out. What
    could not be fetched is told on the error output. The exit status is 1 if a handle does not exist, 2 if
    one could not be fetched.
    """
    from resolver.errands import AdminClient

    handles = _read_handles(file)
    client = AdminClient(read_options(config, options))
    outcomes = {"found": 0, "not_found": 0, "failed": 0}
    try:
        with _progress(len(handles), "Fetching") as progress:
            for part in _parts(handles):
                for told in client.warm(part):
                    outcomes[told["outcome"]] += 1
                    progress.update(1)
                    if told["outcome"] != "found":
                        click.echo(visible_text(f"{told['handle']}: {told['message']}"), err=True)
    except SettingsError as error:
        raise Failure(str(error)) from error
    click.echo(
        f"{outcomes['found']} found, {outcomes['not_found']} do not exist, {outcomes['failed']} failed"
    )
    sys.exit(EXIT_FAILED if outcomes["failed"] else EXIT_NOT_FOUND if outcomes["not_found"] else 0)


def _ask_admin(config: Path | None, options: dict[str, Any], method: str, path: str) -> tuple[int, Any]:
    from resolver.errands import AdminClient

    try:
        return AdminClient(read_options(config, options)).ask(method, path)
    except SettingsError as error:
        raise Failure(str(error)) from error


def _read_handles(file: TextIO) -> list[str]:
    lines = (line.strip() for line in file)
    return [line for line in lines if line and not line.startswith("#")]


def _parts(handles: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(handles), WARMED_TOGETHER):
        yield handles[start : start + WARMED_TOGETHER]


def _progress(length: int, label: str) -> Any:
    """Return a bar on the error output; none where nobody would see it."""
    return click.progressbar(
        length=length, label=label, file=sys.stderr, show_pos=True, hidden=not sys.stderr.isatty()
    )


# --- many handles, and what became of them ---------------------------------------------------------------


@main.command(cls=SettingsCommand)
@click.argument("file", type=click.File("r", encoding="utf-8", errors="surrogateescape"), default="-")
@click.option("--auth", is_flag=True, help="Ask primary servers.")
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
@settings_options()
def batch(config: Path | None, file: TextIO, **options: Any) -> None:
    """Resolve the handles in FILE, one a line, and print a line of JSON for each.

    Without FILE they are read from standard input; empty lines and those that begin with # are left out. Lines
    come in the order in which answers arrive. The exit status is 0 if all were found, 1 if some do not exist,
    2 if nobody could tell about some.
    """
    from resolver.many import resolve_many

    wishes = {name: options.pop(name) for name in ("auth", "types", "indexes")}
    settings = read_options(config, options)
    logging.basicConfig(level="ERROR", format="%(message)s")
    handles = _read_handles(file)
    status = 0
    with _progress(len(handles), "Resolving") as progress:

        def tell(line: bytes, code: int) -> None:
            nonlocal status
            click.echo(line)
            progress.update(1)
            status = max(status, {1: 0, 100: EXIT_NOT_FOUND}.get(code, EXIT_FAILED))

        _run(resolve_many(settings, handles, tell, **wishes))
    sys.exit(status)


@main.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True), metavar="[FILE]...")
@click.option(
    "--prefix", "prefixes", multiple=True, metavar="PREFIX", help="Only this prefix; may be repeated."
)
@click.option(
    "--since", default="", metavar="TIME", help="Only from this moment on, such as 2026-11-01. [any]"
)
@click.option("--until", default="", metavar="TIME", help="Only before this moment, such as 2026-12. [any]")
@click.option(
    "--top", type=click.IntRange(0, 10_000), default=10, metavar="N", help="Handles in each list. [10]"
)
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.option(
    "--csv", "form", flag_value="csv", help="Print all handles that were not found, or failed, as CSV."
)
def report(
    files: Sequence[Path],
    prefixes: Sequence[str],
    since: str,
    until: str,
    top: int,
    form: str | None,
) -> None:
    """Tell what became of the handles of each prefix, for its owner.

    Reads access logs as serve writes them with --access-log json, packed by gzip or not; without FILE, standard
    input. Counts requests, those that failed, and which handles failed most. No address is read or printed.
    """
    from resolver.report import Report, report_csv, report_json, report_text, sum_up

    found = Report(prefixes=prefixes, since=since, until=until)
    try:
        sum_up([None if str(path) == "-" else path for path in files or [Path("-")]], found)
    except SettingsError as error:
        raise Failure(str(error)) from error
    match form:
        case "json":
            click.echo(json.dumps(report_json(found, top), indent=2))
        case "csv":
            click.echo(report_csv(found), nl=False)
        case _:
            click.echo(report_text(found, top), nl=False)


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete commands and options.

    \b
    bash:  handle-resolver completion bash > ~/.local/share/bash-completion/completions/handle-resolver
    zsh:   handle-resolver completion zsh > "${fpath[1]}/_handle-resolver"
    fish:  handle-resolver completion fish > ~/.config/fish/completions/handle-resolver.fish
    """  # noqa: D301 - click reads this escape
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise Failure(f"nothing is known of {shell}")
    click.echo(found(main, {}, "handle-resolver", "_HANDLE_RESOLVER_COMPLETE").source())


def _url(listener: Any) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
