"""Services for skills: HTTP with limits, a cache, databases, contacts."""
