"""``python -m soak --minutes 20``: visitors and chaos, then ``soak/report.md`` and ``soak/report.svg``.

It ends with status 1 if an answer was wrong, a request was lost, or an error came while nothing was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from resolver.demo.handle_service import HandleService, RecordStore
from resolver.model.record import HandleRecord
from resolver.model.site import Transport
from soak.chaos import Chaos, children_of, notice_starvation
from soak.network import free_port, service_at, site_at, site_value, write_bootstrap
from soak.report import Outcome, Sample, judge_troubles, write_markdown, write_plot
from soak.truth import HANDLES, PREFIX, Truth
from tests.redis_process import RedisProcess

HERE = Path(__file__).parent
STALE_MAX_S = 120.0
ABSENCE_S = 2.0
START_TIMEOUT_S = 60.0
CACHE_SIZE = 1000
"""Small enough to be full after a moment, so that memory can be seen to stay."""


class LivingStore(RecordStore):
    """Records that change with the clock."""

    def __init__(self, truth: Truth) -> None:
        super().__init__()
        self._truth = truth

    def get(self, handle: str) -> HandleRecord | None:
        """Return the record of this moment."""
        number = handle.removeprefix(f"{PREFIX}/")
        if handle == number or not number.isdigit() or int(number) >= HANDLES:
            return None
        return self._truth.record(int(number), time.time())


class Forgetful(list):  # type: ignore[type-arg]
    """Takes note of nothing: servers keep each request for tests to look at, which would be too many here."""

    def append(self, _: object) -> None:
        """Forget."""


@contextlib.asynccontextmanager
async def network(folder: Path, truth: Truth) -> AsyncIterator[tuple[list[HandleService], Path]]:
    """Run two servers that know everything, and a registry that knows them; the file that names it."""
    ports = [{Transport.UDP: (port := free_port()), Transport.TCP: port} for _ in range(3)]
    sites = [site_at({**ports[number], Transport.HTTP: free_port()}) for number in range(2)]
    registry_site = site_at(ports[2])
    prefix = HandleRecord(
        f"0.NA/{PREFIX}",
        tuple(site_value(site, index=index, ttl=20) for index, site in enumerate(sites, start=1)),
    )
    living = LivingStore(truth)
    services = [await service_at(site, living, [PREFIX]) for site in sites]
    services.append(await service_at(registry_site, RecordStore([prefix]), ["0.NA", "0.0"]))
    for service in services:
        service.requests = Forgetful()
    bootstrap = folder / "bootstrap.json"
    write_bootstrap(bootstrap, registry_site)
    try:
        yield services, bootstrap
    finally:
        for service in services:
            await service.close()


@contextlib.asynccontextmanager
async def program(log: Path, *options: str) -> AsyncIterator[tuple[int, str]]:
    """Run a proxy; its process and address."""
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "resolver", "serve", "--port", "0", "--admin-port", "0", *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            line = (await process.stdout.readline()).decode()
        found = re.search(r"http://[0-9.]+:\d+", line)
        if found is None:
            raise SystemExit(f"the proxy did not start: {line}{log.read_text('utf-8', 'replace')}")
        yield process.pid, found.group()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def visit(outcome: Outcome, url: str, options: argparse.Namespace, seed: int, seconds: float) -> None:
    """Run a process of visitors, and take down what they see."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "soak.visitors", url, str(outcome.began_at)),
        *(
            "--seconds",
            str(seconds),
            "--connections",
            str(options.connections),
            "--pause",
            str(options.pause),
        ),
        *("--seed", str(seed), "--stale-max", str(STALE_MAX_S), "--absence", str(ABSENCE_S)),
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    assert process.stdout is not None
    async for line in process.stdout:
        outcome.seconds.append(json.loads(line))
    if await process.wait():
        raise SystemExit("visitors failed")


