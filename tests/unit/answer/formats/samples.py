"""Records in other forms: one of every sort of value, and whatever Hypothesis finds."""

from __future__ import annotations

from hypothesis import strategies as st

from resolver.answer.formats import RecordView, view_record
from resolver.answer.targets import DEFAULT_SCHEMES
from resolver.model.record import AdminPermission, AdminRecord, HandleValue, Reference, TtlType
from resolver.protocol.values import encode_admin
from tests.strategies import handle_texts, texts, values

HANDLE = "20.500.12345/abc"
CITATION = f"https://hdl.handle.net/{HANDLE}"

URL = HandleValue(1, "URL", b"https://example.org/?a=1&b=2", timestamp=1_700_000_000)
DESC = HandleValue(2, "DESC", 'Über "alles",\n\tzweite Zeile\\'.encode(), ttl=60)
ADMIN = HandleValue(
    100, "HS_ADMIN", encode_admin(AdminRecord(AdminPermission(0xFFF), Reference("0.NA/20.500.12345", 200)))
)
BINARY = HandleValue(3, "PHOTO", b"\x00\xff\x01", ttl=86_400, ttl_type=TtlType.ABSOLUTE)
SCRIPT = HandleValue(4, "URL", b"javascript:alert(1)")
ALL = (URL, DESC, ADMIN, BINARY, SCRIPT)


def view(*members: HandleValue, handle: str = HANDLE) -> RecordView:
    """Return the view of a record with these values."""
    return view_record(handle, CITATION, members, DEFAULT_SCHEMES)


_NASTY = st.text(
    st.sampled_from("=+-@\"'\\\n\r\t,;<>{}|^`%# \x00\x01\x0b\x0c\x1b\x7f\x85\u2028\u202e\ufeff\uff1d")
    | st.characters(codec="utf-8"),
    max_size=12,
)
_NASTY_VALUES = st.builds(
    HandleValue,
    index=st.integers(-(2**31), 2**31 - 1),
    type=st.sampled_from(["URL", "DESC", "TITLE", "0.TYPE/URL"]) | _NASTY,
    data=_NASTY.map(str.encode) | st.builds("https://example.org/{}".format, texts).map(str.encode),
    ttl_type=st.sampled_from(TtlType).map(int),
    timestamp=st.integers(-(2**31), 2**31 - 1),
)

views = st.builds(
    lambda handle, members: view(*members, handle=handle),
    handle_texts,
    st.lists(values | _NASTY_VALUES, max_size=4),
)
"""Records with values of any sort, many of them with characters that some notation gives a meaning."""
