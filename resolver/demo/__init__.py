"""A handle network of one's own on loopback: for trying things out, and the peer of the tests. Not for production."""
