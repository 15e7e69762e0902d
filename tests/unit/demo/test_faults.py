"""Faults of the demo's servers: what they do to octets, and how they are named."""

from __future__ import annotations

from typing import Any

import pytest

from resolver.demo.faults import Behaviour, behaviour_from_json, behaviour_to_json
from resolver.errors import SettingsError
from resolver.protocol.codes import ResponseCode

ANSWER = bytes(range(100))

EVERY_FAULT: dict[str, Any] = {
    "only_on": ["tcp", "udp"],
    "silent": ["http"],
    "delay_s": 0.5,
    "loss": 0.25,
    "duplicate": True,
    "reorder": True,
    "wrong_port": True,
    "wrong_id": True,
    "garbage": True,
    "cut": 0,
    "reset": True,
    "status": 503,
    "code": 3,
    "unsigned": True,
}


def test_well_behaved() -> None:
    """Nothing happens to the answers of a server without faults."""
    well = Behaviour()
    assert well.distort(ANSWER, "udp") == ANSWER
    assert well.cut_on("tcp", 100) is None
    assert not well.loses()
    assert behaviour_to_json(well) == {}


@pytest.mark.parametrize("name", EVERY_FAULT)
def test_faults_by_name(name: str) -> None:
    """Each fault can be switched on by its name, and is then listed under it."""
    shown = {name: EVERY_FAULT[name]}
    assert behaviour_to_json(behaviour_from_json(shown)) == shown


def test_all_faults_have_a_name() -> None:
    """Every fault is listed above, save what only tests in this process can do."""
    assert behaviour_to_json(behaviour_from_json(EVERY_FAULT)) == EVERY_FAULT
    assert set(EVERY_FAULT) | {"rewrite", "chance"} == set(Behaviour.__slots__)
    assert behaviour_from_json({"code": 3}).code is ResponseCode.SERVER_BUSY


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ([], "must be an object"),
        ({"los": 1}, "'los' is none of the faults"),
        ({"rewrite": 1}, "none of the faults"),
        ({"loss": 1.5}, "loss cannot be 1.5"),
        ({"loss": True}, "loss cannot be"),
        ({"delay_s": -1}, "delay_s cannot be"),
        ({"silent": "udp"}, "silent cannot be"),
        ({"silent": ["smtp"]}, "silent cannot be"),
        ({"code": "busy"}, "code cannot be"),
        ({"cut": -1}, "cut cannot be"),
        ({"cut": 1.5}, "cut cannot be"),
        ({"garbage": 1}, "garbage cannot be"),
    ],
)
def test_faults_that_are_none(shown: Any, reason: str) -> None:
    """What is no fault, or cannot be that way, is refused by name."""
    with pytest.raises(SettingsError, match=reason):
        behaviour_from_json(shown)


def test_only_on_some_transports() -> None:
    """Faults may be limited to transports; on others all is well."""
    broken = behaviour_from_json(EVERY_FAULT | {"delay_s": 1, "only_on": ["tcp"]})
    assert broken.distort(ANSWER, "tcp") != ANSWER
    assert broken.cut_on("tcp", 100) == 0
    assert broken.delay_on("tcp") == 1
    assert broken.distort(ANSWER, "udp") == ANSWER
    assert broken.cut_on("http", 100) is None
    assert broken.delay_on("udp") == 0
    assert not any(broken.loses() for _ in range(100))


def test_wrong_id() -> None:
    """Only the request id changes."""
    forged = Behaviour(wrong_id=True).distort(ANSWER, "udp")
    assert forged[8:12] != ANSWER[8:12]
    assert forged[:8] + forged[12:] == ANSWER[:8] + ANSWER[12:]
    assert Behaviour(wrong_id=True).distort(b"short", "udp") == b"short"


def test_where_answers_end() -> None:
    """A cut answer ends after so many octets, and never after more than it has; a reset half-way."""
    assert Behaviour(cut=30).cut_on("tcp", 100) == 30
    assert Behaviour(cut=300).cut_on("tcp", 100) == 100
    assert Behaviour(reset=True).cut_on("tcp", 100) == 50
    assert Behaviour(cut=30, reset=True).cut_on("tcp", 100) == 30


def test_loss() -> None:
    """About as many datagrams get lost as was said, and the same ones at each run."""
    first, second = Behaviour(loss=0.25), Behaviour(loss=0.25)
    drawn = [first.loses() for _ in range(1000)]
    assert 200 < sum(drawn) < 300
    assert drawn == [second.loses() for _ in range(1000)]
