"""The examples of the library, as they are printed, run over the sample network."""

from __future__ import annotations

import asyncio
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import resolver.client
from resolver import HandleClient
from resolver.config import Settings
from resolver.demo.network import HandleNetwork
from resolver.errors import HandleNotFoundError
from tests.integration.processes import run_network

README = Path(__file__).parents[2] / "README.md"


def blocks_of_the_readme() -> list[str]:
    """Return the Python in the README that has to do with the library."""
    text = README.read_text("utf-8") if README.is_file() else ""
    return [block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "HandleClient" in block]


def block_of_the_docstring() -> str:
    """Return the Python in the docstring of the class, with what it leaves to the reader around it."""
    lines = (resolver.client.HandleClient.__doc__ or "").partition("::\n")[2]
    return (
        "import asyncio\nfrom resolver import HandleClient\n\nasync def main():\n"
        + textwrap.indent(textwrap.dedent(lines), "    ")
        + "\nasyncio.run(main())\n"
    )


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HandleNetwork, Settings]]:
    """The sample network, and settings for it."""
    with run_network(tmp_path_factory.mktemp("network")) as (network, bootstrap):
        yield network, Settings(bootstrap=bootstrap, allow_private_addresses=True, refresh_registry=False)


def known_handle(network: HandleNetwork) -> str:
    """Return a handle of the sample network with one URL."""
    return next(
        record.handle
        for record in network.stores["library"]._records.values()
        if len(record.of_type("URL")) == 1 and record.handle.startswith("20.500.12345/")
    )


@pytest.mark.parametrize("example", [block_of_the_docstring(), *blocks_of_the_readme()])
def test_example(
    example: str,
    network: tuple[HandleNetwork, Settings],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An example runs as it is printed, with a handle and a network that are there in place of the real ones."""
    handle = known_handle(network[0])
    assert re.search(r'"10\.[\w.]+/[\w.-]+"', example), "an example resolves a handle"
    # Whoever writes HandleClient() in an example means the public network.
    monkeypatch.setattr("resolver.client.Settings", lambda: network[1])
    exec(  # noqa: S102 - the example is ours
        compile(re.sub(r'"10\.[\w.]+/[\w.-]+"', repr(handle), example), "README.md", "exec"),
        {"__name__": "__main__"},
    )
    assert "http" in capsys.readouterr().out


async def test_many_at_once(network: tuple[HandleNetwork, Settings]) -> None:
    """One client serves many tasks at once; equal questions become one."""
    handle = known_handle(network[0])
    before = len(network[0].services["LIBRARY"].requests)
    async with HandleClient(network[1]) as client:
        records = await asyncio.gather(*(client.resolve(handle) for _ in range(100)))
    assert len(set(records)) == 1
    assert len(network[0].services["LIBRARY"].requests) == before + 1


async def test_missing(network: tuple[HandleNetwork, Settings]) -> None:
    """What does not exist is an error of its own."""
    async with HandleClient(network[1]) as client:
        with pytest.raises(HandleNotFoundError):
            await client.resolve("20.500.12345/nobody-there")


async def test_signed(network: tuple[HandleNetwork, Settings]) -> None:
    """Signed answers can be asked for, as the sample network signs."""
    async with HandleClient(network[1]) as client:
        record = await client.resolve(known_handle(network[0]), certified=True, types=["URL"])
    assert [value.type for value in record.values] == ["URL"]
