"""Tells systemd that the service is ready (sd_notify(3)), so that what waits for it can begin."""

from __future__ import annotations

import contextlib
import os
import socket

__all__ = ["tell_ready"]


def tell_ready() -> None:
    """Say that requests are answered from now on; where nobody wants to know, nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    # A name that begins with "@" is one without a file.
    if not address.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messages:
        messages.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
        messages.send(b"READY=1")
