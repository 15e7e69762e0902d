"""Plain text: for terminals, mails and screen readers."""

from __future__ import annotations

from resolver.answer.facts import Fact
from resolver.answer.formats.view import RecordView
from resolver.answer.visible import visible_text

__all__ = ["write"]


def write(record: RecordView) -> bytes:
    """Return one paragraph for each value."""
    paragraphs = [f"{_on_one_line(record.handle)}\n{record.citation_url}"]
    for shown in record.values:
        lines = [f"{shown.value.index}  {_on_one_line(shown.view.type)}"]
        if shown.view.facts:
            lines += [f"    {_describe(fact)}" for fact in shown.view.facts]
        elif shown.text is not None:
            lines += [f"    {line}" for line in visible_text(shown.text).split("\n")]
        else:
            lines.append(f"    {shown.view.octets}")
        if shown.changed:
            lines.append(f"    changed {shown.changed}")
        paragraphs.append("\n".join(lines))
    return ("\n\n".join(paragraphs) + "\n").encode("utf-8", "replace")


def _describe(fact: Fact) -> str:
    more = f" ({fact.more})" if fact.more else ""
    return _on_one_line(f"{fact.label}: {fact.text}{more}")


def _on_one_line(text: str) -> str:
    """Return ``text`` as it can be seen, so that no line of it looks like another value."""
    return visible_text(text).replace("\n", "\\u000a")
