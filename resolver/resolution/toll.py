"""Who pays for the work that a request causes.

A visitor's allowance is kept where requests come in, and spent where work begins, far below. In between lie
aliases, templates and suggestions, each of which may ask for another handle on the same visitor's account.
So the account is a context variable: tasks that a request starts inherit it, and what nobody waits for has
none.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Literal

__all__ = ["Kind", "charge", "pay_from"]

Kind = Literal["hit", "miss", "auth", "batch"]
"""A request; beside that a lookup that it causes, one at the primary, a request for many handles."""

_ACCOUNT: ContextVar[Callable[[Kind], None] | None] = ContextVar("account", default=None)


def pay_from(account: Callable[[Kind], None] | None) -> None:
    """Let ``account`` pay, from now on and in this task; it raises ``TooManyRequestsError`` where it cannot."""
    _ACCOUNT.set(account)


def charge(kind: Kind) -> None:
    """Let whoever is served pay for work that is about to begin; nobody pays where nothing is limited.

    Raises:
        TooManyRequestsError: there is not enough left.
    """
    account = _ACCOUNT.get()
    if account is not None:
        account(kind)
