"""The data of the Handle System, frozen and free of I/O (RFC 3650, RFC 3651)."""
