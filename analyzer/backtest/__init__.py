"""What openmanager would have said over a span of the past, and how that compares. Pure; `analyzer.past` reads and judges."""
