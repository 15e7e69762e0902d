"""HTTP: from a request to a question, and from an answer to octets."""
