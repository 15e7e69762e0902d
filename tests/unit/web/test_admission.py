"""Who is let in: by network, by what was spent, and by whom a proxy says it is."""

from __future__ import annotations

import ipaddress
import logging
from pathlib import Path

import pytest
from multidict import CIMultiDict

from resolver.errors import BarredError, TooManyRequestsError
from resolver.resolution.toll import Kind
from resolver.web.access_lists import AccessLists
from resolver.web.admission import Admission, Pass, Refusal, client_of
from resolver.web.buckets import Allowance, Buckets
from tests.fakes import FakeClock, RecordingObserver

COSTS: dict[Kind, float] = {"hit": 1, "miss": 5, "auth": 20, "batch": 10}
NO_HEADERS: CIMultiDict[str] = CIMultiDict()
ME = "192.0.2.1"
USUAL = Allowance(2, 10)


class Door:
    """An admission, and all it looks at."""

    def __init__(
        self,
        *,
        allow: Path | None = None,
        deny: Path | None = None,
        rate: Allowance | None = USUAL,
        proxies: str = "",
        dry_run: bool = False,
    ) -> None:
        self.clock = FakeClock()
        self.observer = RecordingObserver()
        self.lists = AccessLists(allow, deny)
        self.admission = Admission(
            self.lists,
            Buckets(rate, self.clock) if rate else None,
            COSTS,
            trusted_proxies=[ipaddress.ip_network(proxies)] if proxies else [],
            dry_run=dry_run,
            observer=self.observer,
            clock=self.clock,
        )

    def admit(self, peer: str | None = ME, **headers: str) -> Pass | Refusal:
        """Let somebody knock."""
        return self.admission.admit(peer, CIMultiDict(headers))

    def let_in(self, peer: str | None = ME, **headers: str) -> Pass:
        """Let somebody knock who is let in."""
        passed = self.admit(peer, **headers)
        assert isinstance(passed, Pass)
        return passed

    def turn_away(self, peer: str | None = ME, **headers: str) -> Refusal:
        """Let somebody knock who is not."""
        refused = self.admit(peer, **headers)
        assert isinstance(refused, Refusal)
        return refused


def written(path: Path, text: str) -> Path:
    """Return a file with this text."""
    path.write_text(text)
    return path


# --- by what was spent -----------------------------------------------------------------------------------


def test_burst_and_then_no_more() -> None:
    """After a whole bucket of requests the next is refused with 429, and told when to come back."""
    door = Door()
    for _ in range(10):
        door.let_in()
    refused = door.turn_away()
    assert (refused.status, type(refused.error)) == (429, TooManyRequestsError)
    assert dict(refused.headers) == {
        "RateLimit-Policy": '"default";q=10;w=5',
        "RateLimit": '"default";r=0;t=5',
        "Retry-After": "1",
    }
    assert door.observer.counts["refused", "rate"] == 1
    door.clock.advance(0.5)
    door.let_in()


def test_headers_follow_what_is_spent() -> None:
    """What an answer says of the allowance counts what the request caused meanwhile."""
    door = Door()
    passed = door.let_in()
    assert dict(passed.headers)["RateLimit"] == '"default";r=9;t=1'
    assert passed.account is not None
    passed.account("miss")
    assert dict(passed.headers)["RateLimit"] == '"default";r=4;t=3'


def test_costs_by_kind() -> None:
    """A lookup, a question to the primary and a batch have prices of their own; what cannot be paid is refused."""
    door = Door(rate=Allowance(1, 36))
    account = door.let_in().account
    assert account is not None
    account("miss")
    account("batch")
    account("auth")
    with pytest.raises(TooManyRequestsError) as refused:
        account("auth")
    assert dict(refused.value.headers)["Retry-After"] == "20"
    assert door.observer.counts["refused", "rate"] == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.1", True),
        (None, "unix:", True),
    ],
)
def test_who_is_one_client(one: str | None, other: str | None, same: bool) -> None:
    """A /64 of IPv6 is one client, IPv4 counts by address however it is written; the unknown share a bucket."""
    door = Door()
    for _ in range(10):
        door.let_in(one)
    assert isinstance(door.admit(other), Refusal) is same


