"""Records with several places, written shortly, and all that visitors of them can be answered.

A place is written as its name, then its attributes: ``'paris country="fr" weight="0"'`` leads to
``https://paris.example/``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hypothesis import strategies as st

from resolver.answer.candidates import Places, find_places
from resolver.answer.choose import Answer, Redirect, choose_answer
from resolver.answer.extras import NO_EXTRAS, Extras, LocationData, read_location_data
from resolver.answer.locations import Circumstances
from resolver.answer.negotiation import Requester
from resolver.answer.preferences import Preferences
from resolver.answer.targets import DEFAULT_SCHEMES
from resolver.model.record import HandleRecord, HandleValue

HANDLE = "20.500.12345/abc"

CHANCES = [number / 40 for number in range(40)]
"""Enough different luck that whatever has a fortieth of the weight comes out once."""

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:100.0) Gecko/20100101 Firefox/100.0"
CURL = "curl/8.5.0"


def document(*places: str, root: str = "", index: int = 1, value_type: str = "10320/loc") -> HandleValue:
    """Return a value with these places.

    Args:
        places: as this module describes them; one without a name in front has no ``href`` but its own.
        root: attributes of the root element.
        index: of the value.
        value_type: of the value.
    """
    elements = "".join(f"<location {_attributes(place)}/>" for place in places)
    return HandleValue(index, value_type, f"<locations {root}>{elements}</locations>".encode())


def _attributes(place: str) -> str:
    name, _, attributes = place.partition(" ")
    return place if "=" in name else f'href="https://{name}.example/" {attributes}'


def url(name: str, *, index: int = 5, value_type: str = "URL") -> HandleValue:
    """Return a plain value that leads to ``https://<name>.example/``."""
    return HandleValue(index, value_type, f"https://{name}.example/".encode())


def data_of(*values: HandleValue, handle: str = HANDLE) -> LocationData:
    """Return the location data of a record with these values."""
    return read_location_data(HandleRecord(handle, values))


def places_of(*values: HandleValue, handle: str = HANDLE, extras: Extras = NO_EXTRAS) -> Places:
    """Return the places of a record with these values."""
    return find_places(handle, values, data_of(*values, handle=handle), extras, DEFAULT_SCHEMES)


def answer_of(
    *values: HandleValue,
    chance: float = 0.0,
    extras: Extras = NO_EXTRAS,
    preferences: Preferences = Preferences(),
    **circumstances: object,
) -> Answer:
    """Return what a visitor in these circumstances is answered."""
    return choose_answer(
        HandleRecord(HANDLE, values),
        preferences,
        extras=extras,
        circumstances=Circumstances(**circumstances),  # type: ignore[arg-type]
        chance=lambda: chance,
    )


def name_of(uri: str) -> str:
    """Return the name of the place that ``uri`` leads to."""
    return uri.removeprefix("https://").removesuffix("/").removesuffix(".example")


def reached(
    *values: HandleValue,
    chances: Iterable[float] = CHANCES,
    extras: Extras = NO_EXTRAS,
    **circumstances: object,
) -> set[str]:
    """Return the names of all places where a visitor in these circumstances may end up."""
    names = set()
    for chance in chances:
        answer = answer_of(*values, chance=chance, extras=extras, **circumstances)
        assert isinstance(answer, Redirect), answer
        names.add(name_of(answer.target.uri))
    return names


def browser(accept: str | None = None, language: str | None = None) -> Requester:
    """Return a visitor with Firefox."""
    return Requester(accept, language, FIREFOX)


def tool(accept: str | None = None, language: str | None = None) -> Requester:
    """Return a visitor with curl."""
    return Requester(accept, language, CURL)


def letters(count: int) -> Sequence[str]:
    """Return ``count`` different names."""
    return [f"place{number}" for number in range(count)]


# --- any places ------------------------------------------------------------------------------------------

NUMBERS = st.sampled_from(
    ["0", "1", "2.5", "-1", "", " 3 ", "0.001", "many", "nan", "inf", "-inf", "1e3", "9" * 400]
)
STATUSES = st.sampled_from(["301", "302", "303", "307", "308", "404", "200", "", "3O1", " 303 ", "-302"])
MEDIA_TYPES = st.sampled_from(
    [
        "text/html",
        "application/json",
        "application/rdf+xml; charset=utf-8",
        "TEXT/TURTLE",
        "image/png",
        "",
        "x",
    ]
)
_VALUES = {
    "weight": NUMBERS,
    "score": NUMBERS,
    "http_sc": STATUSES,
    "country": st.sampled_from(["us", "GB", " fr ", "", "usa"]),
    "addresses": st.sampled_from(
        ["192.0.2.0/24", "2001:db8::/32 192.0.2.7", "everywhere", "", "0.0.0.0/0", "::/0"]
    ),
    "language": st.sampled_from(["en", "de-AT", "FR", "", "*"]),
    "http_role": st.sampled_from(["conneg", "no_conneg", "browser", "other"]),
    "ctype": MEDIA_TYPES,
    "media-type": MEDIA_TYPES,
    "role": st.sampled_from(["metadata", "main", ""]),
    "id": st.sampled_from(["0", "1", "x"]),
    "rel": st.sampled_from(["item", "cite-as", "describedby license", ""]),
}
place_attributes = st.fixed_dictionaries({}, optional=_VALUES)
"""Attributes of a place, sensible ones and others."""
