"""Plain text: for terminals, mails and screen readers."""

from __future__ import annotations

from resolver.answer.formats.view import RecordView
from resolver.answer.visible import visible_text

__all__ = ["write"]


def write(record: RecordView) -> bytes:
    """Return one paragraph for each value."""
    paragraphs = [f"{visible_text(record.handle)}\n{record.citation_url}"]
    for shown in record.values:
        lines = [f"{shown.value.index}  {shown.view.type}"]
        if shown.view.facts:
            lines += [f"    {fact.label}: {fact.text}" for fact in shown.view.facts]
        elif shown.text is not None:
            lines += [f"    {line}" for line in visible_text(shown.text).split("\n")]
        else:
            lines.append(f"    {shown.view.octets}")
        if shown.changed:
            lines.append(f"    changed {shown.changed}")
        paragraphs.append("\n".join(lines))
    return ("\n\n".join(paragraphs) + "\n").encode("utf-8", "replace")
