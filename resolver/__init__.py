"""An HTTP proxy resolver for the Handle System.

``from resolver import HandleClient`` for resolving in a program of one's own; ``handle-resolver --help`` for
running the proxy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resolver.client import HandleClient

__all__ = ["HandleClient"]


def __getattr__(name: str) -> Any:
    # Not imported with the package: whoever wants a part of it need not load the whole.
    if name == "HandleClient":
        from resolver.client import HandleClient

        return HandleClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
