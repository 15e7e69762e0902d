"""Following aliases: to the end of a chain, and no further than is sensible."""

from __future__ import annotations

import pytest

from resolver.errors import AliasError, HandleNotFoundError, InvalidHandleError, TransportError
from resolver.model.handle import Handle
from resolver.model.record import HandleRecord
from resolver.resolution.aliases import MAX_ALIASES, Followed, follow_aliases
from resolver.resolution.service import Resolved
from tests.fakes import record_of, text_value


class Records:
    """Handles that resolve, each to an alias of another or to itself."""

    def __init__(self, aliases: dict[str, str | None]) -> None:
        self._aliases = aliases
        self.resolved: list[str] = []
        self.expires_at: dict[str, float] = {}
        self.stale: set[str] = set()

    async def resolve(self, handle: Handle) -> Resolved:
        self.resolved.append(handle.text)
        if handle.text not in self._aliases:
            raise HandleNotFoundError(handle.text)
        target = self._aliases[handle.text]
        values = () if target is None else (text_value(1, "HS_ALIAS", target),)
        return Resolved(
            record_of(handle.text, *values),
            fetched_at=0.0,
            expires_at=self.expires_at.get(handle.text, 1000.0),
            answered_by="",
            stale=handle.text in self.stale,
        )

    @staticmethod
    def alias_of(record: HandleRecord) -> str | None:
        return next((value.data.decode() for value in record.of_type("HS_ALIAS")), None)

    async def follow(self, text: str) -> Followed:
        """Follow the chain that begins with ``text``."""
        return await follow_aliases(Handle(text), self.resolve, self.alias_of)


def chain_of(links: int) -> Records:
    """Return handles ``10.1/0`` to ``10.1/<links>``, each but the last an alias of the next."""
    aliases: dict[str, str | None] = {f"10.1/{number}": f"10.1/{number + 1}" for number in range(links)}
    aliases[f"10.1/{links}"] = None
    return Records(aliases)


async def test_no_alias() -> None:
    """A record that is no alias is the answer."""
    records = chain_of(0)
    followed = await records.follow("10.1/0")
    assert (followed.handle, followed.chain) == (Handle("10.1/0"), ())
    assert followed.resolved.record == record_of("10.1/0")
    assert (followed.expires_at, followed.stale) == (1000.0, False)


async def test_one_alias() -> None:
    """The record at the end is the answer; the chain tells how it was found."""
    followed = await chain_of(1).follow("10.1/0")
    assert (followed.handle, followed.chain) == (Handle("10.1/1"), (Handle("10.1/0"),))
    assert followed.resolved.record == record_of("10.1/1")


async def test_longest_chain() -> None:
    """A chain of as many links as are allowed is followed to its end."""
    records = chain_of(MAX_ALIASES)
    followed = await records.follow("10.1/0")
    assert followed.handle == Handle(f"10.1/{MAX_ALIASES}")
    assert len(followed.chain) == MAX_ALIASES == 20
    assert len(records.resolved) == MAX_ALIASES + 1


async def test_too_long_a_chain() -> None:
    """One link more is refused, and the error shows the chain so far."""
    records = chain_of(MAX_ALIASES + 1)
    with pytest.raises(AliasError, match="more than 20 links") as refused:
        await records.follow("10.1/0")
    assert refused.value.chain == tuple(f"10.1/{number}" for number in range(MAX_ALIASES + 1))
    assert len(records.resolved) == MAX_ALIASES + 1


async def test_alias_of_itself() -> None:
    """A handle that is an alias of itself is a loop."""
    with pytest.raises(AliasError, match="comes back to itself") as refused:
        await Records({"10.1/0": "10.1/0"}).follow("10.1/0")
    assert refused.value.chain == ("10.1/0", "10.1/0")


async def test_loop() -> None:
    """So are three handles that point at each other; each is resolved once."""
    records = Records({"a/1": "a/2", "a/2": "a/3", "a/3": "a/1"})
    with pytest.raises(AliasError, match="comes back to itself") as refused:
        await records.follow("a/1")
    assert refused.value.chain == ("a/1", "a/2", "a/3", "a/1")
    assert records.resolved == ["a/1", "a/2", "a/3"]


async def test_loop_in_another_spelling() -> None:
    """A loop is found however the prefix is spelled; suffixes that differ in case are different handles."""
    with pytest.raises(AliasError, match="comes back to itself"):
        await Records({"10.a/x": "10.A/x"}).follow("10.a/x")
    followed = await Records({"10.a/x": "10.A/X", "10.A/X": None}).follow("10.a/x")
    assert followed.handle == Handle("10.A/X")


@pytest.mark.parametrize("target", ["", "x" * 2049])
async def test_alias_of_nothing(target: str) -> None:
    """An alias of something that is no handle is an error of its own."""
    with pytest.raises(InvalidHandleError):
        await Records({"10.1/0": target}).follow("10.1/0")


async def test_end_that_does_not_exist() -> None:
    """An alias of a missing handle is a missing handle, named as such."""
    with pytest.raises(HandleNotFoundError) as missing:
        await Records({"10.1/0": "10.1/gone"}).follow("10.1/0")
    assert missing.value.handle == "10.1/gone"


async def test_trouble_on_the_way() -> None:
    """Trouble with any link is passed on."""

    async def resolve(handle: Handle) -> Resolved:
        raise TransportError(handle.text)

    with pytest.raises(TransportError):
        await follow_aliases(Handle("10.1/0"), resolve, Records.alias_of)


async def test_weakest_link() -> None:
    """The whole expires when its first link does, and is stale if any of them is."""
    records = chain_of(2)
    records.expires_at = {"10.1/1": 500.0}
    records.stale = {"10.1/0"}
    followed = await records.follow("10.1/0")
    assert (followed.expires_at, followed.stale) == (500.0, True)
    assert not followed.resolved.stale
