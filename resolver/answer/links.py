"""``Link`` headers (RFC 8288): what the record says about related things, and where the handle itself is cited."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from msgspec import Struct

from resolver.answer.candidates import place_target
from resolver.answer.extras import Extras, LocationData
from resolver.answer.targets import Target
from resolver.model.location import Location

__all__ = ["Link", "citation_link", "item_links", "links_of", "signposts", "write_links"]

MAX_LINKS = 50
MAX_HEADER_OCTETS = 8000

# With these a browser loads something, or connects to somebody, before anybody has clicked: on our pages that
# is not for records to say.
_LOADING = frozenset(
    {
        *("stylesheet", "preload", "modulepreload", "prefetch", "preconnect", "dns-prefetch", "prerender"),
        *("serviceworker", "manifest", "icon", "compression-dictionary"),
    }
)
# The attributes of a location that become parameters, in the order in which they are written.
_PARAMETERS = (
    ("type", ("type", "target-type", "media-type", "ctype")),
    ("media", ("media",)),
    ("hreflang", ("hreflang", "language")),
)


class Link(Struct, frozen=True):
    """One relation to another resource."""

    uri: str
    parameters: tuple[tuple[str, str], ...]

    @property
    def relations(self) -> frozenset[str]:
        """The names in ``rel``."""
        return frozenset(word for name, value in self.parameters if name == "rel" for word in value.split())

    def parameter(self, name: str) -> str | None:
        """Return the value of a parameter."""
        return next((value for key, value in self.parameters if key == name), None)

    def __str__(self) -> str:
        return "; ".join(
            [f"<{self.uri}>", *(_write_parameter(name, value) for name, value in self.parameters)]
        )


def links_of(handle: str, own: LocationData, extras: Extras, schemes: frozenset[str]) -> tuple[Link, ...]:
    """Return the links that a record states, itself or through its prefix: every location with a ``rel``."""
    sources = (own, *extras.included, *extras.inherited)
    locations = [
        location for data in sources for document in data.documents for location in document.locations
    ]
    locations += [location for data in sources for document in data.links for location in document.locations]
    by_id = {identifier: location for location in reversed(locations) if (identifier := location.get("id"))}
    found: dict[Link, None] = {}
    for location in locations:
        link = _link(location, by_id, handle, schemes)
        if link is not None and len(found) < MAX_LINKS:
            found[link] = None
    return tuple(found)


def _link(
    location: Location, by_id: dict[str, Location], handle: str, schemes: frozenset[str]
) -> Link | None:
    relations = " ".join(_relations(location.get("rel") or ""))
    target = place_target(location, handle, schemes)
    if not relations or not isinstance(target, Target):
        return None
    return Link(target.uri, tuple(_parameters(location, relations, by_id, handle, schemes)))


def _relations(text: str) -> Iterator[str]:
    for word in text.split():
        name = word if ":" in word else word.lower()
        if _is_plain(name) and name not in _LOADING:
            yield name


def _parameters(
    location: Location, relations: str, by_id: dict[str, Location], handle: str, schemes: frozenset[str]
) -> Iterator[tuple[str, str]]:
    anchored = by_id.get(location.get("anchor-id") or "")
    if anchored is not None:
        anchor = place_target(anchored, handle, schemes)
    else:
        anchor = place_target(Location((("href", location.get("anchor") or ""),)), handle, schemes)
    if isinstance(anchor, Target):
        yield "anchor", anchor.uri
    yield "rel", relations
    for name, attributes in _PARAMETERS:
        value = next((text for attribute in attributes if (text := location.get(attribute))), None)
        if value is not None and _is_plain(value):
            yield name, value
    title = location.get("title") or location.get("label")
    if title:
        yield "title", title


def citation_link(uri: str) -> Link:
    """Return the link that says how to cite the handle (RFC 8574)."""
    return Link(uri, (("rel", "cite-as"),))


def signposts(root: str, path: str) -> tuple[Link, ...]:
    """Return where programs find more about a handle (FAIR Signposting).

    Args:
        root: address of this resolver, or empty for links that are relative to it.
        path: the handle as it stands in a URL.
    """
    return (
        Link(f"{root}/api/handles/{path}", (("rel", "describedby"), ("type", "application/json"))),
        Link(f"{root}/api/linkset/{path}", (("rel", "linkset"), ("type", "application/linkset+json"))),
    )


def item_links(targets: Iterable[Target]) -> tuple[Link, ...]:
    """Return links to the places where the thing itself can be had."""
    return tuple(Link(target.uri, (("rel", "item"),)) for target in targets)


def write_links(links: Iterable[Link], citation: str) -> str:
    """Return the value of the header: the citable address first, unless the record names another, then the rest.

    What would make the header too long is left out.
    """
    stated = [link for link in links if len(str(link)) <= MAX_HEADER_OCTETS]
    stated.sort(key=lambda link: "cite-as" not in link.relations)
    if not stated or "cite-as" not in stated[0].relations:
        stated.insert(0, citation_link(citation))
    written: list[str] = []
    left = MAX_HEADER_OCTETS
    for text in map(str, stated):
        needed = len(text) + len(", ")
        if needed <= left or not written:
            written.append(text)
            left -= needed
    return ", ".join(written)


def _is_plain(text: str) -> bool:
    """Whether ``text`` can stand in a header as it is; only titles have a notation for everything else."""
    return text.isascii() and text.isprintable()


def _write_parameter(name: str, value: str) -> str:
    if _is_plain(value):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{name}="{escaped}"'
    return f"{name}*=UTF-8''{quote(value, safe='', encoding='utf-8', errors='surrogatepass')}"
