"""What to answer, given a record and what the visitor prefers. Pure: no clock, no chance, no network."""
