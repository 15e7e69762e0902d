"""Runs a command under the filters of a systemd unit, without systemd: what the unit forbids fails here as well.

    python sandbox.py UNIT COMMAND...

System calls, address families and writable code are filtered, as these are what a program trips over unawares.
Other confinement needs a system that systemd runs.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

_ALLOW = 0x7FFF0000
_EPERM = 0x00050000 | errno.EPERM
_EAFNOSUPPORT = 0x00050000 | errno.EAFNOSUPPORT
_EQUAL = 4
_FAMILIES = 64
_PR_SET_MDWE, _PR_MDWE_REFUSE_EXEC_GAIN = 65, 1


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def settings(unit: Path, name: str) -> list[str]:
    """Return every value of a setting, in order."""
    lines = unit.read_text("utf-8").splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{name}=")]


def system_calls(words: list[str]) -> set[str]:
    """Return the system calls in sets such as ``@system-service``, those in sets within them included."""
    found: set[str] = set()
    for word in words:
        if not word.startswith("@"):
            found.add(word)
            continue
        shown = subprocess.run(
            ["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True
        ).stdout
        found |= system_calls(
            [line.strip() for line in shown.splitlines()[1:] if line.strip()[:1] not in {"", "#"}]
        )
    return found


def allowed_calls(unit: Path) -> set[str]:
    """Return the system calls that the unit lets pass."""
    allowed = system_calls(["@default"])
    for value in settings(unit, "SystemCallFilter"):
        if value.startswith("~"):
            allowed -= system_calls(value[1:].split())
        else:
            allowed |= system_calls(value.split())
    return allowed


def confine(unit: Path) -> None:
    """Give up, in this process and in what it starts, what the unit forbids."""
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    seccomp.seccomp_rule_add_array.argtypes = (
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_void_p,
    )
    seccomp.seccomp_load.argtypes = (ctypes.c_void_p,)

    families = [getattr(socket, name) for name in settings(unit, "RestrictAddressFamilies")[0].split()]
    by_family = seccomp.seccomp_init(_ALLOW)
    create = seccomp.seccomp_syscall_resolve_name(b"socket")
    for family in range(_FAMILIES):
        if family not in families:
            first_argument = (_Comparison * 1)(_Comparison(0, _EQUAL, family, 0))
            _checked(seccomp.seccomp_rule_add_array(by_family, _EAFNOSUPPORT, create, 1, first_argument))

    by_call = seccomp.seccomp_init(_EPERM)
    for name in sorted(allowed_calls(unit)):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            _checked(seccomp.seccomp_rule_add_array(by_call, _ALLOW, number, 0, None))
    _checked(seccomp.seccomp_load(by_family))
    if settings(unit, "MemoryDenyWriteExecute") == ["yes"]:
        # Fails before Linux 6.3, where systemd filters mmap and mprotect instead.
        ctypes.CDLL(None).prctl(_PR_SET_MDWE, _PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)
    _checked(seccomp.seccomp_load(by_call))


def _checked(status: int) -> None:
    if status:
        raise OSError(-status, os.strerror(abs(status)))


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is wanted
