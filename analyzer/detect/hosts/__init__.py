"""Whole servers: is this combination of a server's signals, now, like it was before? Many hosts at once, inside the engine."""