async def watch(outcome: Outcome, pid: int) -> None:
    """Look at the memory and the files of a process every second."""
    while True:
        await asyncio.sleep(1)
        with contextlib.suppress(OSError, AttributeError):
            status = Path(f"/proc/{pid}/status").read_text("ascii")
            resident = int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024  # type: ignore[union-attr]
            outcome.samples.append(Sample(time.time(), resident, len(os.listdir(f"/proc/{pid}/fd"))))


async def tell(outcome: Outcome) -> None:
    """Say every half minute how it goes, and what cannot be excused."""
    told: dict[str, int] = {}
    while True:
        await asyncio.sleep(30)
        fault = next(
            (fault.name for fault in reversed(outcome.broken) if not fault.ended_at), "nothing broken"
        )
        print(f"{time.time() - outcome.began_at:6.0f} s {dict(outcome.counts)} {fault}", flush=True)
        for kind, found in judge_troubles(outcome).items():
            for trouble in found[told.get(kind, 0) :][:10]:
                print(
                    f"    {kind} at {trouble['at'] - outcome.began_at:.1f} s: {trouble['what']}", flush=True
                )
            told[kind] = len(found)


async def soak(options: argparse.Namespace) -> Outcome:
    """Let it all happen."""
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    began_at = time.time()
    truth = Truth(began_at, stale_max_s=STALE_MAX_S, absence_s=ABSENCE_S)
    redis = RedisProcess()
    redis.start()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(redis.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        services, bootstrap = await stack.enter_async_context(network(folder, truth))
        common = [
            *("--bootstrap", str(bootstrap), "--allow-private-addresses"),
            *("--stale-max", str(STALE_MAX_S), "--not-found-ttl", str(ABSENCE_S), "--deadline", "3"),
            *("--cache-size", str(CACHE_SIZE), "--log-level", "error"),
        ]
        logs = [folder / name for name in ("restless.log", "calm.log", "alone.log")]
        shared = [*common, "--redis", redis.url]
        restless = await stack.enter_async_context(program(logs[0], *shared, "--workers", "2"))
        calm = await stack.enter_async_context(program(logs[1], *shared))
        alone = await stack.enter_async_context(program(logs[2], *common))
        broken = Chaos(services, redis, restless[0], random.Random(options.seed))  # noqa: S311 - an order
        outcome = Outcome(began_at, 0.0, f"python -m soak --minutes {options.minutes:g}", broken.broken)
        until = time.time() + options.minutes * 60
        async with asyncio.TaskGroup() as group:
            aside = [
                group.create_task(watch(outcome, (children_of(calm[0]) or [calm[0]])[-1])),
                group.create_task(tell(outcome)),
                group.create_task(
                    notice_starvation(broken.broken, [os.getpid(), restless[0], calm[0], alone[0]])
                ),
            ]
            group.create_task(broken.rage(until))
            visits = [
                group.create_task(visit(outcome, url, options, seed, until - time.time()))
                for seed, url in enumerate((restless[1], calm[1], alone[1]), start=options.seed)
            ]
            await asyncio.wait(visits)
            for task in aside:
                task.cancel()
        outcome.ended_at = time.time()
        for log in logs:
            text = log.read_text("utf-8", "replace")
            outcome.logged_errors += text.count("Traceback (most recent call last)")
            if "Traceback" in text:
                print(text[:4000], file=sys.stderr)
    return outcome


def main() -> None:
    """Soak for as long as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument(
        "--connections", type=int, default=16, help="visitors at a time, for each of three programs"
    )
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two questions of a visitor")
    parser.add_argument("--seed", type=int, default=1, help="of the order in which things break")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the report")
    options = parser.parse_args()
    outcome = asyncio.run(soak(options))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "report.svg").write_text(write_plot(outcome), "utf-8")
    text = write_markdown(outcome, "report.svg")
    (options.out / "report.md").write_text(text, "utf-8")
    print(text)
    troubles = judge_troubles(outcome)
    sys.exit(1 if troubles["wrong"] or troubles["lost"] or troubles["error"] else 0)


if __name__ == "__main__":
    main()
