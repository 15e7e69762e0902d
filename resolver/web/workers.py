"""Several workers on one port: a small parent that binds, forks, and replaces what dies.

The parent owns the listening socket, so that connections wait in its queue while workers come and go; it
serves nothing itself and runs no event loop. ``SIGHUP`` replaces every worker by one that has read the
settings, templates and lists anew, the new one first; ``SIGTERM`` ends them all, each after the requests it
has in hand. One more process answers the admin listener for all workers.
"""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from aiohttp import web
from prometheus_client import CollectorRegistry

from resolver.config import Settings
from resolver.errors import SettingsError
from resolver.web.admin import create_admin_app
from resolver.web.desk import DesksOfWorkers
from resolver.web.draining import Draining
from resolver.web.server import new_event_loop, serve, spare_what_stays
from resolver.web.shared_metrics import SharedMetrics, bury

__all__ = ["Parent"]

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 45.0
QUICK_DEATH_S = 2.0
LONGEST_PAUSE_S = 5.0
TICK_S = 0.5


@dataclass(slots=True)
class _Child:
    """A process of ours."""

    pid: int
    role: str
    started_at: float
    ready: int | None
    """Reads one octet once the child serves; ``None`` afterwards."""
    serves: bool = False


@dataclass(slots=True)
class Parent:
    """Keeps ``settings.workers`` workers and the admin process alive until it is told to stop."""

    settings: Settings
    reread: Callable[[], Settings]
    """Reads the settings anew; raises ``SettingsError`` if they cannot be used."""
    public: socket.socket
    admin: socket.socket
    announce: Callable[[], None] = lambda: None
    desks: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="handle-resolver-desks-")))
    """Where workers can be told what to do; nobody else may enter."""
    _children: dict[int, _Child] = field(default_factory=dict)
    _quick_deaths: int = 0
    _stop: bool = False
    _reload: bool = False
    _serving: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, 1))
    """One octet that all processes see: how many workers serve, at most 255."""

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; return the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)
        # The wake-up pipe ends a wait when a signal comes, SIGCHLD among them.
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        os.set_blocking(wake_read, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        spare_what_stays()
        try:
            self._spawn("admin")
            first = [self._spawn("worker") for _ in range(self.settings.workers)]
            if not self._wait_ready(first):
                self._end_all()
                return 1
            self.announce()
            while not self._stop:
                select.select([wake_read], [], [], TICK_S)
                _drain(wake_read)
                self._reap()
                if self._reload and not self._stop:
                    self._reload = False
                    self._roll()
            self._end_all()
        finally:
            signal.set_wakeup_fd(-1)
            os.close(wake_read)
            os.close(wake_write)
            shutil.rmtree(self.desks, ignore_errors=True)
        return 0

    def _on_stop(self, *_: Any) -> None:
        self._stop = True

    def _on_reload(self, *_: Any) -> None:
        self._reload = True

    # --- children ----------------------------------------------------------------------------------------

    def _spawn(self, role: str) -> _Child:
        ready_read, ready_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(ready_read)
            self._be_child(role, ready_write)
        os.close(ready_write)
        child = _Child(pid, role, time.monotonic(), ready_read)
        self._children[pid] = child
        return child

    def _be_child(self, role: str, ready: int) -> NoReturn:
        """Run a child to its end; never returns into the parent's code."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            # A reload is the parent's business; a terminal sends it to the whole group.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                if role == "admin":
                    self.public.close()
                    runner.run(self._serve_admin(ready))
                else:
                    self.admin.close()
                    runner.run(
                        serve(
                            self.settings,
                            self.public,
                            None,
                            desk_folder=self.desks,
                            announce=lambda: _tell_ready(ready),
                        )
                    )
            status = 0
        except SettingsError as error:
            logger.error("process cannot start role=%s error=%s", role, error)  # noqa: TRY400 - no traceback for settings
        except BaseException:
            logger.exception("process failed role=%s", role)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    async def _serve_admin(self, ready: int) -> None:
        collectors = CollectorRegistry()
        SharedMetrics(collectors, is_serving=lambda: self._serving[0] > 0)
        app = create_admin_app(
            collectors,
            Draining(),
            is_serving=lambda: self._serving[0] > 0,
            desk=DesksOfWorkers(self.desks),
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.SockSite(runner, self.admin).start()
            stop = asyncio.Event()
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            _tell_ready(ready)
            await stop.wait()
        finally:
            await runner.cleanup()

    def _wait_ready(self, children: list[_Child]) -> bool:
        """Wait until each of ``children`` serves; return whether all do."""
        ends_at = time.monotonic() + START_TIMEOUT_S
        for child in children:
            if child.ready is None:
                continue
            readable, _, _ = select.select([child.ready], [], [], max(0.0, ends_at - time.monotonic()))
            said = os.read(child.ready, 1) if readable else b""
            os.close(child.ready)
            child.ready = None
            child.serves = bool(said)
            if not said:
                logger.error("worker did not start pid=%s", child.pid)
                return False
            self._count()
        return True

    def _reap(self) -> None:
        """Take note of what has ended, and start it again unless we are stopping."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is None:
                continue
            self._forget(child)
            if self._stop:
                continue
            logger.error(
                "process ended role=%s pid=%s status=%s", child.role, pid, os.waitstatus_to_exitcode(status)
            )
            self._pause_after(child)
            self._wait_ready([self._spawn(child.role)])

    def _pause_after(self, child: _Child) -> None:
        """A worker that dies at once would otherwise be started again in a tight circle."""
        if time.monotonic() - child.started_at > QUICK_DEATH_S:
            self._quick_deaths = 0
            return
        self._quick_deaths += 1
        time.sleep(min(LONGEST_PAUSE_S, 0.1 * 2 ** min(self._quick_deaths, 10)))

    def _forget(self, child: _Child) -> None:
        if child.ready is not None:
            os.close(child.ready)
        bury(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]), child.pid)
        self._count()

    def _count(self) -> None:
        self._serving[0] = min(
            255, sum(child.role == "worker" and child.serves for child in self._children.values())
        )

    # --- reload and stop ---------------------------------------------------------------------------------

    def _roll(self) -> None:
        """Replace the workers one by one: the new one serves before the old one is asked to go."""
        before = self.settings
        try:
            self.settings = self.reread()
        except SettingsError as error:
            logger.error("settings cannot be used, keeping the old ones error=%s", error)  # noqa: TRY400 - told in one line
            return
        logger.info("replacing workers")
        old = [child for child in self._children.values() if child.role == "worker"]
        for _ in range(self.settings.workers):
            if self._stop:
                return
            new = self._spawn("worker")
            if not self._wait_ready([new]):
                logger.error("a new worker did not start, keeping the old ones and their settings")
                # Otherwise it would be started again and again, and so would whatever dies from now on.
                self.settings = before
                self._end(new)
                return
            if old:
                self._end(old.pop(0))
        for child in old:
            self._end(child)

    def _end(self, child: _Child) -> None:
        """Ask one child to go, and wait for it."""
        _send(child.pid, signal.SIGTERM)
        ends_at = time.monotonic() + STOP_TIMEOUT_S
        while time.monotonic() < ends_at:
            pid, _ = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                break
            if self._stop:
                return  # it has been told; the others are told now, and all are waited for together
            time.sleep(0.02)
        else:
            _send(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
        self._children.pop(child.pid, None)
        self._forget(child)

    def _end_all(self) -> None:
        self._stop = True
        # With ours open, connections would go on to queue up after the last worker has closed its own, for nobody.
        self.public.close()
        for child in self._children.values():
            _send(child.pid, signal.SIGTERM)
        ends_at = time.monotonic() + STOP_TIMEOUT_S
        while self._children and time.monotonic() < ends_at:
            self._reap()
            time.sleep(0.02)
        for child in self._children.values():
            _send(child.pid, signal.SIGKILL)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _tell_ready(ready: int) -> None:
    os.write(ready, b"1")
    os.close(ready)


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except BlockingIOError:
        return
