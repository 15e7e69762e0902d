"""Whom to ask for a handle, in which order, and what to remember of the answers."""
