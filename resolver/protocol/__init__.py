"""Octets to messages and back (RFC 3652 and deployed practice). Pure: no sockets, no clock, no chance."""
