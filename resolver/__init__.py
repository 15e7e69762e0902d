"""A resolver for the Handle System: the native protocol, a cache, and an HTTP proxy on top."""