def test_addresses_do_not_collide() -> None:
    """No IPv4 address and no network of IPv6 have the same name."""
    names = {
        client_of(ipaddress.ip_address(text))
        for text in ("0.0.0.1", "::1", "0:0:0:1::", "1.0.0.0", "10.0.0.0", "a00::")
    }
    assert len(names) == 6
    assert client_of(None) not in names


def test_word_of_a_proxy() -> None:
    """Behind a proxy that is trusted each visitor has its own bucket; who claims to be one has none but its own."""
    door = Door(proxies="10.0.0.0/8")
    for number in range(20):
        door.let_in("10.0.0.1", **{"X-Forwarded-For": f"198.51.100.{number}"})
    for _ in range(9):
        door.let_in("10.0.0.1", **{"X-Forwarded-For": "198.51.100.1"})
    door.turn_away("10.0.0.1", **{"X-Forwarded-For": "198.51.100.1"})
    for number in range(10):
        door.let_in(ME, **{"X-Forwarded-For": f"203.0.113.{number}"})
    door.turn_away(ME, **{"X-Forwarded-For": "203.0.113.99"})


def test_nobody_counts_where_nothing_is_limited() -> None:
    """Without a rate, who is let in is not accounted for."""
    passed = Door(rate=None).let_in()
    assert passed.account is None
    assert passed.headers == ()


# --- by network ------------------------------------------------------------------------------------------


def test_denied_network(tmp_path: Path) -> None:
    """A network on the list is refused with 403; others are not."""
    door = Door(deny=written(tmp_path / "deny", "192.0.2.0/24"))
    refused = door.turn_away()
    assert (refused.status, type(refused.error)) == (403, BarredError)
    assert door.observer.counts["refused", "denied"] == 1
    door.let_in("198.51.100.1")


def test_allowed_network(tmp_path: Path) -> None:
    """Who is on the other list is never refused, neither for its network nor for its rate, and not counted."""
    door = Door(
        deny=written(tmp_path / "deny", "0.0.0.0/0"), allow=written(tmp_path / "allow", "192.0.2.0/28")
    )
    for _ in range(100):
        assert door.let_in().account is None
    door.turn_away("192.0.2.99")


def test_changed_list_counts_for_known_clients(tmp_path: Path) -> None:
    """Whoever has been here is judged by the new list as soon as there is one."""
    path = written(tmp_path / "deny", "")
    door = Door(deny=path)
    door.let_in()
    path.write_text("192.0.2.0/24")
    door.lists._denied.reread()
    door.lists.version += 1
    door.turn_away()


def test_remembered_addresses_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many come, only so many are remembered."""
    monkeypatch.setattr("resolver.web.admission.MAX_STANDINGS", 50)
    door = Door()
    for number in range(1000):
        door.admit(f"2001:db8::{number:x}")
    assert len(door.admission._standings) <= 51


# --- dry run ---------------------------------------------------------------------------------------------


def test_dry_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In a dry run nobody is refused, what would have been is counted, and told now and then without addresses."""
    caplog.set_level(logging.INFO)
    door = Door(deny=written(tmp_path / "deny", "198.51.100.0/24"), dry_run=True)
    for _ in range(30):
        account = door.let_in().account
    assert account is not None
    account("auth")
    door.let_in("198.51.100.1")
    assert door.observer.counts == {("refused", "dry_run"): 22}
    assert len(caplog.records) == 1
    door.clock.advance(60)
    for _ in range(130):
        door.let_in()
    assert len(caplog.records) == 2
    assert ME not in caplog.text
    assert "198.51" not in caplog.text


# --- for the fast path -----------------------------------------------------------------------------------


def test_lines() -> None:
    """The fast path gets header lines that it can put behind a header, or the word to let somebody else decide."""
    door = Door()
    assert door.admission.lines(ME, NO_HEADERS) == (
        b'\r\nRateLimit-Policy: "default";q=10;w=5\r\nRateLimit: "default";r=9;t=1'
    )
    for _ in range(9):
        door.let_in()
    assert door.admission.lines(ME, NO_HEADERS) is None
    assert Door(rate=None).admission.lines(ME, NO_HEADERS) == b""
