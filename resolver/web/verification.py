"""What signatures are worth, told to programs and to people."""

from __future__ import annotations

from typing import Any

from resolver.answer.listing import describe_day
from resolver.answer.visible import visible_text
from resolver.phrases import phrase
from resolver.protocol.json_values import time_to_json
from resolver.trust.chain import Verdict

__all__ = ["verdict_json", "verdict_view"]


def verdict_json(verdict: Verdict, answered_by: str) -> dict[str, Any]:
    """Return a verdict for programs, beside who gave the answer that was signed."""
    return {
        "answer": {"signed": True, "by": answered_by},
        "record": {
            "trusted": verdict.is_trusted,
            "reason": verdict.reason or None,
            "signers": list(verdict.signers),
            "validUntil": None if verdict.not_after is None else time_to_json(int(verdict.not_after)),
            "signedIndexes": sorted(verdict.signed_indexes),
        },
    }


def verdict_view(verdict: Verdict, answered_by: str) -> dict[str, Any]:
    """Return a verdict for a page."""
    return {
        "answered_by": answered_by,
        "is_trusted": verdict.is_trusted,
        "reason": phrase(visible_text(verdict.reason)),
        "signers": verdict.signers,
        "valid_until": "" if verdict.not_after is None else describe_day(int(verdict.not_after)),
    }
