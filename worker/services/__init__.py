"""What skills may use: HTTP with bounds, a cache, databases, contacts."""
