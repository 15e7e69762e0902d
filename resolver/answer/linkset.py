"""Link sets: all links of a resource in a document of their own (RFC 9264)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from resolver.answer.links import Link, citation_link

__all__ = ["LINKSET_JSON", "LINKSET_TEXT", "linkset_json", "linkset_text"]

LINKSET_JSON = "application/linkset+json"
LINKSET_TEXT = "application/linkset"

_WRITTEN_APART = frozenset({"rel", "anchor"})


def linkset_json(anchor: str, links: Sequence[Link]) -> dict[str, Any]:
    """Return the links of ``anchor``, and of other resources that links name as theirs (section 4.2)."""
    contexts: dict[str, dict[str, Any]] = {}
    for link in _with_citation(anchor, links):
        own_anchor = link.parameter("anchor") or anchor
        context = contexts.setdefault(own_anchor, {"anchor": own_anchor})
        target: dict[str, Any] = {"href": link.uri}
        for name, value in link.parameters:
            if name not in _WRITTEN_APART:
                target[name] = [value] if name == "hreflang" else value
        for relation in sorted(link.relations - {"anchor"}):  # a name that each context has for itself
            context.setdefault(relation, []).append(target)
    return {"linkset": list(contexts.values())}


def linkset_text(anchor: str, links: Sequence[Link]) -> bytes:
    """Return the same as in a ``Link`` header, each with its anchor (section 4.1)."""
    anchored = [
        link if link.parameter("anchor") else Link(link.uri, (*link.parameters, ("anchor", anchor)))
        for link in _with_citation(anchor, links)
    ]
    return ",\n".join(map(str, anchored)).encode() + b"\n"


def _with_citation(anchor: str, links: Sequence[Link]) -> Sequence[Link]:
    stated = any("cite-as" in link.relations for link in links)
    return links if stated else (citation_link(anchor), *links)
