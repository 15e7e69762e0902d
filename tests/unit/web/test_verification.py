"""What signatures are worth, told to programs and to people."""

from __future__ import annotations

import json

import pytest

from resolver.trust.chain import Verdict
from resolver.trust.jws import LATEST
from resolver.web.verification import verdict_json, verdict_view

SERVER = "udp://192.0.2.1:2641"
GOOD = Verdict(True, "", ("300:0.NA/10.1", "301:0.0/0.0"), 1_800_000_000.5, frozenset({100, 1, 2}))


def test_for_programs() -> None:
    """Who gave the answer, who vouches for the record, what is covered, and until when."""
    assert verdict_json(GOOD, SERVER) == {
        "answer": {"signed": True, "by": SERVER},
        "record": {
            "trusted": True,
            "reason": None,
            "signers": ["300:0.NA/10.1", "301:0.0/0.0"],
            "validUntil": "2027-01-15T08:00:00Z",
            "signedIndexes": [1, 2, 100],
        },
    }


def test_without_trust() -> None:
    """A record without a good signature has a reason in place of signers and date."""
    shown = verdict_json(Verdict(False, "it is not signed"), SERVER)["record"]
    assert shown == {
        "trusted": False,
        "reason": "it is not signed",
        "signers": [],
        "validUntil": None,
        "signedIndexes": [],
    }


def test_for_people() -> None:
    """The page gets the same, with a day in place of a second."""
    shown = verdict_view(GOOD, SERVER)
    assert (shown["is_trusted"], shown["answered_by"], shown["signers"]) == (True, SERVER, GOOD.signers)
    assert "2027" in str(shown["valid_until"])
    assert verdict_view(Verdict(False, "it is not signed"), SERVER)["valid_until"] == ""


def test_reasons_hide_nothing() -> None:
    """A reason quotes names out of records; what would not be seen on a page is made visible."""
    shown = verdict_view(Verdict(False, "it is about 10.1/\u202egnp.exe\u200b"), SERVER)["reason"]
    assert "\u202e" not in shown
    assert "\u200b" not in shown
    assert "gnp.exe" in shown


@pytest.mark.parametrize("not_after", [0.0, LATEST])
def test_dates_at_the_ends_of_the_calendar(not_after: float) -> None:
    """The first and the last moment that a signature may name can be shown."""
    verdict = Verdict(True, "", ("1:10.1/x",), not_after)
    assert json.dumps(verdict_json(verdict, SERVER))
    assert str(verdict_view(verdict, SERVER)["valid_until"])
