"""What the resolver remembers: memory first, Redis behind it, one upstream lookup for however many who wait."""
