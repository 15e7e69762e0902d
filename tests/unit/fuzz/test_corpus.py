"""The inputs that fuzzing has found, read again: each as it is, and damaged in a few hundred ways, always the same."""

from __future__ import annotations

import random
import time

import pytest

from fuzz.corpus import CORPUS, MAX_CORPUS_OCTETS, inputs_of, keep
from fuzz.engine import HANG_S, timed
from fuzz.targets import TARGETS
from resolver.answer.targets import Target

DAMAGED = 300
_TELLING = [
    *(b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"%", b"<", b'"', b"\r\n"),
    *(b"\xe2\x80\xae", b";q=", b"&"),
]


def damaged(inputs: list[bytes], chance: random.Random) -> bytes:
    """Return an input with something changed, cut out, pushed in, or continued by another."""
    octets = bytearray(chance.choice(inputs))
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(octets))
        match chance.randrange(4):
            case 0:
                octets[at : at + 1] = bytes((chance.randrange(256),))
            case 1:
                del octets[at : at + chance.randint(1, 16)]
            case 2:
                octets[at:at] = chance.choice(_TELLING)
            case _:
                octets[at:] = chance.choice(inputs)[at:]
    return bytes(octets)


def test_corpus_is_small_and_complete() -> None:
    """Every target has inputs to begin with, there are no others, and together they are no burden."""
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)
    sizes = [path.stat().st_size for target in TARGETS for path in inputs_of(target)]
    assert len(sizes) >= 100
    assert sum(sizes) < MAX_CORPUS_OCTETS


@pytest.mark.parametrize("target", TARGETS)
def test_replay(target: str) -> None:
    """No input, as found or damaged, gets more out of a reader than its promises."""
    inputs = [path.read_bytes() for path in inputs_of(target)]
    for octets in inputs:
        TARGETS[target](octets)
    chance = random.Random(target)  # noqa: S311 - the same every time
    for _ in range(DAMAGED):
        TARGETS[target](damaged(inputs, chance))


def test_targets_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that loses its guard is found by the very inputs that are kept."""
    monkeypatch.setattr("resolver.answer.choose.read_target", lambda *_: Target("javascript:alert(1)"))
    inputs = [path.read_bytes() for path in inputs_of("record")]
    with pytest.raises(AssertionError, match="not allowed"):
        list(map(TARGETS["record"], inputs))


def test_hangs_are_noticed() -> None:
    """An input that costs too much processor time is a find; one that does not is none."""

    def spin(_: bytes) -> None:
        ends_at = time.thread_time() + HANG_S * 1.2
        while time.thread_time() < ends_at:
            pass

    with pytest.raises(TimeoutError):
        timed(spin)(b"")
    timed(lambda _: time.sleep(HANG_S * 1.2))(b"")  # waiting costs nobody else anything


def test_what_is_kept_stays_small(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shortest inputs come in, once each, and none that is too long."""
    monkeypatch.setattr("fuzz.corpus.CORPUS", tmp_path_factory.mktemp("corpus"))
    found = tmp_path_factory.mktemp("found")
    for name, octets in (("a", b"short"), ("b", b"short"), ("c", b"longer"), ("d", b"x" * 5000)):
        (found / name).write_bytes(octets)
    assert keep("site", found.iterdir()) == 2
    assert keep("site", found.iterdir()) == 0
