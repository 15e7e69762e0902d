"""Site records: the data of HS_SITE and its kin, and the body of a get-site-info response (RFC 3651 section 3.2.2)."""

from __future__ import annotations

from resolver.model.site import Interface, Server, Site
from resolver.protocol.wire import Cursor, write_bytes, write_list, write_text, write_u32

__all__ = ["decode_site", "encode_site"]

_PRIMARY = 0x80
_MULTI_PRIMARY = 0x40

# The fewest octets each part can take: what a claimed count is checked against.
_SMALLEST_ATTRIBUTE = 8
_SMALLEST_SERVER = 28
_INTERFACE = 6


def decode_site(octets: bytes) -> Site:
    """Read a site record.

    Raises:
        MessageFormatError: cut short, a count or length that cannot be, or octets left over.
    """
    cursor = Cursor(octets)
    format_version = cursor.u16()
    protocol_version = (cursor.u8(), cursor.u8())
    serial_number = cursor.u16()
    mask = cursor.u8()
    site = Site(
        format_version=format_version,
        protocol_version=protocol_version,
        serial_number=serial_number,
        primary=bool(mask & _PRIMARY),
        multi_primary=bool(mask & _MULTI_PRIMARY),
        hash_option=cursor.u8(),
        hash_filter=cursor.text(),
        attributes=cursor.list_of(lambda c: (c.text(), c.text()), _SMALLEST_ATTRIBUTE),
        servers=cursor.list_of(_read_server, _SMALLEST_SERVER),
    )
    cursor.expect_end("the last server of a site")
    return site


def _read_server(cursor: Cursor) -> Server:
    return Server(
        server_id=cursor.u32(),
        address=cursor.take(16),
        public_key=cursor.octets(),
        interfaces=cursor.list_of(lambda c: Interface(c.u8(), c.u8(), c.u32()), _INTERFACE),
    )


def encode_site(site: Site) -> bytes:
    """Write a site record."""
    mask = (_PRIMARY if site.primary else 0) | (_MULTI_PRIMARY if site.multi_primary else 0)
    return b"".join(
        (
            site.format_version.to_bytes(2, "big"),
            bytes(site.protocol_version),
            site.serial_number.to_bytes(2, "big"),
            bytes((mask, site.hash_option)),
            write_text(site.hash_filter),
            write_list(write_text(name) + write_text(value) for name, value in site.attributes),
            write_list(_write_server(server) for server in site.servers),
        )
    )


def _write_server(server: Server) -> bytes:
    return b"".join(
        (
            write_u32(server.server_id),
            server.address,
            write_bytes(server.public_key),
            write_list(
                bytes((interface.service_type, interface.transport)) + write_u32(interface.port)
                for interface in server.interfaces
            ),
        )
    )
