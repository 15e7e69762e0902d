"""Who vouches for a record: HS_SIGNATURE, HS_CERT, and the chain up to the root of trust. Pure."""
